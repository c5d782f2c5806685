package inbox_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

const body = `{"type":"Contact-Created", "data":{"n": 1.0}}`

func TestAcknowledgedBeforeItIsHandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, nil)
		require.Equal(t, http.StatusOK, d.post(t, "msg:1", body).Code)
		require.Empty(t, d.handled(), "nothing runs yet")

		d.handle = func(ctx context.Context, e event.Event) error {
			var data struct{ N float64 }
			require.NoError(t, e.Decode(&data))
			require.InDelta(t, 1, data.N, 0)
			e.Data = nil
			require.Equal(t, event.Event{
				ID: "msg:1", Type: "Contact-Created", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
				Body: []byte(body), ContentType: "application/json",
			}, e)
			m, ok := verifier.MessageFromContext(ctx)
			require.True(t, ok)
			require.Equal(t, http.Header{"Content-Type": {"application/json"}, "X-Id": {"msg:1"}}, m.Header, "no cookie, no token")
			got, ok := inbox.FromContext(ctx)
			require.True(t, ok)
			require.Equal(t, inbox.Delivery{Source: "vendor", WebhookID: d.in.WebhookID("vendor"), ID: got.ID, Attempt: 1}, got)
			_, err := inbox.Tx(ctx)
			require.ErrorIs(t, err, inbox.ErrNoTx)
			return nil
		}
		stop := d.run(t)
		require.Equal(t, []string{"msg:1"}, d.handled())
		require.EqualValues(t, 1, d.handler.Metrics().Accepted)
		require.Equal(t, http.StatusOK, d.post(t, "msg:1", `{"type":"Contact-Created","again":true}`).Code, "a repeat")
		time.Sleep(time.Hour)
		require.Len(t, d.handled(), 1)
		stop()
		d.token = "wrong"
		require.Equal(t, http.StatusUnauthorized, d.post(t, "msg:2", body).Code)
	})
}

// TestWhatHandlersSay plays what a handler may return, and what is kept of it.
func TestWhatHandlersSay(t *testing.T) {
	t.Parallel()
	broken := errors.New("the index is away")
	for _, tt := range []struct {
		name   string
		say    func(attempt int) error
		calls  []time.Duration // when the handler is called
		status webhook.DeliveryStatus
		codes  []int
		says   string // of the last attempt
	}{
		{"nothing", func(int) error { return nil }, []time.Duration{0}, webhook.DeliverySucceeded, []int{200}, ""},
		{"fails once", func(n int) error {
			if n == 1 {
				return broken
			}
			return nil
		}, []time.Duration{0, time.Minute}, webhook.DeliverySucceeded, []int{500, 200}, ""},
		{"always fails", func(int) error { return broken }, []time.Duration{0, time.Minute, 6 * time.Minute}, webhook.DeliveryFailed, []int{500, 500, 500}, broken.Error()},
		{"never", func(int) error { return receiver.Never(broken) }, []time.Duration{0}, webhook.DeliveryFailed, []int{422}, broken.Error()},
		{"acknowledges", func(int) error { return receiver.Acknowledge(broken) }, []time.Duration{0}, webhook.DeliverySucceeded, []int{200}, ""},
		{"sooner", func(n int) error {
			if n == 1 {
				return receiver.RetryAfter(10*time.Second, broken)
			}
			return nil
		}, []time.Duration{0, 10 * time.Second}, webhook.DeliverySucceeded, []int{503, 200}, ""},
		{"later", func(n int) error {
			if n == 1 {
				return receiver.RetryAfter(5*time.Hour, broken)
			}
			return nil
		}, []time.Duration{0, 5 * time.Hour}, webhook.DeliverySucceeded, []int{503, 200}, ""},
		{"panics", func(n int) error {
			if n == 1 {
				panic("told too much")
			}
			return nil
		}, []time.Duration{0, time.Minute}, webhook.DeliverySucceeded, []int{500, 200}, ""},
		{"ends its goroutine", func(n int) error {
			if n == 1 {
				runtime.Goexit()
			}
			return nil
		}, []time.Duration{0, time.Minute}, webhook.DeliverySucceeded, []int{500, 200}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began, calls := time.Now(), []time.Duration(nil)
				d := newDesk(t, nil, &inbox.Options{Retry: retry.Policy{MaxAttempts: 3}})
				d.handle = func(ctx context.Context, _ event.Event) error {
					calls = append(calls, time.Since(began).Truncate(time.Second))
					delivery, _ := inbox.FromContext(ctx)
					return tt.say(delivery.Attempt)
				}
				stop := d.run(t)
				require.Equal(t, http.StatusOK, d.post(t, "evt_1", body).Code)
				time.Sleep(tt.calls[len(tt.calls)-1] + time.Hour)
				stop()
				require.Equal(t, tt.calls, calls)

				hook := d.in.WebhookID("vendor")
				page, err := d.in.Service().Deliveries(t.Context(), "vendor", hook, webhook.DeliveryQuery{Limit: 10})
				require.NoError(t, err)
				require.Len(t, page.Deliveries, 1)
				got, err := d.in.Service().Delivery(t.Context(), "vendor", hook, page.Deliveries[0].ID)
				require.NoError(t, err)
				require.Equal(t, tt.status, got.Status)
				var codes []int
				for _, a := range got.Log {
					codes = append(codes, a.StatusCode)
				}
				require.Equal(t, tt.codes, codes)
				require.Equal(t, tt.says, got.Log[len(got.Log)-1].ResponseBody)
				require.Contains(t, string(got.Payload), `"body":`+body+`}`, "the log has what came")
			})
		})
	}
}

func TestDeadLetterIsHandledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, nil)
		d.handle = func(context.Context, event.Event) error { return receiver.Never(errors.New("no such contact")) }
		stop := d.run(t)
		defer stop()
		d.post(t, "evt_1", body)
		require.Len(t, d.handled(), 1)
		hook := d.in.WebhookID("vendor")
		dead, err := d.in.Service().Deliveries(t.Context(), "vendor", hook, webhook.DeliveryQuery{Limit: 10, Status: webhook.DeliveryFailed})
		require.NoError(t, err)
		require.Len(t, dead.Deliveries, 1)
		d.handle = func(context.Context, event.Event) error { return nil }
		again, err := d.in.Service().Redeliver(t.Context(), "vendor", hook, dead.Deliveries[0].ID)
		require.NoError(t, err)
		require.Equal(t, []string{"evt_1", "evt_1"}, d.handled())
		got, err := d.in.Service().Delivery(t.Context(), "vendor", hook, again.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.DeliverySucceeded, got.Status)
		_, err = d.in.Service().Redeliver(t.Context(), "vendor", hook, again.ID)
		require.NoError(t, err)
		require.Len(t, d.handled(), 2, "what was handled is not handled again")
	})
}

func TestFullInbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, &inbox.Options{MaxPending: 1})
		require.Equal(t, http.StatusOK, d.post(t, "evt_1", body).Code)
		for range 3 {
			w := d.post(t, "evt_2", body)
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.Equal(t, "60", w.Header().Get("Retry-After"))
		}
		require.Contains(t, d.log.String(), inbox.ErrFull.Error())
		w, err := d.in.Service().Webhook(t.Context(), "vendor", d.in.WebhookID("vendor"))
		require.NoError(t, err)
		require.False(t, w.SecretLost)
		require.Equal(t, []string{"*"}, w.Events)
		why, err := d.in.Service().Why(t.Context(), "vendor", "evt_2")
		require.NoError(t, err)
		require.Equal(t, webhook.FateMissed, why.Verdicts[0].Fate)
		require.Equal(t, http.StatusServiceUnavailable, d.post(t, "evt_1", body).Code, "at once")
		time.Sleep(2 * time.Second)
		require.Equal(t, http.StatusOK, d.post(t, "evt_1", body).Code, "a repeat of what waits")
		stop := d.run(t)
		defer stop()
		require.Equal(t, []string{"evt_1"}, d.handled(), "what was refused is not handled")
		for range 2 {
			require.Equal(t, http.StatusOK, d.post(t, "evt_2", body).Code)
		}
		require.Equal(t, []string{"evt_1", "evt_2"}, d.handled())
	})
}

// TestOperatorsMeddle takes the webhook of a source away: nothing that is acknowledged is lost.
func TestOperatorsMeddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, &inbox.Options{Keep: time.Hour})
		stop := d.run(t)
		defer stop()
		hook, svc := d.in.WebhookID("vendor"), d.in.Service()
		d.post(t, "evt_1", body)
		require.Equal(t, []string{"evt_1"}, d.handled())
		off, on := webhook.Disabled, webhook.Active
		_, err := svc.Update(t.Context(), "vendor", hook, webhook.Update{Status: &off})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, d.post(t, "evt_2", body).Code)
		require.Equal(t, []string{"evt_1"}, d.handled(), "it waits while the source is off")
		_, err = svc.Update(t.Context(), "vendor", hook, webhook.Update{Status: &on})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"evt_1", "evt_2"}, d.handled())

		require.NoError(t, svc.Delete(t.Context(), "vendor", hook, 0))
		require.Equal(t, http.StatusOK, d.post(t, "evt_3", body).Code)
		require.Equal(t, []string{"evt_1", "evt_2", "evt_3"}, d.handled())

		// What is off for long waits for as long.
		_, err = svc.Update(t.Context(), "vendor", hook, webhook.Update{Status: &off})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, d.post(t, "evt_4", body).Code)
		time.Sleep(3 * time.Hour)
		_, err = svc.Update(t.Context(), "vendor", hook, webhook.Update{Status: &on})
		require.NoError(t, err)
		require.Equal(t, []string{"evt_1", "evt_2", "evt_3", "evt_4"}, d.handled())

		// What is deleted while it waits comes again if the sender was not answered.
		_, err = svc.Update(t.Context(), "vendor", hook, webhook.Update{Status: &off})
		require.NoError(t, err)
		d.post(t, "evt_5", body)
		require.NoError(t, svc.Delete(t.Context(), "vendor", hook, 0))
		require.Equal(t, http.StatusOK, d.post(t, "evt_5", body).Code)
		require.Equal(t, "evt_5", d.handled()[4])

		// Another process finds what was done to the source, and mends it.
		elsewhere := "https://example.com/"
		_, err = d.store.UpdateWebhook(t.Context(), "vendor", hook, store.WebhookUpdate{URL: &elsewhere, Events: []string{"a"}})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, newDesk(t, d.store, nil).post(t, "evt_6", body).Code)
		require.Equal(t, "evt_6", d.handled()[5])
	})
}

// TestNothingIsMadeUp holds the service of an inbox to what senders have sent.
func TestNothingIsMadeUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, nil)
		stop := d.run(t)
		defer stop()
		d.post(t, "evt_1", body)
		require.Len(t, d.handled(), 1)
		hook, svc, url := d.in.WebhookID("vendor"), d.in.Service(), "https://example.com/"
		_, test := svc.Sample(t.Context(), "vendor", hook, event.TypeDocumentCreated)
		_, published := svc.Publish(t.Context(), "vendor", event.New(event.DocumentCreated{DocumentID: "doc_1", Title: "A"}))
		_, registered := svc.Register(t.Context(), "vendor", webhook.Registration{URL: url, Events: []string{"document.created"}})
		_, moved := svc.Update(t.Context(), "vendor", hook, webhook.Update{URL: &url})
		for _, err := range []error{test, published, registered, moved} {
			require.ErrorIs(t, err, webhook.ErrInvalid)
			require.ErrorContains(t, err, "what senders sent")
		}
		// Other programs have the store, too.
		for _, e := range []store.NewEvent{
			{ID: "evt_test", Type: "webhook.test", Body: []byte(`{"inbox":1}`), Fingerprint: "a", Test: hook},
			{ID: "evt_2", Type: "a", Body: []byte(`{"id":"evt_2","type":"a","data":{}}`), Fingerprint: "a"},
		} {
			_, err := d.store.Publish(t.Context(), "vendor", []store.NewEvent{e})
			require.NoError(t, err)
		}
		require.Len(t, d.handled(), 1)
	})
}

// TestPanicOfTheStore is a failure like any other.
func TestPanicOfTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &shaky{Store: memstore.New(nil)}
		d := newDesk(t, st, nil)
		stop := d.run(t)
		defer stop()
		require.Equal(t, http.StatusOK, d.post(t, "evt_1", body).Code)
		require.Empty(t, d.handled())
		st.firm.Store(true)
		time.Sleep(time.Hour)
		require.Len(t, d.handled(), 1)
	})
}

// shaky is a store whose Seen panics until it is firm.
type shaky struct {
	store.Store

	firm atomic.Bool
}

func (s *shaky) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	if !s.firm.Load() {
		panic("seen")
	}
	return s.Store.BeginSeen(ctx, scope, id, b)
}

// TestStopLeavesHandlersBehind that do not look at their contexts.
func TestStopLeavesHandlersBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, nil)
		release := make(chan struct{})
		d.handle = func(context.Context, event.Event) error {
			<-release
			return nil
		}
		stop := d.run(t)
		d.post(t, "evt_1", body)
		require.Len(t, d.handled(), 1)
		began := time.Now()
		stop()
		require.Equal(t, 2*time.Minute+10*time.Second, time.Since(began))
		close(release)
		synctest.Wait()
	})
}

// patient is a vendor who may send an event again for 30 days.
type patient struct{ vendor }

func (patient) Repeats() time.Duration { return 30 * 24 * time.Hour }

// TestRepeatAfterKeep: what is pruned is still known to have been handled.
func TestRepeatAfterKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, nil)
		var err error
		d.handler, err = d.in.Handler("patient", patient{}, nil)
		require.NoError(t, err)
		for range 2 {
			stop := d.run(t)
			require.Equal(t, http.StatusOK, d.post(t, "id_1", `{"type":"a"}`).Code)
			require.Equal(t, []string{"id_1"}, d.handled())
			stop()
			time.Sleep(20 * 24 * time.Hour)
		}
	})
}

func TestStopWaitsForHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(nil)
		first := newDesk(t, st, nil)
		release := make(chan struct{})
		first.handle = func(ctx context.Context, _ event.Event) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		stop := first.run(t)
		first.post(t, "evt_1", body)
		first.post(t, "evt_2", body)
		require.Len(t, first.handled(), 2)
		release <- struct{}{}
		stop() // The other one is cut short by its HandlerTimeout.

		second := newDesk(t, st, nil)
		stop = second.run(t)
		defer stop()
		time.Sleep(time.Hour)
		require.Len(t, second.handled(), 1)
	})
}

// away is a store that takes nothing in.
type away struct{ store.Store }

func (away) Publish(context.Context, string, []store.NewEvent) ([]store.Published, error) {
	return nil, store.ErrUnavailable
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	d := newDesk(t, away{memstore.New(nil)}, nil)
	w := d.post(t, "evt_1", body)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "10", w.Header().Get("Retry-After"))
	require.Contains(t, d.log.String(), "webhook event not accepted")
}

// TestSenderAndInboxInOneStore: neither takes what is the other's for its own.
func TestSenderAndInboxInOneStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil, nil)
		svc, err := webhook.NewService(d.store, nil)
		require.NoError(t, err)
		_, err = svc.Register(t.Context(), "merchant", webhook.Registration{URL: "https://example.com/", Events: []string{"document.created"}})
		require.NoError(t, err)
		_, err = svc.Publish(t.Context(), "merchant", event.New(event.DocumentCreated{DocumentID: "doc_1", Title: "A"}))
		require.NoError(t, err)
		stop := d.run(t)
		synctest.Wait()
		require.Contains(t, d.log.String(), "of an inbox and of a sender are in one store")
		stop()

		d.post(t, "evt_1", body)
		sender, err := webhook.NewDispatcher(d.store, &webhook.DispatcherOptions{Transport: refuse{}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sender.Run(ctx) }()
		synctest.Wait()
		cancel()
		require.NoError(t, <-done)
		page, err := d.in.Service().Deliveries(t.Context(), "vendor", d.in.WebhookID("vendor"), webhook.DeliveryQuery{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, webhook.DeliveryPending, page.Deliveries[0].Status)
		require.Zero(t, page.Deliveries[0].Attempts)
	})
}

// refuse is a transport that nobody should use.
type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) { panic("a request was made") }

func TestNewAndHandlerRefuse(t *testing.T) {
	t.Parallel()
	mux := receiver.NewMux()
	mux.Handle("*", func(context.Context, event.Event) error { return nil })
	_, err := inbox.New(memstore.New(nil), mux, &inbox.Options{Keep: time.Second, MaxPending: -1, Receiver: receiver.Options{Remember: time.Hour}})
	for _, says := range []string{"a Keep of 1s", "MaxPending", "Remember"} {
		require.ErrorContains(t, err, says)
	}
	_, err = inbox.New(nil, mux, nil)
	require.ErrorContains(t, err, "store is nil")
	in, err := inbox.New(memstore.New(nil), mux, nil)
	require.NoError(t, err)
	for name, says := range map[string]string{"": "1 to 64", "a/b": "1 to 64", strings.Repeat("a", 65): "1 to 64"} {
		_, err := in.Handler(name, vendor{}, nil)
		require.ErrorContains(t, err, says)
	}
	_, err = in.Handler("a", nil, &inbox.SourceOptions{Mux: receiver.NewMux()})
	for _, says := range []string{"nothing to verify with", "no handlers"} {
		require.ErrorContains(t, err, says)
	}
	_, err = in.Handler("a", vendor{}, nil)
	require.NoError(t, err)
	_, err = in.Handler("a", vendor{}, nil)
	require.ErrorContains(t, err, "there is a handler already")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, in.Run(ended))
	_, err = in.Handler("b", vendor{}, nil)
	require.ErrorContains(t, err, "runs already")
}

// hanging is a store that makes no webhook.
type hanging struct{ store.Store }

func (hanging) CreateWebhook(ctx context.Context, _ string, _ store.Webhook, _ int) (store.Webhook, error) {
	<-ctx.Done()
	return store.Webhook{}, store.ErrUnavailable
}

// TestNobodyWaitsForAnothersCall: senders of one source are refused together.
func TestNobodyWaitsForAnothersCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, hanging{memstore.New(nil)}, nil)
		began := time.Now()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { assert.Equal(t, http.StatusServiceUnavailable, d.post(t, strconv.Itoa(i), body).Code) })
		}
		all.Wait()
		require.Equal(t, 2500*time.Millisecond, time.Since(began))
	})
}
