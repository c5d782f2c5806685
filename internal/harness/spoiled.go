package harness

import (
	"context"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
)

// Spoiled is a store that cannot read one webhook, as if its record were damaged.
type Spoiled struct {
	store.Store

	WebhookID string // of that webhook; none if it is empty
}

// Volatile implements [store.Volatile].
func (s *Spoiled) Volatile() bool { return true }

// Webhook implements [store.Webhooks].
func (s *Spoiled) Webhook(ctx context.Context, merchantID, id string) (store.Webhook, error) {
	if id == s.WebhookID {
		return store.Webhook{}, fmt.Errorf("read: %w", store.ErrDamaged)
	}
	return s.Store.Webhook(ctx, merchantID, id)
}

// ListWebhooks implements [store.Webhooks].
func (s *Spoiled) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
	all, err := s.Store.ListWebhooks(ctx, merchantID, q)
	return s.spoil(all), err
}

// Troubled implements [store.Directory].
func (s *Spoiled) Troubled(ctx context.Context, q store.TroubledQuery) (store.WebhookPage, error) {
	all, err := s.Store.Troubled(ctx, q)
	return s.spoil(all), err
}

func (s *Spoiled) spoil(all store.WebhookPage) store.WebhookPage {
	page := store.WebhookPage{Next: all.Next}
	for _, w := range all.Webhooks {
		if w.ID == s.WebhookID {
			page.Damaged = append(page.Damaged, w.ID)
		} else {
			page.Webhooks = append(page.Webhooks, w)
		}
	}
	return page
}
