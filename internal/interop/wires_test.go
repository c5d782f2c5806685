//go:build interop

package interop_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// TestWires sends under each wire over a socket. Package verifier with the same wire, and
// the libraries of Standard Webhooks for Go and JavaScript, which know of no wire, verify
// what came.
func TestWires(t *testing.T) {
	t.Parallel()
	var all []standardCase
	for name, wire := range map[string]signer.Wire{
		"zero": {}, "acme": {Prefix: "X-Acme-", Untimed: signer.Untimed{NoPrefix: true, Base64: true}},
		"standard alone": {StandardOnly: true}, "svix": {OmitUntimed: true, Svix: true},
	} {
		secret, header, body := sendOne(t, wire)
		v, err := verifier.New(secret, &verifier.Options{Wire: wire})
		require.NoError(t, err)
		_, err = v.Verify(header, body)
		require.NoError(t, err, name)
		peer, err := standardwebhooks.NewWebhook(secret)
		require.NoError(t, err)
		require.NoError(t, peer.Verify(body, header), name)
		at, err := strconv.ParseInt(header.Get(signer.HeaderStandardTimestamp), 10, 64)
		require.NoError(t, err)
		sent := map[string]string{}
		for key := range header {
			sent[strings.ToLower(key)] = header.Get(key) // As Node.js has them.
		}
		all = append(all, standardCase{secret, header.Get(signer.HeaderStandardID), at, string(body), sent})
	}
	_, verified := askJavaScript(t, []standardCase{}, all)
	require.Equal(t, []bool{true, true, true, true}, verified)
}

// sendOne returns a secret, and the request that a dispatcher has made with it.
func sendOne(t *testing.T, wire signer.Wire) (secret string, header http.Header, body []byte) {
	t.Helper()
	type request struct {
		header http.Header
		body   []byte
	}
	came := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			came <- request{r.Header, body}
		}
	}))
	defer server.Close()
	here := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: here, Wire: wire})
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Egress: here, Wire: wire})
	require.NoError(t, err)
	reg, err := svc.Register(t.Context(), merchant, webhook.Registration{URL: server.URL, Events: []string{"*"}})
	require.NoError(t, err)
	_, err = svc.Publish(t.Context(), merchant, event.New(event.DocumentDeleted{DocumentID: "doc_1"}))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(ctx) }()
	r := <-came
	stop()
	require.NoError(t, <-stopped)
	return reg.Secret.Reveal(), r.header, r.body
}
