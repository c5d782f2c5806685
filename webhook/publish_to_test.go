package webhook_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// transaction is a publisher that keeps events until its commit, as one in a
// transaction of a database does.
type transaction struct {
	to     store.Publisher
	events map[string][]store.NewEvent // by merchant
}

func begin(to store.Publisher) *transaction {
	return &transaction{to: to, events: map[string][]store.NewEvent{}}
}

func (tx *transaction) Publish(_ context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	out := make([]store.Published, len(events))
	for i, e := range events {
		out[i].Deferred = true
		for _, known := range tx.events[merchantID] {
			if known.ID == e.ID {
				same := known.Fingerprint == e.Fingerprint
				out[i] = store.Published{Deferred: same, Duplicate: same, Conflict: !same}
			}
		}
		if !out[i].Duplicate && !out[i].Conflict {
			tx.events[merchantID] = append(tx.events[merchantID], e)
		}
	}
	return out, nil
}

func (tx *transaction) commit(ctx context.Context) error {
	for merchantID, events := range tx.events {
		if _, err := tx.to.Publish(ctx, merchantID, events); err != nil {
			return err
		}
	}
	return nil
}

// An event is published with what it is about, or not at all.
func ExampleService_PublishTo() {
	ctx := context.Background()
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, nil)
	if err != nil {
		panic(err)
	}
	reg, err := svc.Register(ctx, "merchant_42", webhook.Registration{URL: "https://example.com/hook", Events: []string{"*"}})
	if err != nil {
		panic(err)
	}
	tx := begin(st) // a transaction of your database
	out, err := svc.PublishTo(ctx, tx, "merchant_42", event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	fmt.Println(out[0].Deferred, len(out[0].Deliveries), err)

	before, _ := svc.Stats(ctx, "merchant_42", reg.Webhook.ID)
	err = tx.commit(ctx)
	after, _ := svc.Stats(ctx, "merchant_42", reg.Webhook.ID)
	fmt.Println(before.Pending, after.Pending, err)
	// Output:
	// true 0 <nil>
	// 0 1 <nil>
}

func TestPublishTo(t *testing.T) {
	t.Parallel()
	const merchant = "merchant_1"
	ctx := t.Context()
	var told []webhook.PublishedInfo
	var stored []error
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Observer: webhook.Observer{
		Publishing: func(ctx context.Context, _ webhook.PublishingInfo) (context.Context, func(error)) {
			return ctx, func(err error) { stored = append(stored, err) }
		},
		Published: func(_ context.Context, i webhook.PublishedInfo) { told = append(told, i) },
	}})
	require.NoError(t, err)
	doc := func(id, title string) event.Event {
		e := event.New(event.DocumentCreated{DocumentID: "doc_1", Title: title})
		e.ID = id
		return e
	}

	tx := begin(st)
	_, err = svc.PublishTo(ctx, tx, merchant, doc("e1", "one"), event.NewRaw("no.such.type", map[string]any{}))
	require.ErrorIs(t, err, webhook.ErrInvalid)
	require.Empty(t, tx.events, "what is checked is checked before anything is written")

	out, err := svc.PublishTo(ctx, tx, merchant, doc("e1", "one"), doc("e2", "two"))
	require.NoError(t, err)
	require.Equal(t, []webhook.Publication{{EventID: "e1", Deferred: true}, {EventID: "e2", Deferred: true}}, out)
	out, err = svc.PublishTo(ctx, tx, merchant, doc("e1", "one"), doc("e2", "other"), doc("e3", "three"))
	require.ErrorIs(t, err, webhook.ErrConflict)
	require.Equal(t, []webhook.Publication{
		{EventID: "e1", Deferred: true, Duplicate: true}, {EventID: "e2"}, {EventID: "e3", Deferred: true},
	}, out, "a conflict is an answer, and the others are written")
	require.Equal(t, []error{nil, nil}, stored)
	require.Empty(t, told, "no deliveries were made")
	_, err = st.Event(ctx, merchant, "e1")
	require.ErrorIs(t, err, store.ErrNotFound, "nothing is seen before the commit")

	// Who subscribes by the commit gets it, and the repeat outside finds it.
	reg, err := svc.Register(ctx, merchant, webhook.Registration{URL: "https://example.com/hook", Events: []string{"*"}})
	require.NoError(t, err)
	require.NoError(t, tx.commit(ctx))
	again, err := svc.Publish(ctx, merchant, doc("e3", "three"))
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	require.Len(t, again.Deliveries, 1)
	require.Equal(t, reg.Webhook.ID, again.Deliveries[0].WebhookID)
	_, err = svc.Delivery(ctx, merchant, reg.Webhook.ID, again.Deliveries[0].ID)
	require.NoError(t, err)
	stats, err := svc.Stats(ctx, merchant, reg.Webhook.ID)
	require.NoError(t, err)
	require.EqualValues(t, 3, stats.Pending)
}
