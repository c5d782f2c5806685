package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// TestNoSecretInRedis looks for a webhook's secrets and headers, and any 16
// characters of them, in every key of a Redis that a service has used.
func TestNoSecretInRedis(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client(t)
	st, err := redisstore.Open(t.Context(), client, nil)
	require.NoError(t, err)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{
		SecretKeys: []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}},
	})
	require.NoError(t, err)
	const token = "Bearer 0123456789abcdef"
	reg, err := svc.Register(t.Context(), merchant, webhook.Registration{
		URL: "https://example.com/", Events: []string{"*"}, Headers: webhook.Headers{"Authorization": token},
	})
	require.NoError(t, err)
	rotated, err := svc.Rotate(t.Context(), merchant, reg.Webhook.ID, time.Hour)
	require.NoError(t, err)
	_, err = svc.Publish(t.Context(), merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(t, err)
	_, err = st.Claim(t.Context(), everything)
	require.NoError(t, err)

	var all strings.Builder
	for key, value := range redistest.Dump(t, client, "") {
		all.WriteString(key + value)
	}
	text := all.String()
	require.Contains(t, text, "https://example.com/", "it reads what is there")
	require.NotContains(t, text, "whsec_")
	for _, secret := range []string{reg.Secret.Reveal(), rotated.Secret.Reveal(), token} {
		for i := 0; i+16 <= len(secret); i++ {
			require.NotContains(t, text, secret[i:i+16])
		}
	}
}
