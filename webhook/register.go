package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// Register adds a webhook for a merchant and makes its secret, which is never
// shown again, or its pair of keys, of which the private one is never shown. It fails with [ErrLimit] if the merchant has too many.
func (s *Service) Register(ctx context.Context, merchantID string, r Registration) (Registered, error) {
	if err := checkMerchant(merchantID); err != nil {
		return Registered{}, err
	}
	var bad faults
	r = s.checkRegistration(&bad, r)
	if err := invalidIf(bad); err != nil {
		return Registered{}, err
	}
	key := vault.NewSigningKey(r.Signature == SchemeAsymmetric)
	webhookID := id.New("whk_")
	sealed, err := s.vault.SealKey(merchantID, webhookID, key)
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: register: %w", err)
	}
	headers, err := s.vault.SealHeaders(merchantID, webhookID, r.Headers)
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: register: %w", err)
	}
	w, err := s.store.CreateWebhook(ctx, merchantID, store.Webhook{
		ID: webhookID, MerchantID: merchantID, URL: r.URL, Events: r.Events, Status: store.Active,
		Secret: sealed, Encoding: string(r.Encoding),
		Description: r.Description, Metadata: r.Metadata, Headers: headers, RateLimit: r.RateLimit,
	}, s.limits.Webhooks)
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: register: %w", err)
	}
	return Registered{Webhook: newWebhook(w), Secret: key.Secret}, nil
}

// Update changes a webhook in one step. Turning a disabled one active resets its
// failures and lets its paused deliveries go on.
func (s *Service) Update(ctx context.Context, merchantID, webhookID string, u Update) (Webhook, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return Webhook{}, err
	}
	var bad faults
	change := s.checkUpdate(&bad, u)
	if err := invalidIf(bad); err != nil {
		return Webhook{}, err
	}
	if u.Headers != nil {
		headers, err := s.vault.SealHeaders(merchantID, webhookID, u.Headers)
		if err != nil {
			return Webhook{}, fmt.Errorf("webhook: update: %w", err)
		}
		change.Headers = &headers
	}
	w, err := s.store.UpdateWebhook(ctx, merchantID, webhookID, change)
	if err != nil {
		return Webhook{}, fmt.Errorf("webhook: update: %w", err)
	}
	return newWebhook(w), nil
}

// Rotate replaces a webhook's secret at once and returns the new one, which is
// never shown again. The old one stays good for grace, 0 to [MaxGrace]: requests
// carry Standard Webhooks signatures of both, and a receiver that refuses the one
// in the guide's header with 401 or 403 gets the other in the same attempt, so
// that a receiver may switch at any moment of the grace.
//
// During a grace, another rotation with a grace fails with [ErrRotating]: it
// would end the secret that the receiver may still have. Without a grace, all
// older secrets end at once. Of a webhook that signs with a private key, that is
// what is replaced, and requests of the grace carry signatures of both keys.
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
	key := vault.NewSigningKey(schemeOf(w.Secret) == SchemeAsymmetric)
	sealed, err := s.vault.SealKey(merchantID, webhookID, key)
	if err != nil {
		return Registered{}, fmt.Errorf("webhook: rotate: %w", err)
	}
	change := store.WebhookUpdate{Rotate: &sealed, KeepPrevious: grace}
	if grace > 0 {
		if w.PreviousSecret != "" {
			return Registered{}, fmt.Errorf("webhook: rotate: %w", ErrRotating)
		}
		change.IfVersion = w.Version
	}
	if w, err = s.store.UpdateWebhook(ctx, merchantID, webhookID, change); err != nil {
		return Registered{}, fmt.Errorf("webhook: rotate: %w", err)
	}
	return Registered{Webhook: newWebhook(w), Secret: key.Secret}, nil
}

// CheckRegistration reports what [Service.Register] would refuse.
func (s *Service) CheckRegistration(r Registration) []FieldError {
	var bad faults
	s.checkRegistration(&bad, r)
	return bad
}

// CheckUpdate reports what [Service.Update] would refuse, whatever the webhook is.
func (s *Service) CheckUpdate(u Update) []FieldError {
	var bad faults
	s.checkUpdate(&bad, u)
	return bad
}

// checkRegistration returns r as it is to be stored.
func (s *Service) checkRegistration(bad *faults, r Registration) Registration {
	return Registration{
		URL:         s.checkURL(bad, r.URL),
		Events:      s.checkEvents(bad, r.Events),
		Encoding:    checkEncoding(bad, r.Encoding),
		Signature:   checkScheme(bad, r.Signature),
		Description: checkDescription(bad, r.Description),
		Metadata:    checkMetadata(bad, r.Metadata),
		Headers:     checkHeaders(bad, r.Headers),
		RateLimit:   checkRate(bad, r.RateLimit, "must be a whole number from 1 to 10000"),
	}
}

// checkUpdate returns u as the store takes it, without the headers, which are yet
// to be sealed.
func (s *Service) checkUpdate(bad *faults, u Update) store.WebhookUpdate {
	change := store.WebhookUpdate{IfVersion: u.IfVersion, Status: u.Status, Reason: ReasonRequest}
	if u.URL == nil && u.Events == nil && u.Status == nil && u.Encoding == nil &&
		u.Description == nil && u.Metadata == nil && u.Headers == nil && u.RateLimit == nil {
		bad.add("", "give at least one of url, events, status, payloadEncoding, description, metadata, headers, rateLimit")
	}
	if u.URL != nil {
		checked := s.checkURL(bad, *u.URL)
		change.URL = &checked
	}
	if u.Events != nil {
		change.Events = s.checkEvents(bad, u.Events)
	}
	if u.Status != nil && *u.Status != Active && *u.Status != Disabled {
		bad.add("status", `must be "active" or "disabled"`)
	}
	if u.Encoding != nil {
		encoding := string(checkEncoding(bad, *u.Encoding))
		change.Encoding = &encoding
	}
	if u.Description != nil {
		description := checkDescription(bad, *u.Description)
		change.Description = &description
	}
	change.Metadata = checkMetadata(bad, u.Metadata)
	checkHeaders(bad, u.Headers)
	if u.RateLimit != nil {
		rate := checkRate(bad, *u.RateLimit, "must be a whole number from 1 to 10000, or 0 for no limit")
		change.RateLimit = &rate
	}
	return change
}

func (s *Service) checkURL(bad *faults, raw string) string {
	if raw == "" {
		bad.add("url", "is required")
		return ""
	}
	u, err := s.rules.CheckURL(raw)
	if err != nil {
		reason := "is not a valid URL"
		if refused, ok := errors.AsType[*egress.URLError](err); ok {
			reason = refused.Reason
		}
		bad.add("url", reason)
	}
	return u
}

// checkEvents returns the types without repeats, in the order given.
func (s *Service) checkEvents(bad *faults, types []string) []string {
	if len(types) == 0 {
		bad.add("events", "give at least one event type")
		return nil
	}
	if len(types) > s.limits.Events {
		bad.add("events", fmt.Sprintf("at most %d event types", s.limits.Events))
		return nil
	}
	if slices.Equal(types, []string{store.EveryType}) {
		return slices.Clone(types)
	}
	out := make([]string, 0, len(types))
	for i, name := range types {
		entry, known := s.catalog.Lookup(event.Type(name))
		switch {
		case name == store.EveryType:
			bad.add(fmt.Sprintf("events[%d]", i), `"*" takes in every type and must stand alone`)
		case !known:
			bad.add(fmt.Sprintf("events[%d]", i), "is not in the catalog of event types; see GET …/webhooks/event-types")
		case !entry.Subscribable():
			bad.add(fmt.Sprintf("events[%d]", i), "is sent on request only and cannot be subscribed to")
		case !slices.Contains(out, name):
			out = append(out, name)
		}
	}
	return out
}

func checkEncoding(bad *faults, e Encoding) Encoding {
	switch e {
	case "":
		return EncodingStandard
	case EncodingStandard, EncodingASCII, EncodingHTML:
		return e
	}
	bad.add("payloadEncoding", `must be "standard", "ascii" or "html"`)
	return ""
}

func checkScheme(bad *faults, s Scheme) Scheme {
	switch s {
	case "":
		return SchemeSecret
	case SchemeSecret, SchemeAsymmetric:
		return s
	}
	bad.add("signature", `must be "v1" or "v1a"`)
	return ""
}

func checkMerchant(merchantID string) error {
	if !id.ValidMerchant(merchantID) {
		return invalid("merchantId", id.MerchantRule)
	}
	return nil
}

// checkIDs treats an id that cannot exist as one that does not.
func checkIDs(merchantID string, ids ...string) error {
	if err := checkMerchant(merchantID); err != nil {
		return err
	}
	for _, s := range ids {
		if !id.Valid(s) {
			return ErrNotFound
		}
	}
	return nil
}
