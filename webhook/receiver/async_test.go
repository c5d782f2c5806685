package receiver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// TestAcknowledgedAtOnce fills workers and queue, and drains them.
func TestAcknowledgedAtOnce(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	began := make(chan string, 10)
	r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil), Async: true, Workers: 2, Queue: 3},
		func(_ context.Context, e event.Event) error {
			began <- e.ID
			<-leave
			return nil
		})
	send := func(i int) *httptest.ResponseRecorder { return post(t, r, body(fmt.Sprintf("evt_%d", i), `{}`)) }
	for i := range 5 {
		require.Equal(t, http.StatusOK, send(i).Code)
	}
	<-began
	<-began
	full := send(5)
	require.Equal(t, http.StatusServiceUnavailable, full.Code)
	require.Positive(t, waits(t, full))
	m := r.Metrics()
	require.EqualValues(t, 3, m.Waiting)
	require.EqualValues(t, 2, m.Working)
	require.EqualValues(t, 1, m.Refused)
	require.Equal(t, http.StatusServiceUnavailable, send(4).Code, "what waits is being processed")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.Close(ctx), context.Canceled, "it has not drained")
	require.Equal(t, http.StatusServiceUnavailable, send(6).Code, "nothing comes in any more")
	close(leave)
	require.NoError(t, r.Close(t.Context()))
	require.NoError(t, r.Close(t.Context()))
	m = r.Metrics()
	require.EqualValues(t, 5, m.Processed)
	require.Zero(t, m.Waiting+m.Working)
}

// TestRefusedIsNotForgotten sends again what found the queue full.
func TestRefusedIsNotForgotten(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	began := make(chan string, 10)
	r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil), Async: true, Workers: 1, Queue: 1},
		func(_ context.Context, e event.Event) error {
			began <- e.ID
			<-leave
			return nil
		})
	for i, want := range []int{200, 200, 503} {
		require.Equal(t, want, post(t, r, body(fmt.Sprintf("evt_%d", i), `{}`)).Code)
	}
	close(leave)
	require.Equal(t, "evt_0", <-began)
	require.Equal(t, "evt_1", <-began)
	require.Equal(t, http.StatusOK, post(t, r, body("evt_2", `{}`)).Code)
	require.Equal(t, "evt_2", <-began)
	require.NoError(t, r.Close(t.Context()))
}

func TestAsyncFailures(t *testing.T) {
	t.Parallel()
	told := make(chan error, 1)
	var ran atomic.Int64
	r := newReceiver(t, &receiver.Options{
		Seen: memstore.New(nil), Async: true, OnError: func(_ context.Context, _ event.Event, err error) { told <- err },
	}, func(context.Context, event.Event) error {
		if ran.Add(1) == 1 {
			return errors.New("no")
		}
		return nil
	})
	require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{}`)).Code)
	require.ErrorContains(t, <-told, "no")
	require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{}`)).Code, "the id was given up")
	require.NoError(t, r.Close(t.Context()))
	require.EqualValues(t, 2, ran.Load())
}

// TestPanicsOfTheUsers: no function of the user's ends the process or keeps an answer
// back.
func TestPanicsOfTheUsers(t *testing.T) {
	t.Parallel()
	for _, async := range []bool{false, true} {
		var log syncBuffer
		o := &receiver.Options{
			Async: async, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			OnError: func(context.Context, event.Event, error) { panic("in OnError") },
		}
		o.Verifier.OnReject = func(*http.Request, int, error) { panic("in OnReject") }
		r := newReceiver(t, o, func(_ context.Context, e event.Event) error {
			if e.ID == "evt_1" {
				return errors.New("no")
			}
			return nil
		})
		want := map[bool]int{false: http.StatusInternalServerError, true: http.StatusOK}[async]
		require.Equal(t, want, post(t, r, body("evt_1", `{}`)).Code)
		require.Equal(t, http.StatusOK, post(t, r, body("evt_2", `{}`)).Code)
		require.Equal(t, http.StatusUnauthorized, serve(r, message(t, "msg_1", time.Now().Add(-time.Hour), body("evt_3", `{}`))).Code)
		require.NoError(t, r.Close(t.Context()))
		require.EqualValues(t, 1, r.Metrics().Processed)
		require.Contains(t, log.String(), "in OnError")
		require.Contains(t, log.String(), "in OnReject")
		require.Contains(t, log.String(), "TestPanicsOfTheUsers", "with its stack")
	}
}

// broken is a memory that panics.
type broken struct{ store.Seen }

func (broken) CommitSeen(context.Context, string, string, string, []byte, time.Duration) error {
	panic("in CommitSeen")
}

func TestPanicOfSeen(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	r := newReceiver(t, &receiver.Options{
		Async: true, Workers: 1, Seen: broken{memstore.New(nil)}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, nothing)
	for _, id := range []string{"evt_1", "evt_2"} {
		require.Equal(t, http.StatusOK, post(t, r, body(id, `{}`)).Code)
	}
	require.NoError(t, r.Close(t.Context()))
	require.EqualValues(t, 2, r.Metrics().Processed)
	require.Equal(t, 2, strings.Count(log.String(), "in CommitSeen"))
}

// TestWaitedTooLong lets an event wait in one process until its lease has ended
// and another process has taken it.
func TestWaitedTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := memstore.New(nil)
		leave := make(chan struct{})
		slow := newReceiver(t, &receiver.Options{Seen: seen, Async: true, Workers: 1}, func(context.Context, event.Event) error {
			<-leave
			return nil
		})
		post(t, slow, body("evt_0", `{}`))
		post(t, slow, body("evt_1", `{}`))
		<-time.After(2 * time.Minute)
		other := newReceiver(t, &receiver.Options{Seen: seen}, nothing)
		require.Equal(t, http.StatusOK, post(t, other, body("evt_1", `{}`)).Code)
		require.EqualValues(t, 1, other.Metrics().Processed)
		close(leave)
		require.NoError(t, slow.Close(t.Context()))
		require.EqualValues(t, 1, slow.Metrics().Processed, "evt_0 only")
		require.EqualValues(t, 1, slow.Metrics().Duplicates)
	})
}

func TestMaxPerSecond(t *testing.T) {
	t.Parallel()
	now := noon()
	r := newReceiver(t, &receiver.Options{MaxPerSecond: 10, Now: func() time.Time { return now }}, nothing)
	passed := func(n int) (ok int) {
		for range n {
			if w := post(t, r, body("evt_1", `{}`)); w.Code == http.StatusOK {
				ok++
			} else {
				require.Equal(t, http.StatusTooManyRequests, w.Code)
				require.Equal(t, 1, waits(t, w))
			}
		}
		return ok
	}
	require.Equal(t, 10, passed(15))
	now = now.Add(300 * time.Millisecond)
	require.Equal(t, 3, passed(5))
	now = now.Add(time.Hour)
	require.Equal(t, 10, passed(12))
	require.EqualValues(t, 5+2+2, r.Metrics().Limited)
}

func TestMetricsAsTheGuideHasThem(t *testing.T) {
	t.Parallel()
	now := noon()
	r := newReceiver(t, &receiver.Options{Now: func() time.Time { return now }}, func(_ context.Context, e event.Event) error {
		now = now.Add(30 * time.Millisecond)
		if e.ID == "evt_2" {
			now = now.Add(60 * time.Millisecond)
			return errors.New("no")
		}
		return nil
	})
	for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
		post(t, r, body(id, `{}`))
	}
	w := serve(r.MetricsHandler(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics/webhooks", nil))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var got map[string]float64
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	for name, want := range map[string]float64{"received": 3, "processed": 2, "failed": 1, "avgProcessingTime": 50} {
		require.Equal(t, want, got[name], name) //nolint:testifylint // exact by construction
	}
}
