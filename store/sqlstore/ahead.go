package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/store"
)

// cancelling is a step of Cancel: what is after one id and up to another.
type cancelling struct {
	code           string
	limit          int
	after, through int64 // through is 0 in a first step: up to the last one that is there
}

// cancelled is what a step did. There is more unless last is 0.
type cancelled struct {
	deliveries    int
	last, through int64
}

// find returns the place of a delivery that is there.
func (s *Store) find(ctx context.Context, wh int64, deliveryID string) (place, error) {
	at := s.placeOf(deliveryID)
	found := false
	var err error
	if at.wh == wh {
		found, err = s.one(ctx, s.reads, "delivery_exists", func(r scan) error { return r(new(int)) }, at.wh, at.id)
	}
	if err == nil && !found {
		err = fmt.Errorf("sqlstore: find delivery %s: %w", deliveryID, store.ErrNotFound)
	}
	return at, err
}

// Expedite implements [store.History].
func (s *Store) Expedite(ctx context.Context, merchantID, webhookID, deliveryID string) (bool, error) {
	w, err := s.read(ctx, s.reads, merchantID, webhookID)
	if err != nil {
		return false, err
	}
	at, err := s.find(ctx, w.wh, deliveryID)
	if err != nil {
		return false, err
	}
	pending, err := s.engine.expedite(ctx, at)
	if pending {
		s.Wake()
	}
	return pending, err
}

// Cancel implements [store.History].
func (s *Store) Cancel(ctx context.Context, merchantID, webhookID string, c store.CancelRequest) (store.Cancelled, error) {
	w, err := s.read(ctx, s.reads, merchantID, webhookID)
	if err != nil {
		return store.Cancelled{}, err
	}
	step := cancelling{code: encode(c.Code), limit: min(c.Limit, batch)}
	var one place
	if c.DeliveryID != "" {
		if one, err = s.find(ctx, w.wh, c.DeliveryID); err != nil {
			return store.Cancelled{}, err
		}
	} else if c.Cursor != "" {
		var fine, good bool
		after, through, _ := strings.Cut(c.Cursor, " ")
		step.after, fine = readNumber(cancelCursor, after)
		step.through, good = readNumber(cancelCursor, through)
		if !fine || !good {
			return store.Cancelled{}, store.ErrCursor
		}
	}
	done, err := s.engine.cancel(ctx, w.wh, one, step)
	if err != nil {
		return store.Cancelled{}, err
	}
	out := store.Cancelled{Deliveries: done.deliveries}
	if done.last != 0 {
		out.Next = writeNumber(cancelCursor, done.last) + " " + writeNumber(cancelCursor, done.through)
	}
	return out, nil
}
