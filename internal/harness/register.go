package harness

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// RegisterAsymmetric registers a webhook that has a public key.
func RegisterAsymmetric(t *testing.T, svc *webhook.Service) webhook.Registered {
	t.Helper()
	reg, err := svc.Register(t.Context(), Merchant, webhook.Registration{
		URL: "https://example.com/hook", Events: []string{"document.created"}, Signature: webhook.SchemeAsymmetric,
	})
	require.NoError(t, err)
	require.True(t, reg.Secret.IsZero(), "there is no secret")
	require.Equal(t, webhook.SchemeAsymmetric, reg.Webhook.Signature)
	return reg
}

// KeyOne is a sealing key.
func KeyOne() webhook.SecretKey { return webhook.SecretKey{ID: "k1", Key: [32]byte{1}} }

// RandomKey is a key of which no part looks like anything else.
func RandomKey(id string) webhook.SecretKey {
	k := webhook.SecretKey{ID: id}
	_, _ = rand.Read(k.Key[:]) // It never fails.
	return k
}

// NewService returns a service over a store in memory.
func NewService(t *testing.T, o *webhook.ServiceOptions) (*webhook.Service, *memstore.Store) {
	t.Helper()
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, o)
	require.NoError(t, err)
	return svc, st
}

// Register registers a webhook for these event types.
func Register(t *testing.T, svc *webhook.Service, merchantID string, types ...string) webhook.Registered {
	t.Helper()
	reg, err := svc.Register(t.Context(), merchantID, webhook.Registration{URL: "https://example.com/", Events: types})
	require.NoError(t, err)
	return reg
}

// Registration is one that is accepted.
func Registration() webhook.Registration {
	return webhook.Registration{URL: "https://example.com/", Events: []string{"document.created"}}
}

// Many makes n pairs.
func Many(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("X-Key-%d", i)] = "value"
	}
	return out
}

// Credential is the value of a header that must not show.
const Credential = "Bearer t0ken-of-the-merchant"
