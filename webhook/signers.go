package webhook

import (
	"log/slog"
	"sync"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
)

// signerCache keeps opened secrets with their key state, and opened headers, so
// that a delivery pays for none of them. Sealed text is its own key: it changes
// with every change of what is sealed, and the webhook is bound into it.
type signerCache struct {
	log *slog.Logger

	mu   sync.RWMutex
	sets map[signerKey]signerSet
	size int // of the keys and headers, in bytes
}

type signerKey struct {
	merchantID, webhookID, secret, previous, headers string
}

// signerSet is what goes into a webhook's requests.
type signerSet struct {
	current, previous *signer.Signer // previous is nil outside of a rotation's grace
	headers           []extraHeader
}

// These bound the cache to some megabytes.
const (
	maxSigners    = 10_000
	maxSignerSize = 16 << 20
)

// get returns what goes into the request of a lease. The current signer signs the
// Standard Webhooks header with the previous secret too.
func (c *signerCache) get(seal *sealer, l *store.Lease) (signerSet, error) {
	key := signerKey{l.MerchantID, l.WebhookID, l.Secret, l.PreviousSecret, l.Headers}
	c.mu.RLock()
	set, ok := c.sets[key]
	c.mu.RUnlock()
	if ok {
		return set, nil
	}
	set, err := c.open(seal, l)
	if err != nil {
		return signerSet{}, err
	}
	size := 2 * (len(l.Secret) + len(l.PreviousSecret) + len(l.Headers))
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sets) >= maxSigners || c.size+size > maxSignerSize || c.sets == nil {
		c.sets, c.size = make(map[signerKey]signerSet), 0 // Rare and cheap to fill again.
	}
	c.sets[key] = set
	c.size += size
	return set, nil
}

func (c *signerCache) open(seal *sealer, l *store.Lease) (signerSet, error) {
	secret, err := seal.open(l.MerchantID, l.WebhookID, l.Secret)
	if err != nil {
		return signerSet{}, err
	}
	var set signerSet
	var older []signer.Secret
	if l.PreviousSecret != "" {
		old, err := seal.open(l.MerchantID, l.WebhookID, l.PreviousSecret)
		if err != nil {
			return signerSet{}, err
		}
		older = append(older, old)
		if set.previous, err = signer.New(old); err != nil {
			return signerSet{}, err
		}
	}
	if set.current, err = signer.New(secret, older...); err != nil {
		return signerSet{}, err
	}
	set.headers, err = c.openHeaders(seal, l)
	return set, err
}

// openHeaders leaves out what the rules of today would refuse: the store may hold
// what was checked by older ones.
func (c *signerCache) openHeaders(seal *sealer, l *store.Lease) ([]extraHeader, error) {
	all, err := seal.openHeaders(l.MerchantID, l.WebhookID, l.Headers)
	if err != nil {
		return nil, err
	}
	var out []extraHeader
	for _, h := range all {
		if refuseHeaderName(h.name) != "" || !validExtraValue(h.value[0]) {
			c.log.Warn("webhook header is not sent: it is not one that a webhook may have",
				slog.String("merchant_id", l.MerchantID), slog.String("webhook_id", l.WebhookID), slog.String("header", h.name))
			continue
		}
		out = append(out, h)
	}
	return out, nil
}
