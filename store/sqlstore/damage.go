package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/rag-assistant/webhooks/store"
)

// swept is how many webhooks a Prune looks at for damage that nobody would come across.
const swept = 1000

// sweeping is how far Prune has come with that.
type sweeping struct{ after atomic.Int64 }

// sweep looks at some webhooks.
func (s *Store) sweep(ctx context.Context) error {
	last, err := s.engine.sweep(ctx, s.sweeping.after.Load(), swept)
	if err == nil {
		s.sweeping.after.Store(last)
	}
	return err
}

// tell returns what was found damaged and not told before.
func (s *Store) tell(ctx context.Context) ([]store.Damage, error) {
	list, keys, err := s.damage(ctx, false)
	if err == nil && len(keys) > 0 {
		_, err = s.change(ctx, "damage_told", marshal(keys))
	}
	return list, err
}

// damage reads notes: those that nobody was told of, or all.
func (s *Store) damage(ctx context.Context, all bool) (out []store.Damage, keys []int64, err error) {
	err = s.each(ctx, s.reads, "damage", func(r scan) error {
		var d store.Damage
		var n, at int64
		var p struct{ wh, id *int64 }
		err := r(&n, &at, &d.MerchantID, &d.WebhookID, &p.wh, &p.id, &d.EventID, &d.What, &d.How)
		decodeAll(&d.MerchantID, &d.WebhookID, &d.EventID)
		d.At = stamp(at)
		if p.wh != nil && p.id != nil {
			d.DeliveryID = s.deliveryID(place{*p.wh, *p.id})
		}
		if d.DeliveryID != "" {
			d.What += " " + d.DeliveryID
		}
		out, keys = append(out, d), append(keys, n)
		return err
	}, all)
	return out, keys, err
}

// damaged is an error of a record that cannot be read.
func damaged(what, id string, err error) error {
	return fmt.Errorf("sqlstore: read %s %s: %w: %w", what, id, store.ErrDamaged, err)
}

// noteWebhook notes a webhook that cannot be read. That it is told matters less than the
// answer to the call that has found it.
func (s *Store) noteWebhook(ctx context.Context, merchantID, webhookID string, err error) {
	of, ok := errors.AsType[*unreadable](err)
	if ok {
		_, _ = s.change(ctx, "damage_note", s.now(), encode(merchantID), encode(webhookID), "webhook", "has "+of.column+" that cannot be read")
	}
}

// unreadable is a column whose text is not what this package writes. It does not say what is
// there.
type unreadable struct{ column string }

func (e *unreadable) Error() string { return e.column + " cannot be read" }
