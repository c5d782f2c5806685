package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// diary notes what an observer is told, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// take returns what was noted since it was called last.
func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.lines
	d.lines = nil
	return out
}

type mark struct{}

// observed starts a rig whose observer writes a diary and marks contexts.
func observed(t *testing.T, o webhook.DispatcherOptions) (*harness.Rig, *diary) {
	t.Helper()
	d := &diary{}
	marked := func(ctx context.Context) any { return ctx.Value(mark{}) }
	o.Observer = webhook.Observer{
		Publishing: func(ctx context.Context, i webhook.PublishingInfo) (context.Context, func(error)) {
			d.note("publishing %d %s", i.Events, i.EventType)
			return context.WithValue(ctx, mark{}, "publication"), func(err error) { d.note("stored %v", err) }
		},
		Trace: func(ctx context.Context) string { return fmt.Sprintf("trace of a %v", marked(ctx)) },
		Published: func(ctx context.Context, i webhook.PublishedInfo) {
			d.note("published %s in %v", i.EventType, marked(ctx))
		},
		Attempting: func(ctx context.Context, i webhook.AttemptInfo) (context.Context, func(webhook.AttemptInfo)) {
			d.note("attempting %d, %s", i.Number, i.Trace)
			return context.WithValue(ctx, mark{}, "attempt"), func(i webhook.AttemptInfo) { d.note("ended %d %s", i.StatusCode, i.Code) }
		},
		Attempted: func(ctx context.Context, i webhook.AttemptInfo) {
			d.note("attempted %d in %v", i.StatusCode, marked(ctx))
		},
		Settled: func(_ context.Context, i webhook.SettledInfo) { d.note("settled %s, %s", i.Status, i.Trace) },
	}
	r := harness.NewRig(t, nil, &o)
	var err error
	r.Svc, err = webhook.NewService(r.Store, &webhook.ServiceOptions{Observer: o.Observer})
	require.NoError(t, err)
	return r, d
}

func TestObserverSeesBeginningAndEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := observed(t, webhook.DispatcherOptions{})
		r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
			require.Equal(t, "attempt", c.Ctx.Value(mark{}), "the transport has the observer's context")
			return harness.Reply(http.StatusTeapot, ""), nil
		})
		r.Publish()
		harness.Pass(time.Second)
		const trace = "trace of a publication"
		require.Equal(t, []string{
			"publishing 1 document.created", "stored <nil>", "published document.created in publication",
			"attempting 1, " + trace, "attempted 418 in attempt", "ended 418 status", "settled pending, " + trace,
		}, d.take())
		r.Endpoint.Set(nil)
		harness.Pass(time.Minute)
		require.Equal(t, []string{
			"attempting 2, " + trace, "attempted 200 in attempt", "ended 200 ", "settled success, " + trace,
		}, d.take(), "a later attempt has the trace of the publication too")

		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) { panic("transport bug") })
		r.Publish()
		harness.Pass(time.Second)
		require.Equal(t, "ended 0 internal", d.take()[5])

		r.Endpoint.Set(harness.Hang)
		r.Publish()
		harness.Pass(time.Second)
		r.Close()
		require.Equal(t, []string{
			"publishing 1 document.created", "stored <nil>", "published document.created in publication",
			"attempting 1, " + trace, "ended 0 timeout", "settled pending, " + trace,
		}, strings.Split(strings.ReplaceAll(strings.Join(d.take(), "\n"), "attempted 0 in attempt\n", ""), "\n"))
	})
}

func TestObserverSeesAnAttemptCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := observed(t, webhook.DispatcherOptions{DrainTimeout: time.Second})
		r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Hang)
		r.Publish()
		harness.Pass(time.Second)
		d.take()
		r.Close()
		require.Equal(t, []string{"ended 0 ", "settled pending, trace of a publication"}, d.take())
	})
}

func TestObserverHearsThatStoringFailed(t *testing.T) {
	t.Parallel()
	var got error
	svc, err := webhook.NewService(unpublishing{memstore.New(nil)}, &webhook.ServiceOptions{Observer: webhook.Observer{
		Publishing: func(ctx context.Context, i webhook.PublishingInfo) (context.Context, func(error)) {
			require.Equal(t, webhook.PublishingInfo{MerchantID: harness.Merchant, Events: 2, Bytes: i.Bytes}, i, "the types differ")
			require.Positive(t, i.Bytes)
			return ctx, func(err error) { got = err }
		},
	}})
	require.NoError(t, err)
	_, err = svc.PublishBatch(t.Context(), harness.Merchant, []event.Event{
		event.New(event.DocumentCreated{DocumentID: "1"}), event.New(event.DocumentDeleted{DocumentID: "1"}),
	})
	require.ErrorIs(t, err, errAway)
	require.ErrorIs(t, got, errAway)
}

var errAway = errors.New("away")

// unpublishing is a store that takes no events.
type unpublishing struct{ *memstore.Store }

func TestObserversThatPanicCostNothing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", webhook.MaxTrace+1)
	for name, o := range map[string]webhook.Observer{
		"at the beginning": {
			Publishing: func(context.Context, webhook.PublishingInfo) (context.Context, func(error)) { panic("bug") },
			Trace:      func(context.Context) string { panic("bug") },
			Attempting: func(context.Context, webhook.AttemptInfo) (context.Context, func(webhook.AttemptInfo)) { panic("bug") },
		},
		"at the end": {
			Publishing: func(ctx context.Context, _ webhook.PublishingInfo) (context.Context, func(error)) {
				return ctx, func(error) { panic("bug") }
			},
			Attempting: func(ctx context.Context, _ webhook.AttemptInfo) (context.Context, func(webhook.AttemptInfo)) {
				return ctx, func(webhook.AttemptInfo) { panic("bug") }
			},
		},
		"no context, no func, a trace too long": {
			Publishing: func(context.Context, webhook.PublishingInfo) (context.Context, func(error)) { return nil, nil },
			Trace:      func(context.Context) string { return long },
			Attempting: func(_ context.Context, i webhook.AttemptInfo) (context.Context, func(webhook.AttemptInfo)) {
				if i.Trace != "" {
					panic("too long")
				}
				return nil, nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Observer: o})
				var err error
				r.Svc, err = webhook.NewService(r.Store, &webhook.ServiceOptions{Observer: o})
				require.NoError(t, err)
				reg := r.Register(event.TypeDocumentCreated)
				p := r.Publish()
				harness.Pass(time.Second)
				require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
				r.Close()
			})
		})
	}
}

func (unpublishing) Publish(context.Context, string, []store.NewEvent) ([]store.Published, error) {
	return nil, errAway
}
