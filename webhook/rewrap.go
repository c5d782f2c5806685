package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
)

// Rewrap seals the secrets of a merchant's webhooks with the first of the
// service's keys, where an older one has sealed them, and returns how many
// webhooks it changed. Secrets stay the same. A webhook that is rotated meanwhile
// is sealed with the first key by that.
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
		r := store.Reseal{OldSecret: w.Secret, OldPrevious: w.PreviousSecret}
		if r.Secret, err = s.rewrap(merchantID, w.ID, w.Secret); err != nil {
			return changed, fmt.Errorf("webhook: rewrap %s: %w", w.ID, err)
		}
		if r.Previous, err = s.rewrap(merchantID, w.ID, w.PreviousSecret); err != nil {
			return changed, fmt.Errorf("webhook: rewrap %s: %w", w.ID, err)
		}
		if r.Secret == r.OldSecret && r.Previous == r.OldPrevious {
			continue
		}
		_, err := s.store.UpdateWebhook(ctx, merchantID, w.ID, store.WebhookUpdate{Reseal: &r})
		switch {
		case errors.Is(err, store.ErrVersion), errors.Is(err, store.ErrNotFound):
			// Rotated or deleted since it was listed.
		case err != nil:
			return changed, fmt.Errorf("webhook: rewrap %s: %w", w.ID, err)
		default:
			changed++
		}
	}
	return changed, nil
}

// rewrap returns text that the first key has sealed as it is, and no text as none.
func (s *Service) rewrap(merchantID, webhookID, sealed string) (string, error) {
	if sealed == "" || s.seal.current(sealed) {
		return sealed, nil
	}
	secret, err := s.seal.open(merchantID, webhookID, sealed)
	if err != nil {
		return "", err
	}
	return s.seal.seal(merchantID, webhookID, secret)
}
