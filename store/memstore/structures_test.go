package memstore

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

// The structures do what a sorted slice would do.

func byKey(a, b *delivery) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq))
}

func TestHeapIsSorted(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	h := heap[*delivery]{place: func(d *delivery) *int32 { return &d.inRest }}
	var all []*delivery
	for seq := range uint64(3000) {
		switch n := r.IntN(10); {
		case n < 6 || len(all) == 0:
			d := &delivery{seq: seq, at: r.Int64N(50)}
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
		top, ok := h.top()
		require.Equal(t, len(all) > 0, ok)
		if ok {
			require.Same(t, all[0], top.v)
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
	var q queue
	var all []*delivery
	now := int64(-5000)
	for seq := range uint64(5000) {
		now += r.Int64N(3)
		switch n := r.IntN(10); {
		case n < 4:
			d := &delivery{seq: seq, at: now}
			all = append(all, d)
			q.push(d, true)
		case n < 6:
			d := &delivery{seq: seq, at: now + r.Int64N(4)*1000 - 1000}
			all = append(all, d)
			q.push(d, d.at <= now)
		case n < 9 && len(all) > 0:
			q.remove(all[0])
			all = all[1:]
		case len(all) > 0:
			i := r.IntN(len(all))
			q.remove(all[i])
			all = slices.Delete(all, i, i+1)
		}
		slices.SortFunc(all, byKey)
		require.Equal(t, len(all), q.len())
		if len(all) > 0 {
			require.Same(t, all[0], q.first())
		} else {
			require.Nil(t, q.first())
		}
	}
}

// Events whose ids have the same hash are kept apart.
func TestIndexOfTwins(t *testing.T) {
	t.Parallel()
	x := newIndex()
	x.hash = func(id string) uint64 { return uint64(len(id)) }
	events := map[string]*event{}
	r := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		id := strings.Repeat("x", r.IntN(3)) + strconv.Itoa(r.IntN(9))
		require.Same(t, events[id], x.find(id))
		if e := events[id]; e == nil {
			events[id] = &event{id: id}
			x.add(events[id])
		} else {
			x.remove(e)
			delete(events, id)
		}
		require.Equal(t, len(events), x.n)
		require.Len(t, slices.Collect(x.all()), x.n)
	}
}

func TestDeliveryIDs(t *testing.T) {
	t.Parallel()
	for i := range 100 {
		want := store.DeliveryID("m", strconv.Itoa(i), "w", "")
		id, ok := parseID(want)
		require.True(t, ok)
		require.Equal(t, want, id.String())
	}
	good := "whdel_0123456789abcdef01234567"
	_, ok := parseID(good)
	require.True(t, ok)
	for _, bad := range []string{"", good[1:], good + "0", strings.ToUpper(good), "whdel_" + strings.ToUpper(good[6:]), "whdel-" + good[6:], good[:29] + "g", good[:28] + "/0"} {
		_, ok := parseID(bad)
		require.False(t, ok, bad)
	}
}

func TestLedgerIsSorted(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	var l ledger[*delivery]
	var all []*delivery
	sequence := func(d *delivery, seq uint64) int { return cmp.Compare(d.seq, seq) }
	for seq := range uint64(30_000) {
		d := &delivery{seq: 2*seq + 1, created: int64(seq) + r.Int64N(100)}
		l.append(d)
		all = append(all, d)
		for len(all) > 0 && r.IntN(100) < 45 {
			i := r.IntN(len(all))
			if r.IntN(2) == 0 {
				i /= 50
			}
			l.remove(all[i])
			all = slices.Delete(all, i, i+1)
		}
		if seq%500 != 0 || len(all) == 0 {
			continue
		}
		a := audit{}
		auditLedger(&a, &l)
		require.Empty(t, a.broken)
		first, ok := l.first()
		require.True(t, ok)
		require.Same(t, all[0], first)

		from := r.Uint64N(2*seq + 5)
		i, there := slices.BinarySearchFunc(all, from, sequence)
		below := slices.Clone(all[:i])
		slices.Reverse(below)
		require.Equal(t, below, slices.AppendSeq([]*delivery{}, l.newest(from, always())))
		if there {
			i++
		}
		require.Equal(t, all[i:], slices.AppendSeq([]*delivery{}, l.oldest(from, always())))

		n := r.IntN(len(all))
		require.Equal(t, all[len(all)-1-n].seq+1, l.skip(n))
		require.Zero(t, l.skip(len(all)))

		in := span{r.Int64N(int64(seq) + 100), r.Int64N(int64(seq) + 100)}
		outside := func(d *delivery) bool { return !in.has(d.created) }
		want := slices.DeleteFunc(slices.Clone(all), outside)
		require.Equal(t, want, slices.DeleteFunc(slices.AppendSeq([]*delivery{}, l.oldest(0, in)), outside))
		slices.Reverse(want)
		require.Equal(t, want, slices.DeleteFunc(slices.AppendSeq([]*delivery{}, l.newest(2*seq+2, in)), outside))
	}
	require.LessOrEqual(t, len(l.pages), 8*len(all)/pageSize+8, "sparse pages are merged")
}
