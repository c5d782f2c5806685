package webhook

import (
	"sync"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
)

// signerCache keeps opened secrets with their key state, so that a delivery pays
// for neither. Sealed text is its own key: it changes with every rotation, and
// the webhook is bound into it.
type signerCache struct {
	mu   sync.RWMutex
	pair map[signerKey]signerPair
}

type signerKey struct {
	merchantID, webhookID, secret, previous string
}

type signerPair struct {
	current, previous *signer.Signer // previous is nil outside of a rotation's grace
}

// maxSigners bounds the cache to some megabytes.
const maxSigners = 10_000

// get returns the signers of a lease. The current one signs the Standard
// Webhooks header with the previous secret too.
func (c *signerCache) get(seal *sealer, l *store.Lease) (current, previous *signer.Signer, err error) {
	key := signerKey{l.MerchantID, l.WebhookID, l.Secret, l.PreviousSecret}
	c.mu.RLock()
	p, ok := c.pair[key]
	c.mu.RUnlock()
	if ok {
		return p.current, p.previous, nil
	}
	secret, err := seal.open(l.MerchantID, l.WebhookID, l.Secret)
	if err != nil {
		return nil, nil, err
	}
	var older []signer.Secret
	if l.PreviousSecret != "" {
		old, err := seal.open(l.MerchantID, l.WebhookID, l.PreviousSecret)
		if err != nil {
			return nil, nil, err
		}
		older = append(older, old)
		if p.previous, err = signer.New(old); err != nil {
			return nil, nil, err
		}
	}
	if p.current, err = signer.New(secret, older...); err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pair) >= maxSigners || c.pair == nil {
		c.pair = make(map[signerKey]signerPair) // Rare and cheap to fill again.
	}
	c.pair[key] = p
	return p.current, p.previous, nil
}
