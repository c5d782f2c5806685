package memstore

import (
	"cmp"
	"slices"
)

// queue holds the deliveries of a webhook that wait and are no tests, by due time.
//
// New ones are due at once, so they are in order already and stay where they are: in the
// series of all deliveries. The others, which are retries, go to a heap for each tick. One
// heap would be plainer, but with a million members each step down it misses the cache:
// BenchmarkRetries would take twice as long.
type queue struct {
	all    *series[delivery]
	next   uint64  // no new one is below this number
	newest int64   // when the youngest new one was made
	ticks  []*tick // by number; none is empty
}

// tick holds what is due within 2^tickBits milliseconds, which is four seconds.
type tick struct {
	heap[*delivery]

	number int64
}

const tickBits = 12

// add puts in d. A new one that seems older than another, because the clock was set back,
// is treated like a retry.
func (q *queue) add(d *delivery) {
	if d.token == 0 && d.at >= q.newest {
		q.newest = d.at
		return
	}
	i, there := q.tick(d)
	if !there {
		q.ticks = slices.Insert(q.ticks, i, &tick{newHeap((*delivery).heapPlace), d.at >> tickBits})
	}
	q.ticks[i].set(d, d.key())
}

// remove takes out d, whose key must be that of when it was added. A new one is out of the
// queue once its phase is another.
func (q *queue) remove(d *delivery) {
	if d.place == 0 {
		return
	}
	i, _ := q.tick(d)
	if q.ticks[i].remove(d); len(q.ticks[i].nodes) == 0 {
		q.ticks = slices.Delete(q.ticks, i, i+1)
	}
}

// tick returns where the tick of d is, or belongs.
func (q *queue) tick(d *delivery) (i int, there bool) {
	return slices.BinarySearchFunc(q.ticks, d.at>>tickBits, func(t *tick, number int64) int {
		return cmp.Compare(t.number, number)
	})
}

// first returns the delivery with the least key, or nil.
func (q *queue) first() (d *delivery) {
	for ; q.next <= q.all.last(); q.next++ {
		if d = q.all.at(q.next); d != nil && d.isNew() {
			break
		}
		d = nil
	}
	if len(q.ticks) > 0 && (d == nil || q.ticks[0].nodes[0].before(d.key())) {
		d = q.ticks[0].first()
	}
	return d
}
