package webhooktest_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

// TestRequestHasAShape reads a CloudEvent with the middleware that lets it in.
func TestRequestHasAShape(t *testing.T) {
	t.Parallel()
	secret := signer.NewSecret().Reveal()
	for _, tt := range []struct {
		name  string
		shape event.Shape
		want  int
	}{
		{"Standard Webhooks", event.StandardShape, http.StatusOK},
		{"CloudEvents", event.CloudEvents("/acme"), http.StatusOK},
		{"CloudEvents in binary mode, which has its type in no signed place", event.CloudEventsBinary("/acme"), http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := webhooktest.Request(t, secret, event.New(event.DocumentCreated{Title: "Café <b>"}), &webhooktest.RequestOptions{Shape: tt.shape})
			if r.Header.Get("Ce-Id") != "" {
				require.Equal(t, r.Header.Get("Webhook-Id"), r.Header.Get("Ce-Id"))
			}
			var got event.Event
			h := verifier.Middleware(secret, &verifier.Options{ContentTypes: []string{"application/json", "application/cloudevents+json"}})(
				http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = verifier.FromContext(r.Context()) }))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, tt.want, w.Code)
			if tt.want == http.StatusOK {
				doc, err := event.Data[event.DocumentCreated](got)
				require.NoError(t, err)
				require.Equal(t, "Café <b>", doc.Title)
				require.WithinDuration(t, time.Now(), got.Created, time.Minute)
			}
		})
	}
}

func TestRequestVerifies(t *testing.T) {
	t.Parallel()
	secret, key := signer.NewSecret().Reveal(), signer.NewPrivateKey()
	long := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		signed string
		opts   *webhooktest.RequestOptions
		body   string
	}{
		{"default", secret, nil, `"title":"Café <b>"`},
		{"ascii", secret, &webhooktest.RequestOptions{Encoding: webhook.EncodingASCII}, `"title":"Caf\u00e9 <b>"`},
		{"html", secret, &webhooktest.RequestOptions{Encoding: webhook.EncodingHTML}, `"title":"Café \u003cb\u003e"`},
		{"long ago", secret, &webhooktest.RequestOptions{At: long}, `"created":"2020-01-02T03:04:05Z"`},
		{"asymmetric", key.Reveal(), nil, `"title":"Café <b>"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := webhooktest.Request(t, tt.signed, event.New(event.DocumentCreated{Title: "Café <b>"}), tt.opts)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Contains(t, string(body), tt.body)
			for _, untimed := range []bool{false, true} { // Each signature by itself.
				opts := &verifier.Options{AcceptUntimed: untimed, PublicKeys: []string{key.Public().String()}}
				if tt.opts != nil && !tt.opts.At.IsZero() {
					opts.Now = func() time.Time { return tt.opts.At }
				}
				v, err := verifier.New(secret, opts)
				require.NoError(t, err)
				h := r.Header.Clone()
				if untimed && tt.signed == secret {
					h.Del(signer.HeaderStandardID)
					h.Del(signer.HeaderStandardTimestamp)
					h.Del(signer.HeaderStandardSignature)
				}
				_, err = v.Verify(h, body)
				require.NoError(t, err)
			}
			require.Equal(t, tt.signed == secret, r.Header.Get(signer.HeaderSignature) != "", "a private key makes no X-Webhook-Signature")
		})
	}
}

func TestRequestForAHandler(t *testing.T) {
	t.Parallel()
	secret := signer.NewSecret().Reveal()
	var got event.Event
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", verifier.Middleware(secret, nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, _ = verifier.FromContext(r.Context())
	})))
	e := event.New(event.DocumentDeleted{DocumentID: "doc_1"})
	e.ID = "evt_1"
	r := webhooktest.Request(t, secret, e, &webhooktest.RequestOptions{
		Target: "https://receiver.example/webhooks", DeliveryID: "whdel_1", WebhookID: "whk_1",
	})
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "evt_1", got.ID)
	require.Equal(t, "whdel_1", r.Header.Get("X-Webhook-Delivery-ID"))
	require.Equal(t, "whk_1", r.Header.Get("X-Webhook-ID"))
}

// TestRequestIsTheDispatchers compares with what a dispatcher sends.
func TestRequestIsTheDispatchers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		wire    signer.Wire
		headers int
	}{
		{"zero", signer.Wire{}, 9},
		{"acme", signer.Wire{Prefix: "X-Acme-", Untimed: signer.Untimed{Base64: true}, Svix: true}, 12},
		{"standard alone", signer.Wire{StandardOnly: true}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true, Wire: tt.wire})
				s := newSender(t, webhook.DispatcherOptions{Transport: ep.Transport(), Wire: tt.wire})
				reg := s.register(ep)
				ep.SetSecret(reg.Secret.Reveal())
				ep.Fail(1)
				s.publish()
				sent := ep.Next(t)
				require.NoError(t, sent.Err)
				require.Equal(t, tt.wire.StandardOnly, sent.DeliveryID == "")

				r := webhooktest.Request(t, reg.Secret.Reveal(), sent.Event, &webhooktest.RequestOptions{
					Target: ep.URL(), DeliveryID: sent.DeliveryID, WebhookID: sent.WebhookID, Wire: tt.wire,
				})
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				require.Equal(t, string(sent.Body), string(body))
				require.Equal(t, sent.Header, r.Header)
				require.Len(t, slices.Collect(maps.Keys(r.Header)), tt.headers)
				require.Equal(t, 2, ep.Next(t).Attempt)
			})
		})
	}
}

func TestRequestsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	secret := signer.NewSecret().Reveal()
	good := event.New(event.WebhookTest{})
	for want, request := range map[string]func(tb *trial){
		"secret does not start": func(tb *trial) { webhooktest.Request(tb, "x", good, nil) },
		"private key holds":     func(tb *trial) { webhooktest.Request(tb, "whsk_", good, nil) },
		"the type is not valid": func(tb *trial) { webhooktest.Request(tb, secret, event.NewRaw("No", 1), nil) },
		"there is no data":      func(tb *trial) { webhooktest.Request(tb, secret, event.NewRaw("x", nil), nil) },
		"a number out of range": func(tb *trial) { webhooktest.Request(tb, secret, event.NewRaw("x", json.RawMessage(`1e999`)), nil) },
	} {
		message := try(t.Context(), request)
		require.Contains(t, message, want)
		requireNoSecret(t, secret, message)
	}
}
