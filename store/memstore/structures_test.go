package memstore

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The structures do what a sorted slice would do.

func byKey(a, b *delivery) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.number, b.number))
}

func TestHeapIsSorted(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	h := newHeap((*delivery).heapPlace)
	var all []*delivery
	for number := range uint64(3000) {
		switch n := r.IntN(10); {
		case n < 6 || len(all) == 0:
			d := &delivery{number: number, at: r.Int64N(50)}
			all = append(all, d)
			h.set(d, d.key())
		case n < 8:
			d := all[r.IntN(len(all))]
			d.at = r.Int64N(50)
			h.set(d, d.key())
		default:
			i := r.IntN(len(all))
			h.remove(all[i])
			h.remove(all[i]) // It is gone already.
			all = slices.Delete(all, i, i+1)
		}
		slices.SortFunc(all, byKey)
		if len(all) == 0 {
			require.Nil(t, h.first())
		} else {
			require.Same(t, all[0], h.first())
			require.Same(t, all[0], h.until(all[0].at))
			require.Nil(t, h.until(all[0].at-1))
		}
		a := audit{}
		auditHeap(&a, &h)
		require.Empty(t, a.broken)
		require.Len(t, h.nodes, len(all))
	}
}

func TestQueueIsSorted(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	var deliveries series[delivery]
	q := queue{all: &deliveries, next: 1, later: newHeap((*delivery).heapPlace)}
	var all []*delivery
	now := int64(0)
	add := func(d *delivery) {
		d.phase = waiting
		q.add(d)
		all = append(all, d)
	}
	for range 5000 {
		now += r.Int64N(300) - 20 // The clock is set back now and then.
		switch n := r.IntN(10); {
		case n < 5:
			d := &delivery{at: now}
			d.number = deliveries.add(d)
			add(d)
		case len(all) > 0:
			i := 0
			if n == 9 {
				i = r.IntN(len(all))
			}
			d := all[i]
			q.remove(d)
			d.phase, d.token = leased, 1
			all = slices.Delete(all, i, i+1)
			if n < 7 {
				d.at = now + r.Int64N(60_000) - 10_000
				add(d)
			}
		}
		slices.SortFunc(all, byKey)
		if len(all) > 0 {
			require.Same(t, all[0], q.first())
		} else {
			require.Nil(t, q.first())
		}
	}
}

func TestSeriesIsSorted(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	s := series[delivery]{prefix: "whdel_x-"}
	var all []*delivery
	number := func(d *delivery, n uint64) int { return cmp.Compare(d.number, n) }
	for range 3000 {
		d := &delivery{}
		d.number = s.add(d)
		all = append(all, d)
		for len(all) > 0 && r.IntN(100) < 48 {
			i := r.IntN(len(all)) / (1 + r.IntN(50))
			s.remove(all[i].number)
			require.Nil(t, s.at(all[i].number))
			all = slices.Delete(all, i, i+1)
		}
		a := audit{}
		auditSeries(&a, &s, func(d *delivery) uint64 { return d.number })
		require.Empty(t, a.broken)
		from := 1 + r.Uint64N(s.last()+1)
		i, there := slices.BinarySearchFunc(all, from, number)
		below := slices.Clone(all[:i])
		slices.Reverse(below)
		require.Equal(t, below, slices.AppendSeq([]*delivery{}, s.before(from)))
		if there {
			require.Same(t, all[i], s.at(from))
			i++
		}
		require.Equal(t, all[i:], slices.AppendSeq([]*delivery{}, s.after(from)))
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	s := series[delivery]{prefix: newPrefix("whdel_")}
	require.Regexp(t, `^whdel_[0-9A-Z]{16}-$`, s.prefix)
	require.NotEqual(t, s.prefix, newPrefix("whdel_"))
	for range 20 {
		s.add(&delivery{})
	}
	n, ok := s.number(s.id(10))
	require.True(t, ok)
	require.Equal(t, uint64(10), n)
	for _, bad := range []string{"", "10", s.prefix, s.prefix + "010", s.prefix + "+1", s.prefix + "0", s.prefix + "21", s.prefix + "1 ", s.prefix + "x", strings.ToLower(s.prefix) + "1"} {
		_, ok := s.number(bad)
		require.False(t, ok, bad)
	}
}
