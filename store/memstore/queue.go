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
// others, such as retries, go to a calendar.
type queue struct {
	chain
	rest calendar
}

func (q *queue) len() int { return q.n + q.rest.n }

// push adds d, to the chain if inOrder allows it and d comes after its end.
func (q *queue) push(d *delivery, inOrder bool) {
	if inOrder && (q.tail == nil || q.tail.key().before(d.key())) {
		q.append(d)
		return
	}
	q.rest.add(d)
}

// first returns the delivery with the least key, or nil.
func (q *queue) first() *delivery {
	d := q.rest.first()
	if d == nil || q.head != nil && q.head.key().before(d.key()) {
		return q.head
	}
	return d
}

// remove takes out d, whose key must be that of when it was pushed.
func (q *queue) remove(d *delivery) {
	if d.inRest > 0 {
		q.rest.remove(d)
		return
	}
	q.chain.remove(d)
}

// tickBits is the length of a tick as a power of two, in milliseconds: about a
// second.
const tickBits = 10

// calendar holds deliveries in a heap for each tick, so that a heap holds some
// thousands however many retries wait. One heap of a million would touch a dozen
// of them, all out of cache, whenever one is taken.
type calendar struct {
	n     int
	ticks map[int64]*tick // by number; only those with deliveries
	order heap[*tick]
}

type tick struct {
	heap[*delivery]

	number  int64
	inOrder int32
}

func (c *calendar) add(d *delivery) {
	if c.ticks == nil {
		c.ticks = map[int64]*tick{}
		c.order.place = func(t *tick) *int32 { return &t.inOrder }
	}
	number := d.at >> tickBits
	t := c.ticks[number]
	if t == nil {
		t = &tick{number: number}
		t.place = func(d *delivery) *int32 { return &d.inRest }
		c.ticks[number] = t
		c.order.set(t, key{at: number})
	}
	t.set(d, d.key())
	c.n++
}

func (c *calendar) remove(d *delivery) {
	t := c.ticks[d.at>>tickBits]
	t.remove(d)
	c.n--
	if len(t.nodes) == 0 {
		delete(c.ticks, t.number)
		c.order.remove(t)
	}
}

// first returns the delivery with the least key, or nil.
func (c *calendar) first() *delivery {
	t, ok := c.order.top()
	if !ok {
		return nil
	}
	d, _ := t.v.top()
	return d.v
}
