package receiver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// TestHandlingWrapsTheHandler marks a context, and breaks what an observer can break.
func TestHandlingWrapsTheHandler(t *testing.T) {
	t.Parallel()
	type mark struct{}
	type info = receiver.SettledInfo
	type handling = func(context.Context, receiver.HandlingInfo) (context.Context, func(info))
	marking := func(end func(info)) handling {
		return func(ctx context.Context, i receiver.HandlingInfo) (context.Context, func(info)) {
			m, ok := verifier.MessageFromContext(ctx)
			require.True(t, ok)
			require.Equal(t, i.Event.ID, m.Event.ID)
			require.Equal(t, "acme", i.Source)
			return context.WithValue(ctx, mark{}, "there"), end
		}
	}
	for _, tt := range []struct {
		name     string
		handling handling
		marked   any
	}{
		{"no func", marking(nil), "there"},
		{"no context", func(context.Context, receiver.HandlingInfo) (context.Context, func(info)) { return nil, nil }, nil},
		{"a panic", func(context.Context, receiver.HandlingInfo) (context.Context, func(info)) { panic("no") }, nil},
		{"a func that panics", marking(func(info) { panic("no") }), "there"},
	} {
		for _, async := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " async ", async), func(t *testing.T) {
				t.Parallel()
				marks := make(chan any, 3)
				o := &receiver.Options{Source: "acme", Async: async, Observer: receiver.Observer{
					Handling: tt.handling,
					Settled:  func(ctx context.Context, _ info) { marks <- ctx.Value(mark{}) },
				}}
				r := newReceiver(t, o, func(ctx context.Context, _ event.Event) error {
					marks <- ctx.Value(mark{})
					return nil
				})
				require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{}`)).Code)
				require.NoError(t, r.Close(t.Context()))
				require.Equal(t, tt.marked, <-marks, "the handler")
				require.Equal(t, tt.marked, <-marks, "Settled")
			})
		}
	}
}

// TestSourceIsNamed looks for the source wherever one of several receivers is meant.
func TestSourceIsNamed(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	var rejected []receiver.RejectedInfo
	var handled, settled []string
	told := 0
	o := &receiver.Options{Source: "acme", Logger: slog.New(slog.NewTextHandler(&log, nil)), Observer: receiver.Observer{
		Rejected: func(_ context.Context, i receiver.RejectedInfo) {
			rejected = append(rejected, i)
			panic("is logged")
		},
		Settled: func(_ context.Context, i receiver.SettledInfo) { settled = append(settled, i.Source) },
		Handling: func(ctx context.Context, _ receiver.HandlingInfo) (context.Context, func(receiver.SettledInfo)) {
			return ctx, func(i receiver.SettledInfo) { handled = append(handled, i.Source+" "+string(i.Outcome)) }
		},
	}}
	o.Verifier.OnReject = func(*http.Request, int, error) { told++ }
	r := newReceiver(t, o, func(context.Context, event.Event) error { return errors.New("no") })
	forged := signed(t, body("evt_1", `{}`))
	forged.Header.Set("webhook-signature", "v1,AAAA")
	require.Equal(t, http.StatusUnauthorized, serve(r, forged).Code)
	post(t, r, body("evt_1", `{}`))

	require.Equal(t, 1, told, "OnReject is called though the observer panicked")
	require.Len(t, rejected, 1)
	require.Equal(t, "acme", rejected[0].Source)
	require.Equal(t, http.StatusUnauthorized, rejected[0].Status)
	require.ErrorIs(t, rejected[0].Err, verifier.ErrMismatch)
	require.Equal(t, []string{"acme"}, settled)
	require.Equal(t, []string{"acme failed"}, handled)
	require.Equal(t, "acme", r.Metrics().Source)
	require.Contains(t, log.String(), `msg="webhook request rejected" source=acme status=401`)
	require.Contains(t, log.String(), `msg="webhook event not processed" source=acme event_id=evt_1`)
}
