package memstore

// queue holds the deliveries of a webhook that wait and are no tests, by due time.
//
// New ones are due at once, so they are in order already and stay where they are: in the
// series of all deliveries. The others, which are mostly retries, are in a heap.
type queue struct {
	all    *series[delivery]
	next   uint64 // no new one is below this number
	newest int64  // when the youngest new one was made
	later  heap[*delivery]
}

// add puts in d. A new one that seems older than another, because the clock was set back,
// is treated like a retry.
func (q *queue) add(d *delivery) {
	if d.token == 0 && d.at >= q.newest {
		q.newest = d.at
		return
	}
	q.later.set(d, d.key())
}

// remove takes out d. A new one leaves when its phase changes.
func (q *queue) remove(d *delivery) { q.later.remove(d) }

// first returns the delivery with the least key, or nil.
func (q *queue) first() *delivery {
	d := q.later.first()
	for ; q.next <= q.all.last(); q.next++ {
		if n := q.all.at(q.next); n != nil && n.isNew() {
			if d == nil || n.key().before(d.key()) {
				return n
			}
			break
		}
	}
	return d
}
