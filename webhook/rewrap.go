package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
)

// rewrapTries is how often a webhook may change under Rewrap's hands.
const rewrapTries = 10

// Rewrap seals the secrets and headers of a merchant's webhooks with the first of
// the service's keys, where an older one has sealed them, and returns how many
// webhooks it changed. What is sealed stays the same.
func (s *Service) Rewrap(ctx context.Context, merchantID string) (int, error) {
	if err := checkMerchant(merchantID); err != nil {
		return 0, err
	}
	page, err := s.store.ListWebhooks(ctx, merchantID, store.WebhookQuery{})
	if err != nil {
		return 0, fmt.Errorf("webhook: rewrap: %w", err)
	}
	changed := 0
	for _, w := range page.Webhooks {
		did, err := s.rewrapWebhook(ctx, merchantID, w)
		if err != nil {
			return changed, fmt.Errorf("webhook: rewrap %s: %w", w.ID, err)
		}
		if did {
			changed++
		}
	}
	return changed, nil
}

// rewrapWebhook says if there was anything to do. It starts over with a webhook
// whose sealed text changes meanwhile, and is done with one that is deleted.
func (s *Service) rewrapWebhook(ctx context.Context, merchantID string, w store.Webhook) (bool, error) {
	for try := 1; ; try++ {
		r := store.Reseal{OldSecret: w.Secret, OldPrevious: w.PreviousSecret, OldHeaders: w.Headers}
		var err error
		if r.Secret, err = s.vault.RewrapKey(merchantID, w.ID, w.Secret); err != nil {
			return false, err
		}
		if r.Previous, err = s.vault.RewrapKey(merchantID, w.ID, w.PreviousSecret); err != nil {
			return false, err
		}
		if r.Headers, err = s.vault.RewrapHeaders(merchantID, w.ID, w.Headers); err != nil {
			return false, fmt.Errorf("headers: %w", err)
		}
		if r.Secret == r.OldSecret && r.Previous == r.OldPrevious && r.Headers == r.OldHeaders {
			return false, nil
		}
		_, err = s.store.UpdateWebhook(ctx, merchantID, w.ID, store.WebhookUpdate{Reseal: &r})
		if errors.Is(err, store.ErrVersion) && try < rewrapTries {
			w, err = s.store.Webhook(ctx, merchantID, w.ID)
			if err == nil {
				continue
			}
		}
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
}
