package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
)

func TestAsymmetricOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	const body = `{"url":"https://example.com/hook","events":["document.created"],"signature":"v1a"}`
	made := s.do(http.MethodPost, hooks, body, "Idempotency-Key", "k1").is(http.StatusCreated)
	v := made.object()
	require.ElementsMatch(t, []string{"webhookId", "url", "events", "signature", "publicKey"}, keysOf(v))
	again := s.do(http.MethodPost, hooks, body, "Idempotency-Key", "k1").is(http.StatusCreated)
	require.Equal(t, v, again.object(), "there is nothing to hide from a repeated answer")
	one, ok := v["webhookId"].(string)
	require.True(t, ok)
	one = hooks + "/" + one
	shown := s.do(http.MethodGet, one, "").is(http.StatusOK).object()
	require.Equal(t, "v1a", shown["signature"])
	require.Equal(t, v["publicKey"], shown["publicKey"])
	key := func() map[string]any { return s.do(http.MethodGet, one+"/public-key", "").is(http.StatusOK).object() }
	require.Equal(t, map[string]any{"webhookId": v["webhookId"], "signature": "v1a", "publicKey": v["publicKey"]}, key())

	rotated := s.do(http.MethodPost, one+"/secret/rotate", `{"graceSeconds":60}`).is(http.StatusOK).object()
	require.ElementsMatch(t, []string{"webhookId", "url", "events", "previousSecretUntil", "signature", "publicKey"}, keysOf(rotated))
	require.Equal(t, map[string]any{
		"webhookId": v["webhookId"], "signature": "v1a", "publicKey": rotated["publicKey"],
		"previousPublicKey": v["publicKey"], "previousSecretUntil": rotated["previousSecretUntil"],
	}, key())

	guides := hooks + "/" + s.hook(harness.Merchant)
	shown = s.do(http.MethodGet, guides, "").is(http.StatusOK).object()
	require.NotContains(t, shown, "signature")
	require.NotContains(t, shown, "publicKey")
	require.Equal(t, "no_public_key", s.do(http.MethodGet, guides+"/public-key", "").is(http.StatusNotFound).refusal().Code)
	for _, bad := range []string{"", "v2", "V1A", "ed25519"} {
		require.Equal(t, []string{"signature"}, s.do(http.MethodPost, hooks,
			`{"url":"https://example.com/hook","events":["document.created"],"signature":"`+bad+`"}`).faults())
	}
	require.Equal(t, []string{"signature"}, s.do(http.MethodPut, guides, `{"signature":"v1a","description":"x"}`).faults(),
		"it is for good")
}
