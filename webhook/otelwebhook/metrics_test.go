package otelwebhook_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/otelwebhook"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t, otelwebhook.Options{})
		st := p.Store(memstore.New(nil))
		svc := p.newService(t, st, nil)
		register(t, svc, merchant, "document.created")
		out := &endpoint{status: 200}
		stop := p.dispatch(t, st, webhook.DispatcherOptions{Transport: out, DisableAfter: 1})
		_, err := p.WatchBacklog(st)
		require.NoError(t, err)
		metric := func(name string) map[string]float64 { return series(t, p.collect(t)[name]) }
		const created = "webhook.event.type=document.created"

		first := publish(t, t.Context(), svc, merchant)
		pass(time.Second)
		e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		e.ID = first.EventID
		_, err = svc.Publish(t.Context(), merchant, e)
		require.NoError(t, err)
		require.Equal(t, map[string]float64{created: 1}, metric("webhook.event.published"), "a repeated event is not published again")
		require.Equal(t, map[string]float64{created: 1}, metric("webhook.delivery.succeeded"))
		require.Equal(t, map[string]float64{"webhook.attempt.outcome=success": 1}, metric("webhook.attempt.duration"))
		require.Equal(t, map[string]float64{"": 0}, metric("webhook.attempt.active"))
		require.Equal(t, map[string]float64{"": 0}, metric("webhook.backlog.pending"))

		out.answer(0)
		publish(t, t.Context(), svc, merchant)
		pass(time.Second)
		require.Equal(t, map[string]float64{"": 1}, metric("webhook.attempt.active"))
		require.Equal(t, map[string]float64{"": 1}, metric("webhook.backlog.pending"))
		pass(time.Hour)
		require.Equal(t, map[string]float64{"": 0}, metric("webhook.attempt.active"))
		require.Equal(t, map[string]float64{"error.type=timeout," + created: 2}, metric("webhook.delivery.retried"))
		require.Equal(t, map[string]float64{"error.type=timeout," + created: 1}, metric("webhook.delivery.failed"))
		require.Equal(t, map[string]float64{"": 1}, metric("webhook.endpoint.disabled"))
		require.Equal(t, map[string]float64{
			"webhook.attempt.outcome=success": 1, "error.type=timeout,webhook.attempt.outcome=failed": 3,
		}, metric("webhook.attempt.duration"))
		durations, ok := p.collect(t)["webhook.attempt.duration"].Data.(metricdata.Histogram[float64])
		require.True(t, ok)
		for _, point := range durations.DataPoints {
			if point.Count == 3 {
				require.InDelta(t, 30, point.Sum, 0.001, "three time-outs of ten seconds")
			}
		}
		stop()

		operations := metric("webhook.store.operation.duration")
		for _, name := range []string{"create_webhook", "publish", "claim", "finish", "prune", "backlog"} {
			require.Positive(t, operations["webhook.store.operation="+name], name)
		}
		for name := range operations {
			require.NotContains(t, name, "watch")
		}
	})
}

// TestTroubles counts a trouble while it lasts.
func TestTroubles(t *testing.T) {
	t.Parallel()
	p := newProbe(t, otelwebhook.Options{})
	trouble := p.Observer().Trouble
	trouble(t.Context(), webhook.TroubleInfo{In: "claim", Err: errors.New("no answer")})
	require.Equal(t, map[string]float64{"webhook.dispatcher.trouble=claim": 1}, series(t, p.collect(t)["webhook.dispatcher.troubles"]))
	trouble(t.Context(), webhook.TroubleInfo{In: "claim"})
	require.Equal(t, map[string]float64{"webhook.dispatcher.trouble=claim": 0}, series(t, p.collect(t)["webhook.dispatcher.troubles"]))
}

func TestOldestDueIsInSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t, otelwebhook.Options{})
		st := memstore.New(nil)
		registration, err := p.WatchBacklog(st)
		require.NoError(t, err)
		svc := p.newService(t, st, nil)
		register(t, svc, merchant, "document.created")
		publish(t, t.Context(), svc, merchant)
		pass(90 * time.Second)
		require.Equal(t, map[string]float64{"": 90}, series(t, p.collect(t)["webhook.backlog.oldest_due"]))
		require.Equal(t, map[string]float64{"": 1}, series(t, p.collect(t)["webhook.backlog.pending"]))
		require.NoError(t, registration.Unregister())
		require.NotContains(t, p.collect(t), "webhook.backlog.pending")
	})
}

func TestCutShortIsNoOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(t, otelwebhook.Options{})
		st := memstore.New(nil)
		svc := p.newService(t, st, nil)
		register(t, svc, merchant, "document.created")
		stop := p.dispatch(t, st, webhook.DispatcherOptions{Transport: &endpoint{}, DrainTimeout: time.Second})
		publish(t, t.Context(), svc, merchant)
		pass(time.Second)
		stop()
		got := p.collect(t)
		require.Equal(t, map[string]float64{"": 0}, series(t, got["webhook.attempt.active"]))
		for _, name := range []string{"webhook.attempt.duration", "webhook.delivery.retried", "webhook.delivery.failed"} {
			require.NotContains(t, got, name)
		}
		require.Equal(t, "deliver document.created", p.spans.Ended()[1].Name())
		require.Equal(t, "true", attributes(p.spans.Ended()[1])["webhook.attempt.cut_short"])
	})
}

// away is a store that does not answer.
type away struct{ *memstore.Store }

func (away) Backlog(context.Context) (store.Backlog, error) {
	return store.Backlog{Pending: 7}, fmt.Errorf("shard 3: %w", store.ErrUnavailable)
}

func TestNoBacklogWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	p := newProbe(t, otelwebhook.Options{})
	st := p.Store(away{memstore.New(nil)})
	_, err := p.WatchBacklog(st)
	require.NoError(t, err)
	var all metricdata.ResourceMetrics
	require.ErrorIs(t, p.reader.Collect(t.Context(), &all), store.ErrUnavailable)
	names := map[string]map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			names[m.Name] = series(t, m)
		}
	}
	require.Empty(t, names["webhook.backlog.pending"])
}

// TestManyMerchantsMakeNoSeries publishes and delivers for ten merchants, and then for
// a thousand with hundreds of types that are not in the catalog.
func TestManyMerchantsMakeNoSeries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var entries []event.Entry
		for i := range 200 {
			entries = append(entries, event.Entry{
				Type: event.Type(fmt.Sprintf("custom.type_%d", i)), Description: "Custom", Frequency: event.Low,
			})
		}
		catalog, err := event.DefaultCatalog().With(entries...)
		require.NoError(t, err)
		p := newProbe(t, otelwebhook.Options{})
		st := p.Store(memstore.New(nil))
		_, err = p.WatchBacklog(st)
		require.NoError(t, err)
		svc := p.newService(t, st, catalog)
		out := &endpoint{status: 200}
		stop := p.dispatch(t, st, webhook.DispatcherOptions{Transport: out, DisableAfter: 1})
		load := func(from, to int) {
			for _, status := range []int{200, 503} {
				for i := from; i < to; i++ {
					merchantID := fmt.Sprintf("merchant_%d", i)
					if status == 200 {
						register(t, svc, merchantID, "*")
					}
					publish(t, t.Context(), svc, merchantID)
					_, err := svc.Publish(t.Context(), merchantID, event.NewRaw(entries[i%200].Type, map[string]any{"n": i}))
					require.NoError(t, err)
				}
				pass(time.Hour)
				out.answer(503)
			}
			out.answer(200)
		}
		shape := func() map[string][]string {
			shape := map[string][]string{}
			for name, m := range p.collect(t) {
				for labels := range series(t, m) {
					shape[name] = append(shape[name], labels)
				}
			}
			return shape
		}
		load(0, 10)
		few := shape()
		require.Contains(t, few["webhook.delivery.failed"], "error.type=status,webhook.event.type=other")
		require.Contains(t, few["webhook.endpoint.disabled"], "")
		load(10, 1000)
		many := shape()
		require.Len(t, many, len(few))
		for name := range few {
			require.ElementsMatch(t, few[name], many[name], name)
		}
		require.InDelta(t, 1000, series(t, p.collect(t)["webhook.endpoint.disabled"])[""], 0)
		stop()
	})
}

func TestStoreNamesErrors(t *testing.T) {
	t.Parallel()
	p := newProbe(t, otelwebhook.Options{})
	st := p.Store(memstore.New(nil))
	_, err := st.Webhook(t.Context(), merchant, "whk_1")
	require.ErrorIs(t, err, store.ErrNotFound)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = st.Webhook(ended, merchant, "whk_1")
	require.ErrorIs(t, err, context.Canceled)
	odd := p.Store(odd{memstore.New(nil)})
	_, err = odd.Backlog(t.Context())
	require.ErrorIs(t, err, errOdd)
	require.Equal(t, map[string]float64{
		"error.type=not_found,webhook.store.operation=webhook": 1,
		"error.type=canceled,webhook.store.operation=webhook":  1,
		"error.type=_OTHER,webhook.store.operation=backlog":    1,
	}, series(t, p.collect(t)["webhook.store.operation.duration"]))
}

var errOdd = errors.New("odd")

type odd struct{ *memstore.Store }

func (odd) Backlog(context.Context) (store.Backlog, error) { return store.Backlog{}, errOdd }

// lasting is a store that outlives the process.
type lasting struct{ *memstore.Store }

func (lasting) Volatile() bool { return false }

func TestStoreSaysIfItOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	p := newProbe(t, otelwebhook.Options{})
	_, err := webhook.NewService(p.Store(lasting{memstore.New(nil)}), nil)
	require.ErrorContains(t, err, "SecretKeys is needed")
	_, err = webhook.NewService(p.Store(memstore.New(nil)), nil)
	require.NoError(t, err)
}
