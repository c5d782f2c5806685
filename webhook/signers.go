package webhook

import (
	"sync"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
)

// signerCache returns the signers of a lease. It keeps opened secrets with their
// key state, so that a delivery pays for neither. Sealed text is its own key: it
// changes with every rotation, and the webhook is bound into it.
//
// It is a func because without a sealing key that text is the secret, and nothing
// that prints a Dispatcher reads what a func has captured.
type signerCache func(seal *sealer, l *store.Lease) (signerPair, error)

type signerKey struct {
	merchantID, webhookID, secret, previous string
}

type signerPair struct {
	current, previous *signer.Signer // previous is nil outside of a rotation's grace
}

// maxSigners bounds the cache to some megabytes.
const maxSigners = 10_000

func newSignerCache() signerCache {
	var mu sync.RWMutex
	pairs := make(map[signerKey]signerPair)
	return func(seal *sealer, l *store.Lease) (signerPair, error) {
		key := signerKey{l.MerchantID, l.WebhookID, l.Secret, l.PreviousSecret}
		mu.RLock()
		p, ok := pairs[key]
		mu.RUnlock()
		if ok {
			return p, nil
		}
		p, err := newSignerPair(seal, l)
		if err != nil {
			return p, err
		}
		mu.Lock()
		defer mu.Unlock()
		if len(pairs) >= maxSigners {
			clear(pairs) // Rare and cheap to fill again.
		}
		pairs[key] = p
		return p, nil
	}
}

// newSignerPair opens the secrets of a lease. The current signer signs the
// Standard Webhooks header with the previous secret too.
func newSignerPair(seal *sealer, l *store.Lease) (signerPair, error) {
	var p signerPair
	secret, err := seal.open(l.MerchantID, l.WebhookID, l.Secret)
	if err != nil {
		return p, err
	}
	var older []signer.Secret
	if l.PreviousSecret != "" {
		old, err := seal.open(l.MerchantID, l.WebhookID, l.PreviousSecret)
		if err != nil {
			return p, err
		}
		older = append(older, old)
		if p.previous, err = signer.New(old); err != nil {
			return p, err
		}
	}
	p.current, err = signer.New(secret, older...)
	return p, err
}
