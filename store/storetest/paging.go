package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const cursorPromise = "Next continues after this page, empty at the end. Following it shows no delivery twice and leaves none out that was there at the start and was not pruned, however many are added meanwhile."

func pagingCases() []testCase {
	return []testCase{
		{
			name:    "offsets",
			promise: "DeliveryPage is a page of deliveries, newest first. … all that match, without Limit, Offset and Cursor",
			run: func(x *trial) {
				w := x.webhook("a")
				var want []string
				for range 10 {
					want = append(want, fanOut(w, x.publish("a", 1)...)...)
					x.advance(time.Millisecond)
				}
				slices.Reverse(want)
				for _, q := range []store.DeliveryQuery{{Limit: 4}, {Limit: 4, Offset: 4}, {Limit: 4, Offset: 8}, {Limit: 4, Offset: 10}, {Limit: 4, Offset: 50}, {Limit: 1000}} {
					page := x.deliveries(w, q)
					sameList(x, fmt.Sprintf("the deliveries from %d on", q.Offset), pick(page.Deliveries, deliveryID), cut(want, q.Offset, q.Limit))
					equal(x, "Total", page.Total, 10)
				}
			},
		},
		{
			name:    "cursor",
			promise: cursorPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				want := fanOut(w, x.publish("a", 11)...)
				for _, limit := range []int{1, 2, 3, 5, 10, 11, 12} {
					var got []string
					x.pages(w, store.DeliveryQuery{Limit: limit}, func(page store.DeliveryPage) {
						got = append(got, pick(page.Deliveries, deliveryID)...)
						equal(x, "Total of a page", page.Total, 11)
					})
					x.once(fmt.Sprintf("pages of %d", limit), got, want)
				}
			},
		},
		{
			name:    "cursor while deliveries are added",
			promise: cursorPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				for _, step := range []time.Duration{0, time.Millisecond} {
					want := pick(x.deliveries(w, store.DeliveryQuery{Limit: endless}).Deliveries, deliveryID)
					for range 10 {
						want = append(want, fanOut(w, x.publish("a", 1)...)...)
						x.advance(step)
					}
					n := 0
					var got []string
					x.pages(w, store.DeliveryQuery{Limit: 3}, func(page store.DeliveryPage) {
						got = append(got, pick(page.Deliveries, deliveryID)...)
						if n++; n < 6 {
							x.publish("a", n) // in the same millisecond too
							x.advance(step)
						}
					})
					x.once("pages while deliveries are added", got, want)
				}
			},
		},
		{
			name:    "cursor while deliveries move and are pruned",
			promise: cursorPromise,
			run: func(x *trial) {
				w := x.webhook("a")
				x.per = 100
				pruned := fanOut(w, x.publish("a", 6)...)
				for _, l := range x.claim(6) {
					x.finish(succeed(l), store.FinishAccepted)
				}
				x.advance(time.Hour)
				want := fanOut(w, x.publish("a", 10)...)
				var got []string
				first := true
				x.pages(w, store.DeliveryQuery{Limit: 4}, func(page store.DeliveryPage) {
					got = append(got, pick(page.Deliveries, deliveryID)...)
					if first {
						first = false
						x.prune(store.PruneRequest{DeliveryAge: time.Minute})
						for _, l := range x.claim(10) {
							x.finish(retry(l, time.Hour), store.FinishAccepted)
						}
					}
				})
				x.once("pages while deliveries are pruned", slices.DeleteFunc(got, func(id string) bool { return slices.Contains(pruned, id) }), want)
			},
		},
		{
			name:    "cursor at what was pruned",
			promise: cursorPromise,
			run: func(x *trial) {
				w := x.webhook("a", "b")
				want := fanOut(w, x.publish("a", 3)...)
				for range 3 {
					x.finish(release(x.take(), 100*time.Hour), store.FinishAccepted)
				}
				x.advance(time.Second)
				x.publish("b", 3)
				for _, l := range x.claim(3) {
					x.finish(succeed(l), store.FinishAccepted)
				}
				page := x.deliveries(w, store.DeliveryQuery{Limit: 2})
				x.advance(time.Hour)
				x.prune(store.PruneRequest{DeliveryAge: time.Minute})
				var got []string
				x.pages(w, store.DeliveryQuery{Limit: 2, Cursor: page.Next}, func(page store.DeliveryPage) {
					got = append(got, pick(page.Deliveries, deliveryID)...)
				})
				x.once("pages after the first one was pruned", got, want)
			},
		},
		{
			name:    "cursor and filter",
			promise: cursorPromise,
			run: func(x *trial) {
				w := x.webhook("a", "b")
				want := fanOut(w, x.publish("a", 5)...)
				x.publish("b", 5)
				want = append(want, fanOut(w, x.publish("a", 2)...)...)
				x.publish("b", 9)
				var got []string
				x.pages(w, store.DeliveryQuery{EventType: "a", Limit: 2}, func(page store.DeliveryPage) {
					got = append(got, pick(page.Deliveries, deliveryID)...)
					equal(x, "Total of a page", page.Total, len(want))
				})
				x.once("pages of one type", got, want)
			},
		},
		{
			name:    "cursor instead of offset",
			promise: "from a page's Next; Offset is then ignored",
			run: func(x *trial) {
				w := x.webhook("a")
				var want []string
				for range 9 {
					want = append(want, fanOut(w, x.publish("a", 1)...)...)
					x.advance(time.Millisecond)
				}
				slices.Reverse(want)
				page := x.deliveries(w, store.DeliveryQuery{Limit: 2, Offset: 3})
				sameList(x, "the page at offset 3", pick(page.Deliveries, deliveryID), want[3:5])
				page = x.deliveries(w, store.DeliveryQuery{Limit: 2, Offset: 3, Cursor: page.Next})
				sameList(x, "the page after it", pick(page.Deliveries, deliveryID), want[5:7])
			},
		},
		{
			name:    "bad cursor",
			promise: "ErrCursor says that a cursor was not made by this store.",
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 3)
				for _, cursor := range []string{"x", "not a cursor", "\x00", "{\"a\":1}"} {
					_, err := x.st.Deliveries(x.Context(), x.merchant, w.ID, store.DeliveryQuery{Limit: 1, Cursor: cursor})
					x.fails(fmt.Sprintf("Deliveries with cursor %q", cursor), err, store.ErrCursor)
					_, err = x.st.Events(x.Context(), x.merchant, store.EventQuery{Limit: 1, Cursor: cursor})
					x.fails(fmt.Sprintf("Events with cursor %q", cursor), err, store.ErrCursor)
				}
			},
		},
	}
}

// pages follows Next from a first page to the end.
func (x *trial) pages(w store.Webhook, q store.DeliveryQuery, see func(store.DeliveryPage)) {
	x.Helper()
	for range endless {
		page := x.deliveries(w, q)
		if len(page.Deliveries) > q.Limit {
			x.fatalf("a page has %d deliveries, at most %d were asked for", len(page.Deliveries), q.Limit)
		}
		see(page)
		if page.Next == "" {
			return
		}
		q.Cursor = page.Next
	}
	x.fatalf("following Next for %d pages has no end", endless)
}

// once reports ids that were shown twice and wanted ones that were left out.
// Others may be there.
func (x *trial) once(where string, got, want []string) {
	x.Helper()
	for i, id := range got {
		if slices.Contains(got[:i], id) {
			x.Errorf("%s: %s is shown twice", where, id)
		}
	}
	for _, id := range want {
		if !slices.Contains(got, id) {
			x.Errorf("%s: %s is left out; shown are %d", where, id, len(got))
		}
	}
}
