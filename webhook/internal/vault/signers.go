package vault

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
)

// Signers returns what goes into the requests of a lease. It keeps opened
// secrets with their key state, and opened headers, so that a delivery pays for none
// of them. Sealed text is its own key: it changes with every change of what is
// sealed, and the webhook is bound into it.
//
// It is a func because without a sealing key that text is the secret, and nothing
// that prints a Dispatcher reads what a func has captured.
type Signers func(l *store.Lease) (Set, error)

type cacheKey struct {
	merchantID, webhookID, secret, previous, headers string

	url string // empty if there are no headers, which are bound to it
}

// Set is what goes into a webhook's requests.
type Set struct {
	Current  *signer.Signer // signs with the previous key too, within a rotation's grace
	Previous *signer.Signer // for the untimed signature, of which there is one; nil if there is no such secret
	Headers  []Header

	asymmetric bool
}

// These bound the cache to some tens of megabytes.
const (
	maxSigners    = 10_000
	maxSignerSize = 16 << 20
)

// NewSigners returns an empty cache over v, for webhooks that may not have headers of
// the names in own.
func NewSigners(v *Vault, own Reserved, log *slog.Logger) Signers {
	var mu sync.RWMutex
	sets := make(map[cacheKey]Set)
	total := 0 // of the keys and headers, in bytes
	return func(l *store.Lease) (Set, error) {
		key := cacheKey{l.MerchantID, l.WebhookID, l.Secret, l.PreviousSecret, l.Headers, ""}
		if l.Headers != "" {
			key.url = l.URL
		}
		mu.RLock()
		set, ok := sets[key]
		mu.RUnlock()
		if ok {
			return set, nil
		}
		set, err := newSet(log, v, own, l)
		if err != nil {
			return Set{}, err
		}
		size := 2 * (len(l.Secret) + len(l.PreviousSecret) + len(l.Headers) + len(key.url))
		mu.Lock()
		defer mu.Unlock()
		if first, ok := sets[key]; ok {
			return first, nil // Another worker was faster.
		}
		if len(sets) >= maxSigners || total+size > maxSignerSize {
			clear(sets) // Rare and cheap to fill again.
			total = 0
		}
		sets[key] = set
		total += size
		return set, nil
	}
}

// newSet opens the keys and headers of a lease.
func newSet(log *slog.Logger, v *Vault, own Reserved, l *store.Lease) (Set, error) {
	var set Set
	key, err := v.openKey(l.MerchantID, l.WebhookID, l.Secret)
	if err != nil {
		return set, err
	}
	set.asymmetric = key.asymmetric()
	var older []SigningKey
	if l.PreviousSecret != "" {
		old, err := v.openKey(l.MerchantID, l.WebhookID, l.PreviousSecret)
		switch {
		case errors.Is(err, ErrUnsealed): // The new one is good without it.
			log.Warn("webhook signs without its previous secret, which cannot be opened",
				slog.String("merchant_id", l.MerchantID), slog.String("webhook_id", l.WebhookID), slog.Any("error", err))
		case err != nil:
			return set, err
		default:
			older = append(older, old)
			if !old.asymmetric() {
				if set.Previous, err = old.signer(); err != nil {
					return set, err
				}
			}
		}
	}
	if set.Current, err = key.signer(older...); err != nil {
		return set, err
	}
	set.Headers, err = openHeaders(log, v, own, l)
	return set, err
}

// Openable reports whether the keys open what signs the requests of a webhook, and the
// headers that go along.
func (v *Vault) Openable(w *store.Webhook) (signs, carries bool) {
	_, secret := v.openKey(w.MerchantID, w.ID, w.Secret)
	_, headers := v.openHeaders(w.MerchantID, w.ID, w.URL, w.Headers)
	return !errors.Is(secret, ErrUnsealed), !errors.Is(headers, ErrUnsealed)
}

// Forge returns a set that signs with a new key of the same scheme, which the
// receiver does not have.
func (s Set) Forge() (Set, error) {
	forger, err := NewSigningKey(s.asymmetric).signer()
	return Set{Current: forger, Headers: s.Headers}, err
}

// openHeaders leaves out what the rules of today would refuse: the store may hold
// what was checked by older ones.
func openHeaders(log *slog.Logger, v *Vault, own Reserved, l *store.Lease) ([]Header, error) {
	all, err := v.openHeaders(l.MerchantID, l.WebhookID, l.URL, l.Headers)
	if err != nil {
		return nil, err
	}
	var out []Header
	for _, h := range all {
		if own.Refuse(h.Name).Text != "" || !ValidHeaderValue(h.Value[0]) {
			log.Warn("webhook header is not sent: it is not one that a webhook may have",
				slog.String("merchant_id", l.MerchantID), slog.String("webhook_id", l.WebhookID), slog.String("header", h.Name))
			continue
		}
		out = append(out, h)
	}
	return out, nil
}
