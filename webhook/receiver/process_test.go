package receiver_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// TestProcess hands messages over that no request brings.
func TestProcess(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	seen := memstore.New(nil)
	_, err := seen.BeginSeen(t.Context(), "receiver", "evt_held", store.SeenBegin{Holder: "another", Lease: time.Minute})
	require.NoError(t, err)
	says := map[string]error{
		"evt_fails": broken, "evt_later": receiver.RetryAfter(time.Hour, broken),
		"evt_never": receiver.Never(broken), "evt_acknowledged": receiver.Acknowledge(broken),
	}
	ran := map[string]int{}
	r := newReceiver(t, &receiver.Options{Seen: seen}, func(ctx context.Context, e event.Event) error {
		m, ok := verifier.MessageFromContext(ctx)
		require.True(t, ok)
		require.Equal(t, "there", m.Header.Get("X-Some"))
		require.Equal(t, "{}", string(m.Body))
		ran[e.ID]++
		return says[e.ID]
	})
	process := func(id string) error {
		e := event.Event{ID: id, Type: event.TypeDocumentCreated, Created: noon(), Data: map[string]any{}}
		return r.Process(t.Context(), verifier.Message{Event: e, Header: http.Header{"X-Some": {"there"}}, Body: []byte("{}")})
	}
	for _, id := range []string{"evt_ok", "evt_acknowledged", "evt_never", "evt_fails", "evt_later"} {
		first, again := process(id), process(id)
		done := id == "evt_ok" || id == "evt_acknowledged"
		require.Equal(t, done, again == nil, id)
		require.Equal(t, done, ran[id] == 1, id)
		require.Equal(t, id == "evt_never", receiver.IsNever(first), id)
		wait, later := receiver.Wait(first)
		require.Equal(t, id == "evt_later", later, id)
		require.Equal(t, later, wait == time.Hour, id)
		if id == "evt_ok" || id == "evt_acknowledged" {
			require.NoError(t, first, id)
		} else {
			require.ErrorIs(t, first, broken, id)
		}
	}
	require.ErrorIs(t, process("evt_held"), receiver.ErrInProgress)
	require.Zero(t, ran["evt_held"])
}

// TestAQueueBringsAgainWhatIsStillHandled: nobody else gets it meanwhile.
func TestAQueueBringsAgainWhatIsStillHandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ran := 0
		r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil)}, func(context.Context, event.Event) error {
			ran++
			time.Sleep(4 * time.Minute) // Whatever its context says.
			return nil
		})
		done := make(chan error)
		go func() { done <- r.Process(t.Context(), queued()) }()
		for range 3 {
			time.Sleep(time.Minute)
			err := r.Process(t.Context(), queued())
			require.ErrorIs(t, err, receiver.ErrInProgress)
			require.True(t, receiver.IsRefused(err))
		}
		require.NoError(t, <-done)
		require.NoError(t, r.Process(t.Context(), queued()))
		require.Equal(t, 1, ran)
	})
}

// TestWhatAHandlerHasFromAnotherReceiver is its own failure.
func TestWhatAHandlerHasFromAnotherReceiver(t *testing.T) {
	t.Parallel()
	seen := memstore.New(nil)
	_, err := seen.BeginSeen(t.Context(), "inner", "evt_1", store.SeenBegin{Holder: "another", Lease: time.Minute})
	require.NoError(t, err)
	inner := newReceiver(t, &receiver.Options{Seen: seen, Scope: "inner"}, nothing)
	outer := newReceiver(t, nil, func(ctx context.Context, _ event.Event) error { return inner.Process(ctx, queued()) })
	err = outer.Process(t.Context(), queued())
	require.ErrorIs(t, err, receiver.ErrInProgress)
	require.False(t, receiver.IsRefused(err))
}

func TestDataOfAnotherTypeIsNeverHandled(t *testing.T) {
	t.Parallel()
	mux := receiver.NewMux()
	receiver.On(mux, func(context.Context, event.Event, event.DocumentCreated) error { return nil })
	r, err := receiver.New(secret, mux, nil)
	require.NoError(t, err)
	m := queued()
	m.Event.Data = json.RawMessage(`"text"`)
	require.True(t, receiver.IsNever(r.Process(t.Context(), m)))
}

// TestWrapHasTheLastWord also of data that does not fit.
func TestWrapHasTheLastWord(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]func(error) error{
		"acknowledge": receiver.Acknowledge,
		"later":       func(err error) error { return receiver.RetryAfter(time.Hour, err) },
	} {
		mux := receiver.NewMux()
		receiver.On(mux, func(context.Context, event.Event, event.DocumentCreated) error { return nil })
		r, err := receiver.New(secret, mux, &receiver.Options{Wrap: func(h receiver.HandlerFunc) receiver.HandlerFunc {
			return func(ctx context.Context, e event.Event) error { return says(h(ctx, e)) }
		}})
		require.NoError(t, err)
		m := queued()
		m.Event.Data = json.RawMessage(`"text"`)
		err = r.Process(t.Context(), m)
		_, later := receiver.Wait(err)
		require.Equal(t, name == "later", later, name)
		require.Equal(t, name == "acknowledge", err == nil, name)
	}
}

// stranger is a sender whose id is in a header, and whose repeats differ.
type stranger struct{}

func (stranger) Verify(h http.Header, body []byte) (event.Event, error) {
	return event.ParseStandard(body, h.Get("Webhook-Id"), noon())
}

func TestRepeatsOfAStrangerMayDiffer(t *testing.T) {
	t.Parallel()
	mux, ran := receiver.NewMux(), 0
	mux.Handle("*", func(context.Context, event.Event) error {
		ran++
		return nil
	})
	r, err := receiver.NewFor(stranger{}, mux, &receiver.Options{Seen: memstore.New(nil)})
	require.NoError(t, err)
	for _, body := range []string{`{"type":"a","pending_webhooks":2}`, `{"type":"a","pending_webhooks":1}`} {
		require.Equal(t, http.StatusOK, serve(r, message(t, "evt_1", noon(), body)).Code)
	}
	require.Equal(t, 1, ran)
}
