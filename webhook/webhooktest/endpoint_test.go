package webhooktest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

func TestEndpointOverHTTPS(t *testing.T) {
	t.Parallel()
	ep := webhooktest.NewEndpoint(t, nil)
	s := newSender(t, webhook.DispatcherOptions{Egress: ep.Egress(), Retry: quick})
	reg := s.register(ep)
	ep.SetSecret(reg.Secret.Reveal())
	ep.Fail(2)
	p := s.publish()

	for attempt, status := range []int{500, 500, 200} {
		got := ep.Next(t)
		require.NoError(t, got.Err)
		require.Equal(t, p.EventID, got.Event.ID)
		require.Equal(t, event.TypeDocumentCreated, got.Event.Type)
		require.Equal(t, p.Deliveries[0].ID, got.DeliveryID)
		require.Equal(t, reg.Webhook.ID, got.WebhookID)
		require.Equal(t, attempt+1, got.Attempt)
		require.Equal(t, status, got.Status)
		require.Equal(t, http.MethodPost, got.Method)
		require.Equal(t, ep.URL(), got.URL)
		require.Equal(t, "application/json", got.Header.Get("Content-Type"))
		require.Contains(t, string(got.Body), `"title":"Café <b>"`)
		require.WithinDuration(t, time.Now(), got.At, time.Minute)
	}
	require.Len(t, ep.All(), 3)
	s.publish()
	require.Equal(t, 1, ep.Next(t).Attempt, "of another delivery")
}

// TestScheduleInABubble waits for four attempts: at once, and after 1, 5 and 15 minutes.
func TestScheduleInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
		s := newSender(t, webhook.DispatcherOptions{Transport: ep.Transport(), Retry: retry.Policy{MaxAttempts: 4}})
		reg := s.register(ep)
		ep.SetSecret(reg.Secret.Reveal())
		ep.Fail(3)
		began := time.Now()
		p := s.publish()
		for attempt, after := range []time.Duration{0, time.Minute, 6 * time.Minute, 21 * time.Minute} {
			got := ep.Next(t)
			require.NoError(t, got.Err)
			require.Equal(t, attempt+1, got.Attempt)
			require.Equal(t, after, got.At.Sub(began))
			require.Equal(t, ep.URL(), got.URL)
		}
		synctest.Wait()
		d, err := s.svc.Delivery(t.Context(), merchant, reg.Webhook.ID, p.Deliveries[0].ID)
		require.NoError(t, err)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
	})
}

func TestWhatAnEndpointMakesOfASignature(t *testing.T) {
	t.Parallel()
	const secret, other = "whsec_xyz789abc123def456ghi789jkl012mno345", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	key := signer.NewPrivateKey()
	e := event.New(event.WebhookTest{Message: "hi"})
	for _, tt := range []struct {
		name   string
		knows  string
		signed string
		change func(r *http.Request)
		err    error
		status int // 299 is what the script answers
	}{
		{"verified", secret, secret, nil, nil, 299},
		{"another secret", secret, other, nil, verifier.ErrMismatch, 401},
		{"unsigned", secret, secret, func(r *http.Request) {
			r.Header.Del(signer.HeaderSignature)
			r.Header.Del(signer.HeaderStandardSignature)
		}, verifier.ErrMissingSignature, 401},
		{"stale", secret, secret, func(r *http.Request) {
			*r = *webhooktest.Request(t, secret, e, &webhooktest.RequestOptions{At: time.Now().Add(-time.Hour)})
		}, verifier.ErrStale, 401},
		{"another event", secret, secret, func(r *http.Request) { r.Header.Set(signer.HeaderEvent, "x") }, verifier.ErrEventType, 400},
		{"public key", key.Public().String(), key.Reveal(), nil, nil, 299},
		{"another public key", signer.NewPrivateKey().Public().String(), key.Reveal(), nil, verifier.ErrMismatch, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true, Secret: tt.knows})
			ep.Answer(webhooktest.Status(299))
			r := webhooktest.Request(t, tt.signed, e, &webhooktest.RequestOptions{Target: ep.URL()})
			if tt.change != nil {
				tt.change(r)
			}
			require.Equal(t, tt.status, roundTrip(t, ep.Transport(), r))
			got := ep.Next(t)
			require.ErrorIs(t, got.Err, tt.err)
			require.Equal(t, tt.status, got.Status)
			require.Equal(t, tt.err == nil, got.Event.Type == event.TypeWebhookTest, "no event but one that verified")
			if tt.status == 299 {
				return
			}
			r = webhooktest.Request(t, secret, e, nil)
			ep.SetSecret(secret)
			require.Equal(t, 299, roundTrip(t, ep.Transport(), r), "the script has waited")
			require.NoError(t, ep.Next(t).Err)
		})
	}
}

// roundTrip returns the status that r is answered with.
func roundTrip(t *testing.T, rt http.RoundTripper, r *http.Request) int {
	t.Helper()
	resp, err := rt.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

func TestEndpointWithoutASecretPlaysItsScript(t *testing.T) {
	t.Parallel()
	ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
	ep.Fail(1)
	ep.Otherwise(webhooktest.Status(410))
	for _, want := range []int{500, 410, 410} {
		r := webhooktest.Request(t, signer.NewSecret().Reveal(), event.New(event.WebhookTest{}), nil)
		require.Equal(t, want, roundTrip(t, ep.Transport(), r))
		got := ep.Next(t)
		require.ErrorContains(t, got.Err, "knew no secret")
		require.Zero(t, got.Event)
		require.NotEmpty(t, got.Body)
	}
}

// TestReceivedIsACopy changes what Next and All return.
func TestReceivedIsACopy(t *testing.T) {
	t.Parallel()
	ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
	roundTrip(t, ep.Transport(), webhooktest.Request(t, signer.NewSecret().Reveal(), event.New(event.WebhookTest{}), nil))
	first := ep.All()[0]
	first.Body[0], first.Header["User-Agent"][0] = 'x', "x"
	second := ep.Next(t)
	require.NotEqual(t, first.Body, second.Body)
	require.NotEqual(t, first.Header, second.Header)
	require.Equal(t, second, ep.All()[0])
}

func TestTwoEndpoints(t *testing.T) {
	t.Parallel()
	t.Run("HTTPS", func(t *testing.T) {
		t.Parallel()
		a, b := webhooktest.NewEndpoint(t, nil), webhooktest.NewEndpoint(t, nil)
		checkTwo(t, a, b, webhook.DispatcherOptions{Egress: a.Egress(b)})
	})
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			a := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
			b := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
			checkTwo(t, a, b, webhook.DispatcherOptions{Transport: a.Transport(b)})
			r := webhooktest.Request(t, signer.NewSecret().Reveal(), event.New(event.WebhookTest{}), &webhooktest.RequestOptions{Target: "https://example.com/"})
			_, err := a.Transport(b).RoundTrip(r) //nolint:bodyclose // there is no response
			require.ErrorContains(t, err, "connection refused")
		})
	})
}

func checkTwo(t *testing.T, a, b *webhooktest.Endpoint, opts webhook.DispatcherOptions) {
	t.Helper()
	s := newSender(t, opts)
	first, second := s.register(a), s.register(b)
	require.NotEqual(t, a.URL(), b.URL())
	a.SetSecret(first.Secret.Reveal())
	b.SetSecret(second.Secret.Reveal())
	s.publish()
	for ep, reg := range map[*webhooktest.Endpoint]webhook.Registered{a: first, b: second} {
		got := ep.Next(t)
		require.NoError(t, got.Err)
		require.Equal(t, reg.Webhook.ID, got.WebhookID)
		require.Len(t, ep.All(), 1)
	}
}

// TestOnlyWhoIsToldTrustsTheEndpoint has a sender without the endpoint's certificate.
func TestOnlyWhoIsToldTrustsTheEndpoint(t *testing.T) {
	t.Parallel()
	a, b := webhooktest.NewEndpoint(t, nil), webhooktest.NewEndpoint(t, &webhooktest.Options{Wait: time.Millisecond})
	s := newSender(t, webhook.DispatcherOptions{Egress: a.Egress(), Retry: retry.Policy{MaxAttempts: 1}})
	reg := s.register(b)
	p := s.publish()
	d, err := s.svc.Await(t.Context(), merchant, reg.Webhook.ID, p.Deliveries[0].ID)
	require.NoError(t, err)
	require.Equal(t, webhook.CodeTLS, d.Code)
	// The server logs the handshake after the client has failed.
	message := ""
	for range 1000 {
		message = try(t.Context(), func(tb *trial) { b.Next(tb) })
		if strings.Contains(message, "handshakes failed") {
			break
		}
	}
	require.Contains(t, message, "1 TLS handshakes failed: does the sender trust ep.Egress().RootCAs?")
}

func TestNextSaysWhatArrived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		secret := signer.NewSecret().Reveal()
		ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true, Secret: secret, Wait: time.Minute})
		began := time.Now()
		message := try(t.Context(), func(tb *trial) { ep.Next(tb) })
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, "webhooktest: no request came within 1m0s. "+
			"None has come so far: does the dispatcher run, with Transport set to ep.Transport()?", message)

		e := event.New(event.WebhookTest{})
		e.ID = "evt_1"
		o := &webhooktest.RequestOptions{DeliveryID: "whdel_1"}
		ep.Answer(webhooktest.Status(503), webhooktest.Reset())
		roundTrip(t, ep.Transport(), webhooktest.Request(t, secret, e, o))
		time.Sleep(time.Second)
		r := webhooktest.Request(t, secret, e, o)
		_, err := ep.Transport().RoundTrip(r) //nolint:bodyclose // there is no response
		require.Error(t, err)
		roundTrip(t, ep.Transport(), webhooktest.Request(t, signer.NewSecret().Reveal(), e, nil))
		for range 3 {
			ep.Next(t)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		message = try(ctx, func(tb *trial) { ep.Next(tb) })
		require.Regexp(t, `^webhooktest: no request came before the test's context ended\. There were 3 before:
  1\. after 0s: webhook\.test evt_1, delivery "whdel_1", attempt 1, answer 503
  2\. after 1s: webhook\.test evt_1, delivery "whdel_1", attempt 2, no answer
  3\. after 1s: not verified \(verifier: signature does not match\), delivery "whdel_\w+", attempt 1, answer 401$`, message)
		requireNoSecret(t, secret, message)
	})
}

// deadlined is a test with a deadline.
type deadlined struct {
	testing.TB

	at time.Time
}

func (d deadlined) Deadline() (time.Time, bool) { return d.at, true }

func TestNextEndsBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	ep := webhooktest.NewEndpoint(t, nil)
	message := try(t.Context(), func(tb *trial) { ep.Next(deadlined{tb, time.Now().Add(1100 * time.Millisecond)}) })
	require.Regexp(t, `^webhooktest: no request came within \d+ms\. None has come so far: does the dispatcher run, with Egress`, message)
	message = try(t.Context(), func(tb *trial) { ep.Next(deadlined{tb, time.Now().Add(-time.Hour)}) })
	require.Contains(t, message, "within 0s")
}

func TestNextWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
		for range 3 {
			go roundTrip(t, ep.Transport(), webhooktest.Request(t, signer.NewSecret().Reveal(), event.New(event.WebhookTest{}), nil))
		}
		seen := map[string]bool{}
		for range 3 {
			seen[ep.Next(t).DeliveryID] = true
		}
		require.Len(t, seen, 3, "each once")
		synctest.Wait()
	})
}

func TestMistakesOfATest(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]*webhooktest.Options{
		"Wait is negative":      {Wait: -1},
		"secret does not":       {Secret: "changeme"},
		"tolerance is negative": {Secret: signer.NewSecret().Reveal(), Verifier: &verifier.Options{Tolerance: -1}},
	} {
		require.Contains(t, try(t.Context(), func(tb *trial) { webhooktest.NewEndpoint(tb, options) }), name)
	}
	ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
	require.Panics(t, func() { ep.SetSecret("") })
	require.Panics(t, func() { ep.SetSecret("whpk_x") })
	require.Panics(t, func() { ep.Egress() })
	require.Panics(t, func() { ep.Otherwise(webhooktest.Answer{}) })
	require.PanicsWithValue(t, "webhooktest: 101 is no status that ends a request", func() { ep.Answer(webhooktest.Status(101)) })
	require.PanicsWithValue(t, "webhooktest: 1000 is no status that ends a request", func() { ep.Answer(webhooktest.Status(1000).Hang()) })
}
