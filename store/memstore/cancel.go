package memstore

import (
	"context"
	"strings"

	"github.com/rag-assistant/webhooks/store"
)

// Cancel implements [store.History]. A step looks at a thousand deliveries.
func (s *Store) Cancel(ctx context.Context, merchantID, webhookID string, c store.CancelRequest) (done store.Cancelled, err error) {
	w, now, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return done, err
	}
	defer s.unlock()
	if c.DeliveryID != "" {
		d := w.find(c.DeliveryID)
		if d == nil {
			return done, noDelivery(c.DeliveryID)
		}
		if d.pending() {
			s.giveUp(d, c.Code, now)
			done.Deliveries++
		}
		return done, nil
	}
	from, through, ok := w.steps(c.Cursor)
	if !ok {
		return done, store.ErrCursor
	}
	last, more := look(w.deliveries.after(from), c.Limit, func(d *delivery) bool {
		if d.number > through || !d.pending() || d.event.test {
			return false
		}
		s.giveUp(d, c.Code, now)
		done.Deliveries++
		return true
	})
	if more && last.number < through {
		done.Next = w.deliveries.id(last.number) + " " + w.deliveries.id(through)
	}
	return done, nil
}

// steps reads a cursor of Cancel: after which delivery to go on, and which is the last that
// is meant.
func (w *webhook) steps(cursor string) (from, through uint64, ok bool) {
	if cursor == "" {
		return 0, w.deliveries.last(), true
	}
	after, end, _ := strings.Cut(cursor, " ")
	from, ok = w.deliveries.number(after)
	through, fine := w.deliveries.number(end)
	return from, through, ok && fine
}
