package webhook_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestRequestIsTheGuides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		synctest.Wait()
		require.Equal(t, 1, r.Endpoint.Count())
		c := r.Endpoint.Seen()[0]
		require.Zero(t, r.Since(c.At), "the first attempt is made at once")
		require.Equal(t, "https://example.com/hook", c.URL)
		for key, want := range map[string]string{
			"Content-Type":          "application/json",
			"X-Webhook-Event":       "document.created",
			"X-Webhook-ID":          reg.Webhook.ID,
			"X-Webhook-Delivery-ID": p.Deliveries[0].ID,
			"User-Agent":            "RAG-Assistant-Webhooks/1.0",
			"webhook-id":            p.EventID,
		} {
			require.Equal(t, want, c.Header.Get(key), key)
		}
		require.Len(t, c.Header, 9, "nothing else is sent")
		require.Regexp(t, `^\{"created":"2000-01-01T00:00:00Z","data":\{"documentId":"doc_1",.*"title":"Café <b>".*\},"id":"`+
			p.EventID+`","type":"document.created"\}$`, c.Body, "canonical JSON, raw UTF-8")
		require.Equal(t, p.EventID, harness.Verify(t, reg.Secret, c, nil).ID)
		peer, err := standardwebhooks.NewWebhook(reg.Secret.Reveal())
		require.NoError(t, err)
		require.NoError(t, peer.Verify([]byte(c.Body), c.Header), "the library of Standard Webhooks accepts it")
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.JSONEq(t, c.Body, string(d.Payload))
		r.Close()
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
				r := harness.NewRig(t, nil, nil)
				reg := r.Register(event.TypeDocumentCreated)
				_, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Encoding: &encoding})
				require.NoError(t, err)
				r.Publish()
				synctest.Wait()
				c := r.Endpoint.Seen()[0]
				require.Contains(t, c.Body, want)
				harness.Verify(t, reg.Secret, c, nil)
				r.Close()
			})
		})
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer func(harness.Call) (harness.Answer, error)
		status webhook.DeliveryStatus
		code   webhook.Code
		took   time.Duration
	}{
		{"200", harness.Always(200), webhook.DeliverySucceeded, "", 0},
		{"201", harness.Always(201), webhook.DeliverySucceeded, "", 0},
		{"204", harness.Always(204), webhook.DeliverySucceeded, "", 0},
		{"299", harness.Always(299), webhook.DeliverySucceeded, "", 0},
		{"301", harness.Always(301, "Location", "https://example.com/other"), webhook.DeliveryPending, webhook.CodeRedirect, 0},
		{"304", harness.Always(304), webhook.DeliveryPending, webhook.CodeRedirect, 0},
		{"400", harness.Always(400), webhook.DeliveryPending, webhook.CodeStatus, 0},
		{"401", harness.Always(401), webhook.DeliveryPending, webhook.CodeStatus, 0},
		{"410", harness.Always(410), webhook.DeliveryPending, webhook.CodeStatus, 0},
		{"500", harness.Always(500), webhook.DeliveryPending, webhook.CodeStatus, 0},
		{"silence", harness.Hang, webhook.DeliveryPending, webhook.CodeTimeout, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := harness.NewRig(t, nil, nil)
				r.Endpoint.Set(tt.answer)
				reg := r.Register(event.TypeDocumentCreated)
				p := r.Publish()
				harness.Pass(30 * time.Second)
				d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
				require.Equal(t, tt.status, d.Status)
				require.Equal(t, tt.code, d.Code)
				require.Equal(t, tt.took, d.Log[0].Duration)
				require.Equal(t, 1, r.Endpoint.Count(), "redirects are not followed")
				r.Close()
			})
		})
	}
}

func TestRotationLosesNoDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		old := r.Register(event.TypeDocumentCreated)
		fresh, err := r.Svc.Rotate(t.Context(), harness.Merchant, old.Webhook.ID, webhook.DefaultGrace)
		require.NoError(t, err)
		require.NotEqual(t, old.Secret.Reveal(), fresh.Secret.Reveal())

		deliver := func() webhook.DeliveryDetail {
			p := r.Publish()
			synctest.Wait()
			return r.Delivery(old.Webhook.ID, p.Deliveries[0].ID)
		}
		r.Endpoint.Set(harness.Knows(t, old.Secret))
		d := deliver()
		require.Equal(t, webhook.DeliverySucceeded, d.Status, "a receiver with the old secret only")
		require.Equal(t, 1, d.Attempts, "within one attempt")
		require.Equal(t, 2, r.Endpoint.Count())
		r.Endpoint.Set(harness.Knows(t, fresh.Secret))
		require.Equal(t, webhook.DeliverySucceeded, deliver().Status, "a receiver with the new secret only")
		require.Equal(t, 3, r.Endpoint.Count())
		c := r.Endpoint.Seen()[2]
		harness.Verify(t, fresh.Secret, c, nil)
		v, err := verifier.New(old.Secret.Reveal(), nil)
		require.NoError(t, err)
		_, err = v.Verify(c.Header, []byte(c.Body))
		require.NoError(t, err, "the Standard Webhooks header lists both")

		harness.Pass(webhook.DefaultGrace)
		r.Endpoint.Set(harness.Knows(t, old.Secret))
		d = deliver()
		require.Equal(t, webhook.DeliveryPending, d.Status, "the grace is over")
		require.Equal(t, http.StatusUnauthorized, d.StatusCode)
		require.Equal(t, 4, r.Endpoint.Count())
		r.Close()
	})
}

func TestTestEventReachesADisabledWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{DisableAfter: 1})
		reg := r.Register(event.TypeDocumentCreated)
		disabled := webhook.Disabled
		_, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &disabled})
		require.NoError(t, err)

		d, err := r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		d, err = r.Svc.Await(t.Context(), harness.Merchant, reg.Webhook.ID, d.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		e := harness.Verify(t, reg.Secret, r.Endpoint.Seen()[0], nil)
		require.Regexp(t, `^evt_test_`, e.ID)
		data, err := event.Data[event.WebhookTest](e)
		require.NoError(t, err)
		require.Equal(t, "This is a test webhook delivery", data.Message)
		require.Equal(t, reg.Webhook.ID, data.WebhookID)

		active := webhook.Active
		_, err = r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &active})
		require.NoError(t, err)
		r.Endpoint.Set(harness.Always(http.StatusInternalServerError))
		d, err = r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		harness.Pass(time.Hour)
		got := r.Delivery(reg.Webhook.ID, d.ID)
		require.Equal(t, webhook.DeliveryFailed, got.Status)
		require.Equal(t, 1, got.Attempts, "one attempt")
		require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status, "a test never counts")
		require.Zero(t, r.Webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.Close()
	})
}

func TestAHangingEndpointDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hanging atomic.Int32
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Concurrency: 20, PerWebhook: 5})
		r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
			if c.URL != "https://dead.example.com/" {
				return harness.Reply(http.StatusOK, ""), nil
			}
			require.LessOrEqual(t, hanging.Add(1), int32(5), "at most PerWebhook on the wire")
			defer hanging.Add(-1)
			return harness.Hang(c)
		})
		dead, err := r.Svc.Register(t.Context(), harness.Merchant, webhook.Registration{
			URL: "https://dead.example.com/", Events: []string{"document.deleted"},
		})
		require.NoError(t, err)
		alive := r.Register(event.TypeDocumentCreated)
		for range 100 {
			_, err := r.Svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentDeleted{DocumentID: "d"}))
			require.NoError(t, err)
		}
		for range 50 {
			p := r.Publish()
			synctest.Wait()
			d := r.Delivery(alive.Webhook.ID, p.Deliveries[0].ID)
			require.Equal(t, webhook.DeliverySucceeded, d.Status)
			require.Equal(t, d.CreatedAt, d.DeliveredAt, "at once")
		}
		require.Equal(t, int32(5), hanging.Load())
		require.NoError(t, r.Svc.Delete(t.Context(), harness.Merchant, dead.Webhook.ID, 0))
		harness.Pass(time.Minute)
		require.Zero(t, hanging.Load())
		r.Close()
	})
}
