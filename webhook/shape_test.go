package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// form is a payload that is no JSON, in an order of the host's own.
func form(e event.Event) (event.Shaped, error) {
	return event.Shaped{
		Body: []byte("topic=" + string(e.Type) + "&payload=" + dataOf(e)), ContentType: "application/x-www-form-urlencoded",
		Header: map[string]string{"X-Topic": string(e.Type)},
	}, nil
}

// spaced is an envelope that a host has already, to the last space.
func spaced(e event.Event) (event.Shaped, error) {
	return event.Shaped{Body: []byte("{ \"topic\":\"" + string(e.Type) + "\",\n \"payload\": " + dataOf(e) + " }\n")}, nil
}

// shapes are what the whole path is played with; want is the body of a data and a type.
var shapes = []struct {
	name        string
	shape       event.Shape
	want        func(e event.Event) string
	contentType string
	header      []string // that the shape adds
}{
	{"by default", nil, func(e event.Event) string {
		return `{"created":"` + e.Created.Format(time.RFC3339) + `","data":` + dataOf(e) + `,"id":"` + e.ID + `","type":"` + string(e.Type) + `"}`
	}, "application/json", nil},
	{"Standard Webhooks", event.StandardShape, func(e event.Event) string {
		return `{"data":` + dataOf(e) + `,"timestamp":"` + e.Created.Format(time.RFC3339) + `","type":"` + string(e.Type) + `"}`
	}, "application/json", nil},
	{"CloudEvents", event.CloudEvents("/acme"), func(e event.Event) string {
		return `{"data":` + dataOf(e) + `,"datacontenttype":"application/json","id":"` + e.ID + `","source":"/acme","specversion":"1.0","time":"` +
			e.Created.Format(time.RFC3339) + `","type":"` + string(e.Type) + `"}`
	}, "application/cloudevents+json", nil},
	{"CloudEvents in binary mode", event.CloudEventsBinary("/acme"), dataOf, "application/json", []string{"ce-id", "ce-source", "ce-specversion", "ce-time", "ce-type"}},
	{"a form", form, func(e event.Event) string { return "topic=" + string(e.Type) + "&payload=" + dataOf(e) }, "application/x-www-form-urlencoded", []string{"X-Topic"}},
	{"an envelope with spaces", spaced, func(e event.Event) string {
		return "{ \"topic\":\"" + string(e.Type) + "\",\n \"payload\": " + dataOf(e) + " }\n"
	}, "application/json", nil},
}

func dataOf(e event.Event) string {
	data, _ := e.Data.(json.RawMessage)
	return string(data)
}

// shapedRig is a rig whose catalog has a shape.
func shapedRig(t *testing.T, s event.Shape, o webhook.DispatcherOptions) *harness.Rig {
	t.Helper()
	catalog := event.DefaultCatalog().WithShape(s)
	o.Catalog = catalog
	r := harness.NewRig(t, nil, &o)
	var err error
	r.Svc, err = webhook.NewService(r.Store, &webhook.ServiceOptions{Catalog: catalog})
	require.NoError(t, err)
	return r
}

// requireSent requires that a request has a body and what a shape says, under right signatures.
func requireSent(t *testing.T, secret signer.Secret, c harness.Call, body, contentType string, header []string) {
	t.Helper()
	require.Equal(t, body, c.Body)
	require.Equal(t, []string{contentType}, c.Header["Content-Type"])
	for _, name := range header {
		require.Len(t, c.Header.Values(name), 1, name)
	}
	s, err := signer.New(secret)
	require.NoError(t, err)
	require.True(t, s.Verify([]byte(c.Body), c.Header.Get(signer.HeaderSignature)))
	require.True(t, s.VerifyStandard(c.Header.Get(signer.HeaderStandardID), c.At, []byte(c.Body), c.Header.Get(signer.HeaderStandardSignature)))
}

// TestShapes publishes in each shape and follows it through a retry, a redelivery, a replay, a
// test, a sample and Detect. What is sent is the same each time, is signed, and is in the log.
func TestShapes(t *testing.T) {
	t.Parallel()
	for _, tt := range shapes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := shapedRig(t, tt.shape, webhook.DispatcherOptions{})
				reg := r.Register(event.TypeDocumentCreated)
				r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
				e := event.NewRaw("document.created", json.RawMessage(`{"title":"Café <b>","documentId":"doc_1"}`))
				e.ID, e.Created = "evt_1", time.Now()
				p, err := r.Svc.Publish(t.Context(), harness.Merchant, e)
				require.NoError(t, err)
				again, err := r.Svc.Publish(t.Context(), harness.Merchant, e)
				require.NoError(t, err)
				require.True(t, again.Duplicate)
				e.Created, e.Data = e.Created.UTC(), json.RawMessage(`{"documentId":"doc_1","title":"Café <b>"}`)
				want := tt.want(e)

				harness.Pass(10 * time.Minute)
				require.Equal(t, 3, r.Endpoint.Count())
				r.Endpoint.Set(nil)
				_, err = r.Svc.Replay(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Replay{Since: r.Began.Add(-time.Hour), Failed: true})
				require.NoError(t, err)
				harness.Pass(time.Minute)
				_, err = r.Svc.Redeliver(t.Context(), harness.Merchant, reg.Webhook.ID, p.Deliveries[0].ID)
				require.NoError(t, err)
				harness.Pass(time.Minute)
				require.Equal(t, 5, r.Endpoint.Count(), "three attempts, a replay and a redelivery")
				for _, c := range r.Endpoint.Seen() {
					requireSent(t, reg.Secret, c, want, tt.contentType, tt.header)
				}

				d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
				require.Equal(t, want, string(d.Sent.Body))
				require.Equal(t, tt.contentType, d.Sent.ContentType)
				require.Len(t, d.Sent.Header, len(tt.header))
				require.Equal(t, json.Valid([]byte(want)), d.Payload != nil)
				for _, name := range tt.header {
					require.Contains(t, d.Log[0].Exchange.Request, webhook.HeaderField{Name: name, Value: d.Sent.Header[name]}, "the log hides nothing of it")
				}
				one, err := r.Svc.Event(t.Context(), harness.Merchant, "evt_1")
				require.NoError(t, err)
				require.Equal(t, d.Sent, one.Sent)
				require.Equal(t, d.Payload, one.Payload)
				r.Close()
			})
		})
	}
}

// TestShapesOfTests sends what is no publication: a test, a sample, and those of Detect.
func TestShapesOfTests(t *testing.T) {
	t.Parallel()
	for _, tt := range shapes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := shapedRig(t, tt.shape, webhook.DispatcherOptions{})
				reg := r.Register(event.TypeDocumentCreated)
				entry, _ := event.DefaultCatalog().Lookup(event.TypeUsageLimitExceeded)
				example, err := event.Parse(entry.Example)
				require.NoError(t, err)

				_, err = r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
				require.NoError(t, err)
				harness.Pass(time.Second)
				_, err = r.Svc.Sample(t.Context(), harness.Merchant, reg.Webhook.ID, event.TypeUsageLimitExceeded)
				require.NoError(t, err)
				harness.Pass(time.Second)
				calls := r.Endpoint.Seen()
				require.Len(t, calls, 2)
				for i, c := range calls {
					e := event.Event{ID: c.Header.Get(signer.HeaderStandardID), Type: event.Type(c.Header.Get(signer.HeaderEvent)), Created: c.At.UTC().Truncate(time.Second)}
					if i == 0 {
						e.Data = json.RawMessage(`{"message":"This is a test webhook delivery","timestamp":"` + e.Created.Format(time.RFC3339) + `","webhookId":"` + reg.Webhook.ID + `"}`)
					} else {
						e.Data = canonicalText(t, json.RawMessage(dataOf(example)))
					}
					requireSent(t, reg.Secret, c, tt.want(e), tt.contentType, tt.header)
				}

				found, err := r.Svc.Detect(t.Context(), harness.Merchant, reg.Webhook.ID)
				require.NoError(t, err)
				require.Equal(t, webhook.FoundOpen, found.Receiver)
				for _, c := range r.Endpoint.Seen()[2:4] {
					require.Equal(t, tt.contentType, c.Header.Get("Content-Type"))
					require.Contains(t, c.Body, "message")
				}
				escaped := strings.Contains(r.Endpoint.Seen()[3].Body, `D\u00e9j\u00e0`)
				require.Equal(t, json.Valid([]byte(r.Endpoint.Seen()[2].Body)), escaped, "an encoding is for JSON")
				r.Close()
			})
		})
	}
}

// canonicalText is a text in the form of RFC 8785, for one whose numbers are plain.
func canonicalText(t *testing.T, text json.RawMessage) json.RawMessage {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return out
}

// TestShapeOfProbe sends the test with which a dispatcher tries a disabled webhook.
func TestShapeOfProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := shapedRig(t, form, webhook.DispatcherOptions{Probe: []time.Duration{time.Hour}, DisableAfter: 1})
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		r.Publish()
		harness.Pass(20 * time.Minute)
		require.Equal(t, webhook.Disabled, r.Webhook(reg.Webhook.ID).Status)
		r.Endpoint.Set(nil)
		harness.Pass(3 * time.Hour)
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)
		calls := r.Endpoint.Seen()
		last := calls[len(calls)-1]
		require.Contains(t, last.Body, "topic=webhook.test&payload={")
		requireSent(t, reg.Secret, last, last.Body, "application/x-www-form-urlencoded", []string{"X-Topic"})
		r.Close()
	})
}

// TestNobodySpoofsAShape has headers of a webhook and of the host under names that the shape
// uses, in the ways in which a receiver may take one for the other.
func TestNobodySpoofsAShape(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := shapedRig(t, event.CloudEventsBinary("/acme"), webhook.DispatcherOptions{
			RequestHeaders: func(context.Context, webhook.AttemptInfo) map[string]string {
				return map[string]string{"Ce-Id": "host", "X-Host": "1"}
			},
		})
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, webhook.Registration{
			URL: "https://example.com/hook", Events: []string{"document.created"},
			Headers: map[string]string{"CE-Type": "spoofed", "ce_source": "spoofed", "X-Own": "1"},
		})
		require.NoError(t, err)
		r.Publish()
		harness.Pass(time.Second)
		calls := r.Endpoint.Seen()
		require.Len(t, calls, 1)
		require.Equal(t, []string{"document.created"}, calls[0].Header.Values("ce-type"))
		require.Equal(t, []string{"/acme"}, calls[0].Header.Values("ce-source"))
		require.Empty(t, calls[0].Header.Values("ce_source"))
		require.Equal(t, []string{calls[0].Header.Get("webhook-id")}, calls[0].Header.Values("ce-id"))
		require.Equal(t, "1", calls[0].Header.Get("X-Own"))
		require.Equal(t, "1", calls[0].Header.Get("X-Host"))
		require.NotEmpty(t, reg.Webhook.HeaderNames)
		r.Close()
	})
}

// TestShapesThatFail publishes to shapes that refuse, panic, or break the rules.
func TestShapesThatFail(t *testing.T) {
	t.Parallel()
	var logs harness.LockedBuffer
	for _, tt := range []struct {
		name  string
		shape event.Shape
		want  string
	}{
		{"an error", func(event.Event) (event.Shaped, error) { return event.Shaped{}, errors.New("no such tariff") }, "no such tariff"},
		{"a panic", func(event.Event) (event.Shaped, error) { panic("a secret of the host") }, "its shape panicked"},
		{"no JSON", func(event.Event) (event.Shaped, error) { return event.Shaped{Body: []byte("a=1")}, nil }, "not JSON"},
		{"too large", func(event.Event) (event.Shaped, error) {
			return event.Shaped{Body: []byte(strings.Repeat("1", webhook.MaxBody+1))}, nil
		}, "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			st := memstore.New(nil)
			only := func(e event.Event) (event.Shaped, error) { // A test passes, so that the service can be made.
				if e.Type == event.TypeWebhookTest {
					return event.StandardShape(e)
				}
				return tt.shape(e)
			}
			svc, err := webhook.NewService(st, &webhook.ServiceOptions{Catalog: event.DefaultCatalog().WithShape(only), Logger: textLogger(&logs)})
			require.NoError(t, err)
			e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
			e.ID = "evt_1"
			_, err = svc.Publish(t.Context(), harness.Merchant, e)
			require.ErrorIs(t, err, webhook.ErrInvalid)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "secret of the host")
			require.Len(t, svc.CheckEvent(e), 1)
			_, err = svc.Prepare(harness.Merchant, store.NewEvent{ID: "evt_1", Type: "document.created", Body: []byte("{}")}, time.Now())
			require.ErrorIs(t, err, webhook.ErrInvalid)
			_, err = svc.Event(t.Context(), harness.Merchant, "evt_1")
			require.ErrorIs(t, err, webhook.ErrNotFound, "nothing is stored")

			broken := event.DefaultCatalog().WithShape(tt.shape)
			_, err = webhook.NewService(st, &webhook.ServiceOptions{Catalog: broken})
			require.ErrorContains(t, err, "the catalog's shape refuses a test event")
			_, err = webhook.NewDispatcher(st, &webhook.DispatcherOptions{Catalog: broken, Probe: []time.Duration{time.Hour}})
			require.ErrorContains(t, err, "the catalog's shape refuses a test event")
		})
	}
}

// TestShapeIsNoPartOfContent publishes an event again after the host has changed its shape: it
// is the same event, in the shape of the first time.
func TestShapeIsNoPartOfContent(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
	e.ID = "evt_1"
	for i, s := range []event.Shape{nil, event.StandardShape, form} {
		svc, err := webhook.NewService(st, &webhook.ServiceOptions{Catalog: event.DefaultCatalog().WithShape(s)})
		require.NoError(t, err)
		p, err := svc.Publish(t.Context(), harness.Merchant, e)
		require.NoError(t, err)
		require.Equal(t, i > 0, p.Duplicate)
		kept, err := svc.Event(t.Context(), harness.Merchant, "evt_1")
		require.NoError(t, err)
		require.Contains(t, string(kept.Payload), `"created":`)
	}
}

// TestShapesOnEachStore takes a text with a head through each kind of store.
func TestShapesOnEachStore(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		svc, err := webhook.NewService(st, &webhook.ServiceOptions{Catalog: event.DefaultCatalog().WithShape(form), InsecurePlaintextSecrets: true})
		require.NoError(t, err)
		reg := harness.Register(t, svc, harness.Merchant, "document.created")
		came := make(chan harness.Call, 1)
		ep := &harness.Endpoint{Answer: func(c harness.Call) (harness.Answer, error) {
			came <- c
			return harness.Reply(http.StatusOK, "OK"), nil
		}}
		d, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Transport: ep, InsecurePlaintextSecrets: true})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- d.Run(ctx) }()
		_, err = svc.Publish(t.Context(), harness.Merchant, event.NewRaw("document.created", map[string]string{"title": "Zoë\n\n\x00"}))
		require.NoError(t, err)
		requireSent(t, reg.Secret, harness.Receive(t, came), `topic=document.created&payload={"title":"Zoë\n\n\u0000"}`,
			"application/x-www-form-urlencoded", []string{"X-Topic"})
		stop()
		require.NoError(t, <-stopped)
	})
}
