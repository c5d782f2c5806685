package webhook_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	at := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
	raw := store.NewEvent{ID: "e1", Type: "document.created", Body: []byte(`{"title": "\u00e9", "documentId": 1.0}`)}
	got, err := svc.Prepare("m", raw, at)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"e1","type":"document.created","created":"2026-11-30T12:00:00Z","data":{"documentId":1,"title":"é"}}`, string(got.Body))
	require.Positive(t, got.MaxPending)

	later, err := svc.Prepare("m", raw, at.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, got.Fingerprint, later.Fingerprint, "the time is no part of what is the same")
	_, err = svc.PublishPrepared(t.Context(), "m", []store.NewEvent{got})
	require.NoError(t, err)
	e := event.NewRaw("document.created", map[string]any{"title": "é", "documentId": 1})
	e.ID = "e1"
	again, err := svc.Publish(t.Context(), "m", e)
	require.NoError(t, err)
	require.True(t, again.Duplicate, "it is what Publish would have made of it")

	for name, bad := range map[string]store.NewEvent{
		"no id": {Type: raw.Type, Body: raw.Body}, "bad id": {ID: "é", Type: raw.Type, Body: raw.Body},
		"unknown type": {ID: "e2", Type: "no.such", Body: raw.Body}, "no JSON": {ID: "e2", Type: raw.Type, Body: []byte(`{`)},
		"no data": {ID: "e2", Type: raw.Type}, "a number twice": {ID: "e2", Type: raw.Type, Body: []byte(`{"a":1,"a":2}`)},
	} {
		_, err := svc.Prepare("m", bad, at)
		require.ErrorIs(t, err, webhook.ErrInvalid, name)
	}
	_, err = svc.Prepare("a/b", raw, at)
	require.ErrorIs(t, err, webhook.ErrInvalid)
	_, err = svc.PublishPrepared(t.Context(), "a/b", []store.NewEvent{got})
	require.ErrorIs(t, err, webhook.ErrInvalid)
}

func TestPublishPrepared(t *testing.T) {
	t.Parallel()
	var told []webhook.PublishedInfo
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Observer: webhook.Observer{
		Published: func(_ context.Context, i webhook.PublishedInfo) { told = append(told, i) },
		Trace:     func(context.Context) string { return "of the relay" },
	}})
	require.NoError(t, err)
	_, err = svc.Register(t.Context(), "m", webhook.Registration{URL: "https://example.com/hook", Events: []string{"*"}})
	require.NoError(t, err)
	events := []store.NewEvent{
		{ID: "e1", Type: "document.created", Body: []byte(`{}`), Fingerprint: "1", Trace: "of the transaction"},
		{ID: "e1", Type: "document.created", Body: []byte(`{}`), Fingerprint: "1"},
		{ID: "e1", Type: "document.created", Body: []byte(`{}`), Fingerprint: "2"},
	}
	got, err := svc.PublishPrepared(t.Context(), "m", events)
	require.NoError(t, err, "a conflict is an answer")
	require.Len(t, got[0].Deliveries, 1)
	require.True(t, got[1].Duplicate)
	require.True(t, got[2].Conflict)
	require.Len(t, told, 2)
	require.Empty(t, events[1].Trace, "the caller's events are left alone")
	c, err := st.Claim(t.Context(), store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 10})
	require.NoError(t, err)
	require.Equal(t, "of the transaction", c.Leases[0].Trace)
}
