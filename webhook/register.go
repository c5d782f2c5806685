package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// Register adds a webhook for a merchant. It makes the secret, which is never shown
// again, or a pair of keys, of which the private one is never shown at all, unless the
// registration brings a secret along. It fails with [ErrLimit] if the merchant has too
// many webhooks.
func (s *Service) Register(ctx context.Context, merchantID string, r Registration) (Registered, error) {
	if err := checkMerchant(merchantID); err != nil {
		return Registered{}, err
	}
	var bad faults
	r = s.checkRegistration(&bad, r)
	if err := invalidIf(bad); err != nil {
		return Registered{}, err
	}
	key := vault.SigningKey{Secret: r.Secret}
	if r.Secret.IsZero() {
		key = vault.NewSigningKey(r.Signature == SchemeAsymmetric)
	}
	webhookID := once.ID(ctx, "whk_")
	sealed, err := s.vault.SealKey(merchantID, webhookID, key)
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: register: %w", err)
	}
	headers, err := s.vault.SealHeaders(merchantID, webhookID, r.URL, r.Headers)
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: register: %w", err)
	}
	w, err := s.store.CreateWebhook(ctx, merchantID, store.Webhook{
		ID: webhookID, MerchantID: merchantID, URL: r.URL, Events: r.Events, Status: store.Active,
		Secret: sealed, Encoding: string(r.Encoding),
		Description: r.Description, Metadata: r.Metadata, Headers: headers, RateLimit: r.RateLimit,
		UpdatedBy: Actor(ctx),
	}, s.limits.Webhooks)
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrLimit) {
		// An earlier try of this very request may have made it: see Once.
		if known, lost := s.store.Webhook(ctx, merchantID, webhookID); lost == nil {
			if r.Secret.IsZero() {
				return s.Rotate(ctx, merchantID, webhookID, 0)
			}
			w, err = known, nil
		}
	}
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: register: %w", err)
	}
	return Registered{Webhook: s.View(w), Secret: key.Secret}, nil
}

// Update changes a webhook in one step. Turning a disabled one active resets its
// failures and lets its paused deliveries go on.
//
// Headers are bound to the origin of the URL, that is to its scheme, host and port.
// Where a webhook has headers and the new URL another origin, Headers has to be there
// too, if only empty to drop them, and the owner gets a [NoticeMoved].
func (s *Service) Update(ctx context.Context, merchantID, webhookID string, u Update) (Webhook, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return Webhook{}, err
	}
	var bad faults
	change := s.checkUpdate(&bad, u)
	change.By = Actor(ctx)
	if err := invalidIf(bad); err != nil {
		return Webhook{}, err
	}
	for try := 1; ; try++ {
		moved, err := s.placeHeaders(ctx, merchantID, webhookID, u, &change)
		if err != nil {
			return Webhook{}, fmt.Errorf("webhook: update: %w", err)
		}
		w, err := s.store.UpdateWebhook(ctx, merchantID, webhookID, change)
		if errors.Is(err, store.ErrVersion) && u.IfVersion == 0 && try < maxTries {
			continue
		}
		if err == nil && moved {
			err = s.tellMoved(ctx, w)
		}
		if err != nil {
			return Webhook{}, fmt.Errorf("webhook: update: %w", err)
		}
		return s.View(w), nil
	}
}

// placeHeaders seals headers for the URL that the webhook will have, and holds the
// change to the version that it has looked at. It reports whether headers that the
// webhook has would come to another origin, and refuses that unless they are given
// anew.
func (s *Service) placeHeaders(ctx context.Context, merchantID, webhookID string, u Update, change *store.WebhookUpdate) (moved bool, err error) {
	if u.URL == nil && u.Headers == nil {
		return false, nil
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	switch {
	case err != nil:
		return false, err
	case u.IfVersion != 0 && u.IfVersion != w.Version:
		return false, store.ErrVersion
	}
	change.IfVersion = w.Version
	to := w.URL
	if change.URL != nil {
		to = *change.URL
	}
	moved = w.Headers != "" && vault.Origin(w.URL) != vault.Origin(to)
	if moved && u.Headers == nil {
		return false, invalidIf(faults{NewFault("headers", FaultMissing,
			"must be given again, or as {} to drop them, because the URL leads to another scheme, host or port")})
	}
	if u.Headers != nil {
		headers, err := s.vault.SealHeaders(merchantID, webhookID, to, u.Headers)
		if err != nil {
			return false, err
		}
		change.Headers = &headers
	}
	return moved, nil
}

// tellMoved adds a notice for the owner, who may not be the one who moved the webhook.
func (s *Service) tellMoved(ctx context.Context, w store.Webhook) error {
	n := store.Notice{Kind: store.NoticeMoved, WebhookID: w.ID, URL: w.URL, Since: w.UpdatedAt}
	for range maxTries {
		added, err := s.store.AddNotice(ctx, w.MerchantID, n, w.Mark, w.Mark)
		if added || errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			w, err = s.store.Webhook(ctx, w.MerchantID, w.ID)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// Rotate replaces a webhook's secret at once and returns the new one, which is
// never shown again. The old one stays good for grace, 0 to [MaxGrace]: requests
// carry Standard Webhooks signatures of both, and a receiver that refuses the one
// in [signer.HeaderSignature] with 401 or 403 gets the other in the same attempt, so
// that a receiver may switch at any moment of the grace. Where requests have no such
// signature, the list alone does that.
//
// During a grace, another rotation with a grace fails with [ErrRotating]: it would
// end the secret that the receiver may still have. Without a grace, all older secrets
// end at once. A webhook that signs with a private key gets a new pair, and requests
// of the grace carry signatures of both keys.
func (s *Service) Rotate(ctx context.Context, merchantID, webhookID string, grace time.Duration) (Registered, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return Registered{}, err
	}
	if grace < 0 || grace > MaxGrace {
		return Registered{}, invalid("graceSeconds", "must be between 0 and 604800, seven days")
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: rotate: %w", err)
	}
	by := once.Derived(ctx, "by_")
	if maker, _ := vault.Maker(w.Secret); by != "" && maker == by {
		grace = 0 // An earlier try of this very request: nobody has seen its secret.
	}
	if signs, _ := s.vault.Openable(&w); !signs {
		grace = 0 // Nobody can sign with the old one.
	}
	key := vault.NewSigningKey(schemeOf(w.Secret) == SchemeAsymmetric)
	sealed, err := s.vault.SealKey(merchantID, webhookID, key)
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: rotate: %w", err)
	}
	sealed = vault.Made(by, sealed)
	change := store.WebhookUpdate{Rotate: &sealed, KeepPrevious: grace, By: Actor(ctx)}
	if grace > 0 {
		if w.PreviousSecret != "" {
			return Registered{}, fmt.Errorf("webhook: rotate: %w", ErrRotating)
		}
		change.IfVersion = w.Version
	}
	if w, err = s.store.UpdateWebhook(ctx, merchantID, webhookID, change); err != nil {
		return Registered{}, fmt.Errorf("webhook: rotate: %w", err)
	}
	return Registered{Webhook: s.View(w), Secret: key.Secret}, nil
}

// maxTries is how often a change of a webhook that changes meanwhile is tried.
const maxTries = 10

// Rewrap seals the secrets and headers of a merchant's webhooks with the first of
// the service's keys, where an older one or none has sealed them, and returns how
// many webhooks it changed. What is sealed stays the same. What is not sealed needs
// [ServiceOptions].InsecurePlaintextSecrets.
func (s *Service) Rewrap(ctx context.Context, merchantID string) (int, error) {
	if err := checkMerchant(merchantID); err != nil {
		return 0, err
	}
	changed := 0
	damaged, err := s.eachWebhook(ctx, merchantID, false, func(w store.Webhook) error {
		did, err := s.rewrapWebhook(ctx, merchantID, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.ID, err)
		}
		if did {
			changed++
		}
		return nil
	})
	if err == nil && len(damaged) > 0 {
		err = fmt.Errorf("%s: %w", strings.Join(damaged, ", "), ErrDamaged)
	}
	if err != nil {
		return changed, fmt.Errorf("webhook: rewrap: %w", err)
	}
	return changed, nil
}

// RewrapWebhook does for one webhook what [Service.Rewrap] does for all of a merchant's, and
// reports whether it changed it.
func (s *Service) RewrapWebhook(ctx context.Context, merchantID, webhookID string) (bool, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return false, err
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	changed := false
	if err == nil {
		changed, err = s.rewrapWebhook(ctx, merchantID, w)
	}
	if err != nil {
		return false, fmt.Errorf("webhook: rewrap: %w", err)
	}
	return changed, nil
}

// rewrapWebhook reports whether it changed the webhook. It starts over if the sealed
// text changes meanwhile, and leaves a deleted webhook alone.
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
		if r.Headers, err = s.vault.RewrapHeaders(merchantID, w.ID, w.URL, w.Headers); err != nil {
			return false, fmt.Errorf("headers: %w", err)
		}
		if r.Secret == r.OldSecret && r.Previous == r.OldPrevious && r.Headers == r.OldHeaders {
			return false, nil
		}
		_, err = s.store.UpdateWebhook(ctx, merchantID, w.ID, store.WebhookUpdate{Reseal: &r, By: Actor(ctx)})
		if errors.Is(err, store.ErrVersion) && try < maxTries {
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
