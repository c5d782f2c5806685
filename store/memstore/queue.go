package memstore

// chain links deliveries in the order in which they came. A delivery is in one
// chain at most.
type chain struct {
	head, tail *delivery
	n          int
}

func (c *chain) append(d *delivery) {
	d.prev, d.next = c.tail, nil
	if c.tail == nil {
		c.head = d
	} else {
		c.tail.next = d
	}
	c.tail = d
	c.n++
}

func (c *chain) remove(d *delivery) {
	if d.prev == nil {
		c.head = d.next
	} else {
		d.prev.next = d.next
	}
	if d.next == nil {
		c.tail = d.prev
	} else {
		d.next.prev = d.prev
	}
	d.prev, d.next = nil, nil
	c.n--
}

// queue holds deliveries by their key. Those that come in order, which is
// nearly all, go to the end of a chain, in constant time however many wait; the
// others, such as retries, go to a heap.
type queue struct {
	chain
	rest heap[*delivery]
}

func newQueue() queue {
	return queue{rest: heap[*delivery]{place: func(d *delivery) *int32 { return &d.inRest }}}
}

func (q *queue) len() int { return q.n + len(q.rest.nodes) }

// push adds d, to the chain if inOrder allows it and d comes after its end.
func (q *queue) push(d *delivery, inOrder bool) {
	if inOrder && (q.tail == nil || q.tail.key().before(d.key())) {
		q.append(d)
		return
	}
	q.rest.set(d, d.key())
}

// first returns the delivery with the least key, or nil.
func (q *queue) first() *delivery {
	top, ok := q.rest.top()
	if !ok || q.head != nil && q.head.key().before(top.key) {
		return q.head
	}
	return top.v
}

func (q *queue) remove(d *delivery) {
	if d.inRest > 0 {
		q.rest.remove(d)
		return
	}
	q.chain.remove(d)
}
