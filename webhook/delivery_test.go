package webhook_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestRequestIsTheGuides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		reg := r.register(event.TypeDocumentCreated)
		p := r.publish()
		synctest.Wait()
		require.Equal(t, 1, r.endpoint.count())
		c := r.endpoint.seen()[0]
		require.Zero(t, r.since(c.at), "the first attempt is made at once")
		require.Equal(t, "https://example.com/hook", c.url)
		for key, want := range map[string]string{
			"Content-Type":          "application/json",
			"X-Webhook-Event":       "document.created",
			"X-Webhook-ID":          reg.Webhook.ID,
			"X-Webhook-Delivery-ID": p.Deliveries[0],
			"User-Agent":            "RAG-Assistant-Webhooks/1.0",
			"webhook-id":            p.EventID,
		} {
			require.Equal(t, want, c.header.Get(key), key)
		}
		require.Len(t, c.header, 9, "nothing else is sent")
		require.Regexp(t, `^\{"created":"2000-01-01T00:00:00Z","data":\{"documentId":"doc_1",.*"title":"Café <b>".*\},"id":"`+
			p.EventID+`","type":"document.created"\}$`, c.body, "canonical JSON, raw UTF-8")
		for _, standard := range []bool{false, true} {
			e := verify(t, reg.Secret, c, &verifier.Options{RequireStandard: standard})
			require.Equal(t, p.EventID, e.ID)
		}
		peer, err := standardwebhooks.NewWebhook(reg.Secret.Reveal())
		require.NoError(t, err)
		require.NoError(t, peer.Verify([]byte(c.body), c.header), "the library of Standard Webhooks accepts it")
		d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
		require.Equal(t, store.DeliverySucceeded, d.Status)
		require.JSONEq(t, c.body, string(d.Payload))
		r.close()
	})
}

func TestPayloadEncoding(t *testing.T) {
	t.Parallel()
	for encoding, want := range map[webhook.Encoding]string{
		webhook.EncodingStandard: `"title":"Café <b>"`,
		webhook.EncodingASCII:    `"title":"Caf\u00e9 <b>"`,
		webhook.EncodingHTML:     `"title":"Café \u003cb\u003e"`,
	} {
		t.Run(string(encoding), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				reg := r.register(event.TypeDocumentCreated)
				_, err := r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Encoding: &encoding})
				require.NoError(t, err)
				r.publish()
				synctest.Wait()
				c := r.endpoint.seen()[0]
				require.Contains(t, c.body, want)
				verify(t, reg.Secret, c, nil)
				r.close()
			})
		})
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer func(call) (answer, error)
		status store.DeliveryStatus
		code   string
		took   time.Duration
	}{
		{"200", always(200), store.DeliverySucceeded, "", 0},
		{"201", always(201), store.DeliverySucceeded, "", 0},
		{"204", always(204), store.DeliverySucceeded, "", 0},
		{"299", always(299), store.DeliverySucceeded, "", 0},
		{"301", always(301, "Location", "https://example.com/other"), store.DeliveryPending, webhook.CodeRedirect, 0},
		{"304", always(304), store.DeliveryPending, webhook.CodeRedirect, 0},
		{"400", always(400), store.DeliveryPending, webhook.CodeStatus, 0},
		{"401", always(401), store.DeliveryPending, webhook.CodeStatus, 0},
		{"410", always(410), store.DeliveryPending, webhook.CodeStatus, 0},
		{"500", always(500), store.DeliveryPending, webhook.CodeStatus, 0},
		{"silence", hang, store.DeliveryPending, webhook.CodeTimeout, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				r.endpoint.set(tt.answer)
				reg := r.register(event.TypeDocumentCreated)
				p := r.publish()
				pass(30 * time.Second)
				d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
				require.Equal(t, tt.status, d.Status)
				require.Equal(t, tt.code, d.Error)
				require.Equal(t, tt.took, d.Log[0].Duration)
				require.Equal(t, 1, r.endpoint.count(), "redirects are not followed")
				r.close()
			})
		})
	}
}

func TestRotationLosesNoDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		old := r.register(event.TypeDocumentCreated)
		fresh, err := r.svc.Rotate(t.Context(), merchant, old.Webhook.ID, webhook.DefaultGrace)
		require.NoError(t, err)
		require.NotEqual(t, old.Secret.Reveal(), fresh.Secret.Reveal())

		deliver := func() webhook.DeliveryDetail {
			p := r.publish()
			synctest.Wait()
			return r.delivery(old.Webhook.ID, p.Deliveries[0])
		}
		r.endpoint.set(knows(t, old.Secret))
		d := deliver()
		require.Equal(t, store.DeliverySucceeded, d.Status, "a receiver with the old secret only")
		require.Equal(t, 1, d.Attempts, "within one attempt")
		require.Equal(t, 2, r.endpoint.count())
		r.endpoint.set(knows(t, fresh.Secret))
		require.Equal(t, store.DeliverySucceeded, deliver().Status, "a receiver with the new secret only")
		require.Equal(t, 3, r.endpoint.count())
		c := r.endpoint.seen()[2]
		verify(t, fresh.Secret, c, nil)
		v, err := verifier.New(old.Secret.Reveal(), &verifier.Options{RequireStandard: true})
		require.NoError(t, err)
		_, err = v.Verify(c.header, []byte(c.body))
		require.NoError(t, err, "the Standard Webhooks header lists both")

		pass(webhook.DefaultGrace)
		r.endpoint.set(knows(t, old.Secret))
		d = deliver()
		require.Equal(t, store.DeliveryPending, d.Status, "the grace is over")
		require.Equal(t, http.StatusUnauthorized, d.StatusCode)
		require.Equal(t, 4, r.endpoint.count())
		r.close()
	})
}

func TestTestEventReachesADisabledWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 1})
		reg := r.register(event.TypeDocumentCreated)
		disabled := webhook.Disabled
		_, err := r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Status: &disabled})
		require.NoError(t, err)

		d, err := r.svc.Test(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		d, err = r.svc.Await(t.Context(), merchant, reg.Webhook.ID, d.ID)
		require.NoError(t, err)
		require.Equal(t, store.DeliverySucceeded, d.Status)
		e := verify(t, reg.Secret, r.endpoint.seen()[0], nil)
		require.Regexp(t, `^evt_test_`, e.ID)
		data, err := event.Data[event.WebhookTest](e)
		require.NoError(t, err)
		require.Equal(t, "This is a test webhook delivery", data.Message)
		require.Equal(t, reg.Webhook.ID, data.WebhookID)

		active := webhook.Active
		_, err = r.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Status: &active})
		require.NoError(t, err)
		r.endpoint.set(always(http.StatusInternalServerError))
		d, err = r.svc.Test(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		pass(time.Hour)
		got := r.delivery(reg.Webhook.ID, d.ID)
		require.Equal(t, store.DeliveryFailed, got.Status)
		require.Equal(t, 1, got.Attempts, "one attempt")
		require.Equal(t, webhook.Active, r.webhook(reg.Webhook.ID).Status, "a test never counts")
		require.Zero(t, r.webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.close()
	})
}

func TestAHangingEndpointDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hanging atomic.Int32
		r := newRig(t, nil, &webhook.DispatcherOptions{Concurrency: 20, PerWebhook: 5})
		r.endpoint.set(func(c call) (answer, error) {
			if c.url != "https://dead.example.com/" {
				return reply(http.StatusOK, ""), nil
			}
			require.LessOrEqual(t, hanging.Add(1), int32(5), "at most PerWebhook on the wire")
			defer hanging.Add(-1)
			return hang(c)
		})
		dead, err := r.svc.Register(t.Context(), merchant, webhook.Registration{
			URL: "https://dead.example.com/", Events: []string{"document.deleted"},
		})
		require.NoError(t, err)
		alive := r.register(event.TypeDocumentCreated)
		for range 100 {
			_, err := r.svc.Publish(t.Context(), merchant, event.New(event.DocumentDeleted{DocumentID: "d"}))
			require.NoError(t, err)
		}
		for range 50 {
			p := r.publish()
			synctest.Wait()
			d := r.delivery(alive.Webhook.ID, p.Deliveries[0])
			require.Equal(t, store.DeliverySucceeded, d.Status)
			require.Equal(t, d.CreatedAt, d.DeliveredAt, "at once")
		}
		require.Equal(t, int32(5), hanging.Load())
		require.NoError(t, r.svc.Delete(t.Context(), merchant, dead.Webhook.ID, 0))
		pass(time.Minute)
		require.Zero(t, hanging.Load())
		r.close()
	})
}
