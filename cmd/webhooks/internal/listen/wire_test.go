package listen

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/signer"
)

// What a sender hands on has the names of its wire, and a receiver with the same wire reads
// them.
func TestWire(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string]signer.Wire{
		"the default":             {},
		"a prefix":                {Prefix: "X-Acme-"},
		"no signature of no time": {Prefix: "X-Acme-", OmitUntimed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, out := receive(t, Config{Secret: secret, Wire: wire})
			got := make(chan http.Header, 2)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got <- r.Header.Clone()
				r.Header.Set(wire.WithDefaults().WebhookID, "whk_1")
				h.ServeHTTP(w, r)
			}))
			defer server.Close()
			to, err := NewSender(server.URL, secret, wire, terminal.New(newOutput(), none))
			require.NoError(t, err)
			to.Send(t.Context(), "evt_1", "document.created", Message{ContentType: "application/json", Body: []byte(`{"created":"2026-11-30T12:00:00Z","data":{},"id":"evt_1","type":"document.created"}`)})
			header := <-got
			own := wire.WithDefaults()
			require.Equal(t, "document.created", header.Get(own.Event))
			for _, h := range []string{"X-Acme-Signature", "X-Webhook-Signature"} {
				require.Equal(t, h == own.Signature, header.Get(h) != "", h)
			}
			out.await(t, "document.created  verified")
			out.await(t, "webhook   whk_1")

			to.Send(t.Context(), "evt_1", "document.deleted", Message{ContentType: "application/json", Body: []byte(`{"created":"2026-11-30T12:00:00Z","data":{},"id":"evt_1","type":"document.created"}`)})
			out.await(t, "answered 400") // The header of the type is one of the wire's.
		})
	}
}
