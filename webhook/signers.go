package webhook

import (
	"log/slog"
	"sync"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
)

// signerCache returns what goes into the requests of a lease. It keeps opened
// secrets with their key state, and opened headers, so that a delivery pays for none
// of them. Sealed text is its own key: it changes with every change of what is
// sealed, and the webhook is bound into it.
//
// It is a func because without a sealing key that text is the secret, and nothing
// that prints a Dispatcher reads what a func has captured.
type signerCache func(seal *sealer, l *store.Lease) (signerSet, error)

type signerKey struct {
	merchantID, webhookID, secret, previous, headers string
}

// signerSet is what goes into a webhook's requests.
type signerSet struct {
	current  *signer.Signer // signs with the previous key too, within a rotation's grace
	previous *signer.Signer // for the guide's header, which holds one signature; nil if there is no such secret
	headers  []extraHeader
}

// These bound the cache to some tens of megabytes.
const (
	maxSigners    = 10_000
	maxSignerSize = 16 << 20
)

func newSignerCache(log *slog.Logger) signerCache {
	var mu sync.RWMutex
	sets := make(map[signerKey]signerSet)
	total := 0 // of the keys and headers, in bytes
	return func(seal *sealer, l *store.Lease) (signerSet, error) {
		key := signerKey{l.MerchantID, l.WebhookID, l.Secret, l.PreviousSecret, l.Headers}
		mu.RLock()
		set, ok := sets[key]
		mu.RUnlock()
		if ok {
			return set, nil
		}
		set, err := newSignerSet(log, seal, l)
		if err != nil {
			return signerSet{}, err
		}
		size := 2 * (len(l.Secret) + len(l.PreviousSecret) + len(l.Headers))
		mu.Lock()
		defer mu.Unlock()
		if len(sets) >= maxSigners || total+size > maxSignerSize {
			clear(sets) // Rare and cheap to fill again.
			total = 0
		}
		sets[key] = set
		total += size
		return set, nil
	}
}

// newSignerSet opens the keys and headers of a lease.
func newSignerSet(log *slog.Logger, seal *sealer, l *store.Lease) (signerSet, error) {
	var set signerSet
	key, err := seal.openKey(l.MerchantID, l.WebhookID, l.Secret)
	if err != nil {
		return set, err
	}
	var older []signingKey
	if l.PreviousSecret != "" {
		old, err := seal.openKey(l.MerchantID, l.WebhookID, l.PreviousSecret)
		if err != nil {
			return set, err
		}
		older = append(older, old)
		if !old.asymmetric() {
			if set.previous, err = old.signer(); err != nil {
				return set, err
			}
		}
	}
	if set.current, err = key.signer(older...); err != nil {
		return set, err
	}
	set.headers, err = openHeaders(log, seal, l)
	return set, err
}

// forge returns a set with a new key of the scheme, which the receiver does not have.
func (s signerSet) forge(scheme Scheme) (signerSet, error) {
	forger, err := newSigningKey(scheme).signer()
	return signerSet{current: forger, headers: s.headers}, err
}

// openHeaders leaves out what the rules of today would refuse: the store may hold
// what was checked by older ones.
func openHeaders(log *slog.Logger, seal *sealer, l *store.Lease) ([]extraHeader, error) {
	all, err := seal.openHeaders(l.MerchantID, l.WebhookID, l.Headers)
	if err != nil {
		return nil, err
	}
	var out []extraHeader
	for _, h := range all {
		if refuseHeaderName(h.name) != "" || !validExtraValue(h.value[0]) {
			log.Warn("webhook header is not sent: it is not one that a webhook may have",
				slog.String("merchant_id", l.MerchantID), slog.String("webhook_id", l.WebhookID), slog.String("header", h.name))
			continue
		}
		out = append(out, h)
	}
	return out, nil
}
