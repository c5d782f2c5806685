package memstore

import (
	"iter"
	"math"
	"slices"
	"sort"
)

// pageSize is how many records a page of a ledger takes. Larger ones make a
// removal dearer, smaller ones a walk and an offset.
const pageSize = 256

// dated is a record in a ledger: its age by sequence and by the clock.
type dated interface {
	born() key
}

// ledger holds records in the order in which they were made, oldest first. To
// add one costs constant time, to find or remove one O(log n), and to skip n of
// them n / pageSize.
type ledger[T dated] struct {
	pages []*page[T]
	n     int
}

// page is a run of records. None of them is from before since or after until.
type page[T dated] struct {
	records      []T
	since, until int64
}

// span is a stretch of time, in Unix milliseconds: since is in it, until is not.
type span struct {
	since, until int64
}

func always() span { return span{math.MinInt64, math.MaxInt64} }

func (s span) has(at int64) bool { return at >= s.since && at < s.until }

func (l *ledger[T]) append(r T) {
	at := r.born().at
	last := len(l.pages) - 1
	if last < 0 || len(l.pages[last].records) == pageSize {
		p := &page[T]{since: at, until: at}
		if last >= 0 {
			p.records = make([]T, 0, pageSize)
		}
		l.pages = append(l.pages, p)
		last++
	}
	p := l.pages[last]
	p.records = append(p.records, r)
	p.since, p.until = min(p.since, at), max(p.until, at)
	l.n++
}

// remove takes r out, which must be in the ledger.
func (l *ledger[T]) remove(r T) {
	i := l.before(r.born().seq+1) - 1
	p := l.pages[i]
	j := p.find(r.born().seq)
	if j == 0 { // As nearly always: the oldest go first.
		clear(p.records[:1])
		p.records = p.records[1:]
	} else {
		p.records = slices.Delete(p.records, j, j+1)
	}
	l.n--
	if len(p.records) == 0 {
		l.pages = slices.Delete(l.pages, i, i+1)
		return
	}
	if i+1 == len(l.pages) {
		return
	}
	// Two sparse neighbours become one, so that a few old records do not keep a
	// page each.
	if next := l.pages[i+1]; len(p.records)+len(next.records) <= pageSize/4 {
		p.records = append(p.records, next.records...)
		p.since, p.until = min(p.since, next.since), max(p.until, next.until)
		l.pages = slices.Delete(l.pages, i+1, i+2)
	}
}

// before returns how many pages start before seq.
func (l *ledger[T]) before(seq uint64) int {
	return sort.Search(len(l.pages), func(i int) bool { return l.pages[i].records[0].born().seq >= seq })
}

// find returns the index of the first record of the page at or after seq.
func (p *page[T]) find(seq uint64) int {
	return sort.Search(len(p.records), func(i int) bool { return p.records[i].born().seq >= seq })
}

// first returns the oldest record, or false if there is none.
func (l *ledger[T]) first() (r T, ok bool) {
	if l.n == 0 {
		return r, false
	}
	return l.pages[0].records[0], true
}

// skip returns where a walk from the newest starts that leaves out n records.
func (l *ledger[T]) skip(n int) uint64 {
	for _, p := range slices.Backward(l.pages) {
		if n < len(p.records) {
			return p.records[len(p.records)-1-n].born().seq + 1
		}
		n -= len(p.records)
	}
	return 0
}

// newest walks from the newest record with a sequence below the given one to the
// oldest. It leaves out pages that lie outside of the span, but not every
// record that does.
func (l *ledger[T]) newest(below uint64, in span) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, p := range slices.Backward(l.pages[:l.before(below)]) {
			if p.until < in.since || p.since >= in.until {
				continue
			}
			for i := p.find(below) - 1; i >= 0; i-- {
				if !yield(p.records[i]) {
					return
				}
			}
		}
	}
}

// oldest walks from the oldest record with a sequence above the given one to the
// newest, with the same liberty as newest.
func (l *ledger[T]) oldest(above uint64, in span) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, p := range l.pages[max(l.before(above+1)-1, 0):] {
			if p.until < in.since || p.since >= in.until {
				continue
			}
			for _, r := range p.records[p.find(above+1):] {
				if !yield(r) {
					return
				}
			}
		}
	}
}
