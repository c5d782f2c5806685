package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

func TestLongestPatternCounts(t *testing.T) {
	t.Parallel()
	var got string
	mark := func(name string) receiver.HandlerFunc {
		return func(context.Context, event.Event) error {
			got = name
			return nil
		}
	}
	mux := receiver.NewMux()
	patterns := []string{"usage.limit.exceeded", "usage.limit.*", "usage.*", "chat.query.*", "webhook.test", "*"}
	for _, p := range patterns {
		mux.Handle(p, mark(p))
	}
	r, err := receiver.New(secret, mux, nil)
	require.NoError(t, err)
	for kind, want := range map[string]string{
		"usage.limit.exceeded":        "usage.limit.exceeded",
		"usage.limit.approaching":     "usage.limit.*",
		"usage.limit.exceeded.twice":  "usage.limit.*",
		"usage.limit":                 "usage.*",
		"usage.limits.exceeded":       "usage.*",
		"usage":                       "*",
		"usages.limit":                "*",
		"chat.query.completed":        "chat.query.*",
		"chat.query":                  "*",
		"webhook.test":                "webhook.test",
		"something.nobody.thought_of": "*",
	} {
		require.Equal(t, http.StatusOK, post(t, r, typed("evt_1", kind, `{}`)).Code)
		require.Equal(t, want, got, kind)
	}
}

func TestTypedHandlers(t *testing.T) {
	t.Parallel()
	mux := receiver.NewMux()
	var doc event.DocumentCreated
	var id string
	receiver.On(mux, func(_ context.Context, e event.Event, d event.DocumentCreated) error {
		doc, id = d, e.ID
		return nil
	})
	var deleted *event.DocumentDeleted
	receiver.On(mux, func(_ context.Context, _ event.Event, d *event.DocumentDeleted) error {
		deleted = d
		return nil
	})
	r, err := receiver.New(secret, mux, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{"documentId":"doc_1","title":"Café"}`)).Code)
	require.Equal(t, "evt_1", id)
	require.Equal(t, "Café", doc.Title)
	require.Equal(t, http.StatusOK, post(t, r, typed("evt_2", "document.deleted", `{"documentId":"doc_2"}`)).Code)
	require.Equal(t, "doc_2", deleted.DocumentID)

	require.Equal(t, http.StatusBadRequest, post(t, r, body("evt_3", `{"documentId":7}`)).Code)
	require.Equal(t, http.StatusBadRequest, post(t, r, body("evt_3", `"text"`)).Code)
	require.Equal(t, http.StatusOK, post(t, r, typed("evt_4", "order.paid", `{}`)).Code, "an unknown type is acknowledged")
	m := r.Metrics()
	require.EqualValues(t, 5, m.Received)
	require.EqualValues(t, 2, m.Processed)
	require.EqualValues(t, 2, m.Failed)
	require.EqualValues(t, 1, m.Unknown)
}

func TestNewListsEveryFault(t *testing.T) {
	t.Parallel()
	mux := receiver.NewMux()
	for _, p := range []string{"", "a b", "a..b", "a*", ".*", "a.*.b", "**", "a. *", "a.b", "a.b", "a.*", "a.*", "*", "*"} {
		mux.Handle(p, nothing)
	}
	mux.Handle("nil", nil)
	receiver.On[event.DocumentCreated](mux, nil)
	receiver.On(mux, func(context.Context, event.Event, event.Payload) error { return nil })
	_, err := receiver.New("whsec_", mux, &receiver.Options{
		Remember: -1, HandlerTimeout: -1, Workers: -1, Queue: -1, MaxPerSecond: -1,
	})
	for _, word := range []string{
		"secret", `pattern ""`, `pattern "a b"`, `pattern "a..b"`, `pattern "a*"`, `pattern ".*"`, `pattern "a.*.b"`, `pattern "**"`, `pattern "a. *"`,
		`"a.b" is there twice`, `"a.*" is there twice`, `"*" is there twice`, `"nil": its handler is nil`, "DocumentCreated is nil", "event.Payload",
		"Remember", "HandlerTimeout", "Workers", "Queue", "MaxPerSecond",
	} {
		require.ErrorContains(t, err, word)
	}
	_, err = receiver.New(secret, nil, nil)
	require.ErrorContains(t, err, "mux is nil")
	_, err = receiver.New(secret, receiver.NewMux(), nil)
	require.ErrorContains(t, err, "no handlers")
}

// TestWhatIsSeenOfARequest: lines lead to the sender's log, and handlers have all of it.
func TestWhatIsSeenOfARequest(t *testing.T) {
	t.Parallel()
	for _, async := range []bool{false, true} {
		var log syncBuffer
		var got verifier.Message
		r := newReceiver(t, &receiver.Options{
			Async: async, Seen: memstore.New(nil), Verifier: verifier.Options{Wire: signer.Wire{Prefix: "X-Acme-"}},
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}, func(ctx context.Context, e event.Event) error {
			if e.ID == "evt_2" {
				return errors.New("no")
			}
			got, _ = verifier.MessageFromContext(ctx)
			return nil
		})
		send := func(delivery, body string, at time.Time) {
			req := message(t, "msg_1", at, body)
			req.Header.Set("X-Acme-Delivery-ID", delivery)
			serve(r, req)
		}
		send("whdel_first", body("evt_1", `{}`), time.Now())
		send("whdel_failed", body("evt_2", `{}`), time.Now())
		require.NoError(t, r.Close(t.Context()))
		send("whdel_closed", body("evt_1", `{}`), time.Now())
		send("whdel_late", body("evt_1", `{}`), time.Now().Add(-time.Hour))
		require.Equal(t, body("evt_1", `{}`), string(got.Body))
		require.Equal(t, "whdel_first", got.Header.Get("X-Acme-Delivery-ID"))
		for _, line := range []string{
			`level=WARN msg="webhook event not processed" event_id=evt_2 event_type=document.created delivery_id=whdel_failed error=no`,
			`level=DEBUG msg="webhook event refused" event_id=evt_1 event_type=document.created delivery_id=whdel_closed reason=closed`,
			`level=WARN msg="webhook request rejected" status=401 reason="verifier: request is out of time`, `delivery_id=whdel_late`,
		} {
			require.Contains(t, log.String(), line)
		}
	}
	var log syncBuffer
	r := newReceiver(t, &receiver.Options{
		Seen: memstore.New(nil), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, nothing)
	for range 2 {
		post(t, r, body("evt_1", `{}`))
	}
	require.Contains(t, log.String(), `level=DEBUG msg="webhook event came before" event_id=evt_1`)
}

func TestObserver(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	var got []receiver.SettledInfo
	mux := receiver.NewMux()
	mux.Handle("document.*", func(_ context.Context, e event.Event) error {
		if e.ID == "evt_failed" {
			return no
		}
		return nil
	})
	now := noon()
	r, err := receiver.New(secret, mux, &receiver.Options{
		Seen: memstore.New(nil), MaxPerSecond: 6, Now: func() time.Time { now = now.Add(time.Millisecond); return now },
		Observer: receiver.Observer{Settled: func(_ context.Context, i receiver.SettledInfo) {
			got = append(got, i)
			panic("is logged")
		}},
	})
	require.NoError(t, err)
	post(t, r, body("evt_1", `{}`))
	post(t, r, body("evt_1", `{}`))
	post(t, r, body("evt_1", `{"other":1}`))
	post(t, r, body("evt_failed", `{}`))
	post(t, r, typed("evt_2", "order.paid", `{}`))
	require.NoError(t, r.Close(t.Context()))
	post(t, r, body("evt_3", `{}`))
	var outcomes []receiver.Outcome
	for _, i := range got {
		outcomes = append(outcomes, i.Outcome)
	}
	require.Equal(t, []receiver.Outcome{
		receiver.Processed, receiver.Duplicate, receiver.Conflict, receiver.Failed, receiver.Unknown, receiver.Refused,
	}, outcomes)
	require.Equal(t, "evt_1", got[0].Event.ID)
	require.Equal(t, time.Millisecond, got[0].Took)
	require.ErrorIs(t, got[3].Err, no)
	require.Equal(t, event.Type("order.paid"), got[4].Event.Type)
	require.EqualValues(t, 1, r.Metrics().Conflicts)
}

func TestNewForAnyVerifier(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	v, err := verifier.New(secret, &verifier.Options{Now: func() time.Time { return later }})
	require.NoError(t, err)
	mux := receiver.NewMux()
	mux.Handle("*", nothing)
	told := 0
	o := &receiver.Options{}
	o.Verifier.OnReject = func(*http.Request, int, error) { told++ }
	r, err := receiver.NewFor(v, mux, o)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, serve(r, message(t, "msg_1", later, body("evt_1", `{}`))).Code)
	require.Equal(t, http.StatusUnauthorized, serve(r, signed(t, body("evt_2", `{}`))).Code)
	require.Equal(t, 1, told)
	require.EqualValues(t, 1, r.Metrics().Rejected)
	require.EqualValues(t, 1, r.Metrics().Processed)
	_, err = receiver.NewFor(nil, receiver.NewMux(), &receiver.Options{Workers: -1})
	for _, word := range []string{"nothing to verify with", "no handlers", "Workers"} {
		require.ErrorContains(t, err, word)
	}
}

func TestRejectedRequests(t *testing.T) {
	t.Parallel()
	told := 0
	var log bytes.Buffer
	o := &receiver.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	o.Verifier.OnReject = func(*http.Request, int, error) { told++ }
	r := newReceiver(t, o, func(context.Context, event.Event) error { return errors.New("is not called") })
	forged := signed(t, body("evt_1", `{}`))
	forged.Header.Set("webhook-signature", "v1,AAAA")
	w := serve(r, forged)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.EqualValues(t, 1, r.Metrics().Rejected)
	require.Zero(t, r.Metrics().Received)
	require.Equal(t, 1, told)
	require.Contains(t, log.String(), "signature does not match")
	require.NotContains(t, log.String(), secret)
}
