package redisstore

import (
	"context"

	"github.com/rag-assistant/webhooks/store"
)

// place is the number of a webhook within its shard, and that of one of its deliveries.
type place struct{ n, seq int64 }

// EventDeliveries implements [store.History]. It first asks where the deliveries are, and
// then shows them, in steps of a hundred at most.
func (s *Store) EventDeliveries(ctx context.Context, merchantID, eventID string) (store.EventDeliveries, error) {
	h := s.at(merchantID)
	var out store.EventDeliveries
	places, published, err := s.placesOf(ctx, h, merchantID, eventID)
	for at := 0; err == nil && at < len(places) && (at < published || len(out.Deliveries) < store.MaxEventDeliveries); {
		var seen int
		seen, err = s.showFate(ctx, h, merchantID, places[at:min(at+batch, len(places))], published-at, &out)
		at += seen
	}
	if err != nil {
		return store.EventDeliveries{}, named("event", eventID, err)
	}
	return out, nil
}

// placesOf finds the deliveries of an event: first those of Publish, which it counts, then
// of each webhook one of Enqueue, then the rest.
func (s *Store) placesOf(ctx context.Context, h shard, merchantID, eventID string) (all []place, published int, err error) {
	var rest []place
	known, met := map[place]bool{}, map[int64]bool{}
	for from, steps := "0", 0; ; steps++ {
		r, err := s.run(ctx, call{name: "fate", on: h, keys: []string{h.event(merchantID, eventID)}, args: []any{"find", merchantID, from}})
		if err != nil {
			return nil, 0, err
		}
		from = r.text()
		first, enqueued := unpacker{rest: r.text()}, unpacker{rest: r.text()}
		if err := r.check("fate"); err != nil {
			return nil, 0, err
		}
		if steps == 0 {
			for first.rest != "" {
				all = append(all, place{first.num(4), first.num(6)})
			}
			published = len(all)
		}
		for enqueued.rest != "" {
			p := place{enqueued.num(4), enqueued.num(6)}
			switch {
			case known[p]: // A scan may come upon it twice.
			case met[p.n]:
				rest = append(rest, p)
			default:
				all = append(all, p)
			}
			known[p], met[p.n] = true, true
		}
		if from == "0" {
			return append(all, rest...), published, nil
		}
	}
}

// showFate reads deliveries, of which the first so many are of Publish, and returns how
// many it has seen.
func (s *Store) showFate(ctx context.Context, h shard, merchantID string, list []place, published int, out *store.EventDeliveries) (int, error) {
	args := []any{"show", merchantID, len(list)}
	for _, p := range list {
		args = append(args, p.n, p.seq)
	}
	r, err := s.run(ctx, call{name: "fate", on: h, args: args})
	if err != nil {
		return 0, err
	}
	now, seen := r.time(), 0
	for ; r.more() && seen < len(list); seen++ {
		id, webhookID := h.deliveryID(list[seen].n, list[seen].seq), r.text()
		packed, there := r.next().(string) // else it is gone
		if webhookID == "" {
			continue
		}
		if seen < published {
			out.Published = append(out.Published, store.PublishedDelivery{WebhookID: webhookID, ID: id})
		}
		if !there || len(out.Deliveries) == store.MaxEventDeliveries {
			continue
		}
		d, ok := unpackListed(packed, now)
		if !ok {
			out.Damaged = append(out.Damaged, id)
			continue
		}
		d.ID, d.MerchantID, d.WebhookID = id, merchantID, webhookID
		out.Deliveries = append(out.Deliveries, d)
	}
	r.bad = r.bad || seen == 0
	return seen, r.check("fate")
}
