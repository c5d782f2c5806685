package webhook_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func fields(t *testing.T, err error) map[string]string {
	t.Helper()
	var refused *webhook.InvalidError
	require.ErrorAs(t, err, &refused)
	out := map[string]string{}
	for _, f := range refused.Faults {
		out[f.Path] = f.Message
	}
	return out
}

func TestRegisterReportsEveryFault(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	_, err := svc.Register(t.Context(), harness.Merchant, webhook.Registration{
		URL: "http://example.com/", Events: []string{"document.created", "document.craeted", "webhook.test"}, Encoding: "xml",
	})
	got := fields(t, err)
	for _, field := range []string{"url", "events[1]", "events[2]", "payloadEncoding"} {
		require.Contains(t, got, field)
	}
	require.Len(t, got, 4)
}

func TestRegisterLimits(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, &webhook.ServiceOptions{Limits: webhook.Limits{Webhooks: 2, Events: 3}})
	for _, r := range []webhook.Registration{
		{URL: "https://example.com/"},
		{URL: "https://example.com/", Events: []string{}},
		{URL: "", Events: []string{"document.created"}},
		{URL: "https://example.com/" + strings.Repeat("a", 2048), Events: []string{"document.created"}},
		{URL: "https://127.0.0.1/", Events: []string{"document.created"}},
		{URL: "https://example.com/", Events: []string{"document.created", "document.updated", "document.deleted", "api_key.expiring"}},
	} {
		_, err := svc.Register(t.Context(), harness.Merchant, r)
		require.Len(t, fields(t, err), 1)
	}
	_, err := svc.Register(t.Context(), "a{b}", webhook.Registration{URL: "https://example.com/", Events: []string{"document.created"}})
	require.Contains(t, fields(t, err), "merchantId")

	reg := harness.Register(t, svc, harness.Merchant, "document.created", "document.updated", "document.created")
	require.Equal(t, []string{"document.created", "document.updated"}, reg.Webhook.Events, "repeats are dropped")
	require.Regexp(t, `^whk_[0-9a-f]{32}$`, reg.Webhook.ID)
	require.Regexp(t, `^whsec_[A-Za-z0-9+/]{36}$`, reg.Secret.Reveal())
	harness.Register(t, svc, harness.Merchant, "*")
	_, err = svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: "https://example.com/", Events: []string{"document.created"}})
	require.ErrorIs(t, err, webhook.ErrLimit)
	harness.Register(t, svc, "another", "document.created")
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	reg := harness.Register(t, svc, harness.Merchant, "document.created")
	update := func(u webhook.Update) (webhook.Webhook, error) {
		return svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, u)
	}
	_, err := update(webhook.Update{})
	require.Len(t, fields(t, err), 1, "nothing to change")
	bad, badStatus := "ftp://example.com/", webhook.Status("paused")
	_, err = update(webhook.Update{URL: &bad, Events: []string{}, Status: &badStatus})
	require.Len(t, fields(t, err), 3)

	u, off := "https://new.example.com/", webhook.Disabled
	w, err := update(webhook.Update{URL: &u, Events: []string{"document.deleted"}, Status: &off, IfVersion: 1})
	require.NoError(t, err)
	require.Equal(t, u, w.URL)
	require.Equal(t, []string{"document.deleted"}, w.Events)
	require.Equal(t, webhook.ReasonRequest, w.DisabledReason)
	require.False(t, w.DisabledAt.IsZero())
	_, err = update(webhook.Update{URL: &u, IfVersion: 1})
	require.ErrorIs(t, err, webhook.ErrVersion)
	require.ErrorIs(t, svc.Delete(t.Context(), harness.Merchant, reg.Webhook.ID, 1), webhook.ErrVersion)
	require.NoError(t, svc.Delete(t.Context(), harness.Merchant, reg.Webhook.ID, 2))
	_, err = svc.Webhook(t.Context(), harness.Merchant, reg.Webhook.ID)
	require.ErrorIs(t, err, webhook.ErrNotFound)
}

func TestPublishIsIdempotent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, _ := harness.NewService(t, nil)
		harness.Register(t, svc, harness.Merchant, "document.created")
		e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		e.ID = "order-77"
		first, err := svc.Publish(t.Context(), harness.Merchant, e)
		require.NoError(t, err)
		require.Len(t, first.Deliveries, 1)
		time.Sleep(time.Minute)
		again, err := svc.Publish(t.Context(), harness.Merchant, e)
		require.NoError(t, err)
		require.True(t, again.Duplicate, "a repeat after a lost answer, though time has passed")
		require.Equal(t, first.Deliveries, again.Deliveries)

		other := e
		other.Data = event.DocumentCreated{DocumentID: "doc_2"}
		_, err = svc.Publish(t.Context(), harness.Merchant, other)
		require.ErrorIs(t, err, webhook.ErrConflict)
		_, err = svc.Publish(t.Context(), "another", other)
		require.NoError(t, err, "ids are a merchant's own")

		reordered := event.NewRaw("document.updated", json.RawMessage(`{"a":1,"b":[2.0]}`))
		reordered.ID = "raw-1"
		_, err = svc.Publish(t.Context(), harness.Merchant, reordered)
		require.NoError(t, err)
		reordered.Data = json.RawMessage(` { "b" : [2], "a" : 1e0 } `)
		p, err := svc.Publish(t.Context(), harness.Merchant, reordered)
		require.NoError(t, err)
		require.True(t, p.Duplicate, "equal JSON is the same content")
		reordered.Created = time.Now()
		_, err = svc.Publish(t.Context(), harness.Merchant, reordered)
		require.ErrorIs(t, err, webhook.ErrConflict, "a time that the caller chose is content")
	})
}

func TestPublishRefusesBeforeStoring(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	reg := harness.Register(t, svc, harness.Merchant, "*")
	deep := strings.Repeat("[", 120) + strings.Repeat("]", 120)
	for name, e := range map[string]event.Event{
		"on request only": event.NewRaw("webhook.test", 1),
		"unknown type":    event.NewRaw("document.craeted", 1),
		"bad type":        event.NewRaw("Document Created", 1),
		"bad id":          {ID: "a b", Type: "document.created", Data: 1},
		"long id":         {ID: strings.Repeat("a", 65), Type: "document.created", Data: 1},
		"NaN":             event.NewRaw("document.created", math.NaN()),
		"a channel":       event.NewRaw("document.created", make(chan int)),
		"duplicate keys":  event.NewRaw("document.created", json.RawMessage(`{"a":1,"a":2}`)),
		"lone surrogate":  event.NewRaw("document.created", json.RawMessage(`"\ud800"`)),
		"invalid UTF-8":   event.NewRaw("document.created", json.RawMessage("\"\xff\"")),
		"too deep":        event.NewRaw("document.created", json.RawMessage(deep)),
		"too large":       event.NewRaw("document.created", strings.Repeat("x", webhook.MaxBody)),
		"not JSON":        event.NewRaw("document.created", json.RawMessage(`{`)),
		"huge number":     event.NewRaw("document.created", json.RawMessage(`1e999`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := svc.PublishBatch(t.Context(), harness.Merchant, []event.Event{
				event.New(event.DocumentCreated{DocumentID: "fine"}), e,
			})
			for field := range fields(t, err) {
				require.Regexp(t, `^\[1\]\.(id|type|data)$`, field)
			}
			stats, err := svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
			require.NoError(t, err)
			require.Zero(t, stats, "nothing of the batch is stored")
		})
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, st := harness.NewService(t, nil)
		reg := harness.Register(t, svc, harness.Merchant, "document.created")
		ctx := t.Context()
		publish := func(id string, p event.Payload) {
			e := event.New(p)
			e.ID = id
			_, err := svc.Publish(ctx, harness.Merchant, e)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		settle := func(o store.Outcome) {
			got, err := st.Claim(ctx, store.ClaimRequest{Limit: 1, PerWebhook: 1, Lease: time.Minute})
			require.NoError(t, err)
			require.Len(t, got.Leases, 1)
			l := got.Leases[0]
			_, err = st.Finish(ctx, []store.Result{{
				MerchantID: harness.Merchant, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token, Outcome: o,
			}})
			require.NoError(t, err)
		}
		began := time.Now()
		publish("succeeded", event.DocumentCreated{})
		settle(store.Succeeded)
		publish("failed", event.DocumentCreated{})
		settle(store.Failed)
		publish("other-type", event.DocumentDeleted{})
		off, on := webhook.Disabled, webhook.Active
		_, err := svc.Update(ctx, harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &off})
		require.NoError(t, err)
		publish("missed", event.DocumentCreated{})
		_, err = svc.Update(ctx, harness.Merchant, reg.Webhook.ID, webhook.Update{Status: &on})
		require.NoError(t, err)
		publish("pending", event.DocumentCreated{})

		replay := func(id string, r webhook.Replay) (deliveries int) {
			j, err := svc.Replay(ctx, harness.Merchant, id, r)
			require.NoError(t, err)
			if !r.DryRun {
				work(t, &stepped{Store: st, deaf: true}, time.Second) //nolint:contextcheck // it has the test's
				j, err = svc.ReplayStatus(ctx, harness.Merchant, id, j.ID)
				require.NoError(t, err)
			}
			require.Equal(t, webhook.ReplayDone, j.Status)
			require.False(t, j.AtLeast)
			return j.Deliveries
		}
		require.Zero(t, replay(reg.Webhook.ID, webhook.Replay{Until: began}), "nothing in the range")
		for _, dry := range []bool{true, true, false} {
			require.Equal(t, 1, replay(reg.Webhook.ID, webhook.Replay{Missed: true, DryRun: dry}))
		}
		require.Equal(t, 1, replay(reg.Webhook.ID, webhook.Replay{Since: began, Until: time.Now()}), "the failed one; the missed one is pending by now")
		require.Zero(t, replay(reg.Webhook.ID, webhook.Replay{}), "a replay can be repeated")

		page, err := svc.Deliveries(ctx, harness.Merchant, reg.Webhook.ID, webhook.DeliveryQuery{Limit: 10, Status: webhook.DeliveryPending})
		require.NoError(t, err)
		var ids []string
		for _, d := range page.Deliveries {
			ids = append(ids, d.EventID)
		}
		require.ElementsMatch(t, []string{"failed", "missed", "pending"}, ids)

		other := harness.Register(t, svc, harness.Merchant, "document.created")
		require.Zero(t, replay(other.Webhook.ID, webhook.Replay{}), "what is older than a webhook, it did not miss")
		require.Equal(t, 4, replay(other.Webhook.ID, webhook.Replay{Backfill: true}))

		_, err = svc.Replay(ctx, harness.Merchant, reg.Webhook.ID, webhook.Replay{Since: time.Now(), Until: began})
		require.Contains(t, fields(t, err), "until")
	})
}

// prunedMeanwhile has a retention that runs while a replay reads events.
type prunedMeanwhile struct{ *memstore.Store }

func (p prunedMeanwhile) Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	if _, err := p.Prune(ctx, store.PruneRequest{DeliveriesPerWebhook: 1, Limit: 100}); err != nil {
		return store.EventPage{}, err
	}
	return p.Store.Events(ctx, merchantID, q)
}

func TestReplayBesideRetention(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), prunedMeanwhile{memstore.New(nil)}
	svc, err := webhook.NewService(st, nil)
	require.NoError(t, err)
	reg, err := svc.Register(ctx, harness.Merchant, webhook.Registration{URL: "https://example.com/hook", Events: []string{"*"}})
	require.NoError(t, err)
	for range 3 {
		_, err := svc.Publish(ctx, harness.Merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
		require.NoError(t, err)
	}
	got, err := st.Claim(ctx, store.ClaimRequest{Limit: 10, PerWebhook: 10, Lease: time.Minute})
	require.NoError(t, err)
	require.Len(t, got.Leases, 3)
	for _, l := range got.Leases {
		_, err := st.Finish(ctx, []store.Result{{
			MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token, Outcome: store.Succeeded,
		}})
		require.NoError(t, err)
	}
	n, err := svc.Replay(ctx, harness.Merchant, reg.Webhook.ID, webhook.Replay{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, webhook.Replayed{Events: 3, LeftOut: 2}, n.Replayed, "what was delivered and pruned is not sent again")
}

func TestReplayLeavesPrunedDeliveriesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Retention: webhook.Retention{PerWebhook: 1}})
		reg := r.Register(event.TypeDocumentCreated)
		for range 5 {
			r.Publish()
			harness.Pass(time.Second)
		}
		harness.Pass(2 * time.Minute)
		stats, err := r.Svc.Stats(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, int64(1), stats.Total, "the others are pruned")
		job := beginReplay(t, r.Svc, reg.Webhook.ID, webhook.Replay{})
		harness.Pass(time.Second)
		require.Equal(t, webhook.Replayed{Events: 5, LeftOut: 4}, lookAt(t, r.Svc, reg.Webhook.ID, job.ID).Replayed, "what it left out is counted")
		require.Equal(t, 5, r.Endpoint.Count(), "what was delivered is not sent again")
		r.Close()
	})
}

func TestSecretsAreSealed(t *testing.T) {
	t.Parallel()
	k1, k2 := webhook.SecretKey{ID: "k1", Key: [32]byte{1}}, webhook.SecretKey{ID: "k2", Key: [32]byte{2}}
	svc, st := harness.NewService(t, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{k1}})
	reg := harness.Register(t, svc, harness.Merchant, "document.created")
	w, err := st.Webhook(t.Context(), harness.Merchant, reg.Webhook.ID)
	require.NoError(t, err)
	require.NotContains(t, w.Secret, "whsec_")
	require.NotContains(t, w.Secret, reg.Secret.Reveal()[6:])
	require.Contains(t, w.Secret, "v1.k1.")

	for name, keys := range map[string][]webhook.SecretKey{
		"no id":    {{Key: k1.Key}},
		"bad id":   {{ID: "a.b", Key: k1.Key}},
		"twice":    {k1, k1},
		"zero key": {{ID: "k3"}},
	} {
		_, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys})
		require.Error(t, err, name)
		_, err = webhook.NewDispatcher(st, &webhook.DispatcherOptions{SecretKeys: keys})
		require.Error(t, err, name)
	}

	both, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{k2, k1}})
	require.NoError(t, err)
	_, err = both.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, time.Hour)
	require.NoError(t, err)
	for _, want := range []int{1, 0} {
		n, err := both.Rewrap(t.Context(), harness.Merchant)
		require.NoError(t, err)
		require.Equal(t, want, n)
		w, err = st.Webhook(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Contains(t, w.Secret, "v1.k2.")
		require.Contains(t, w.PreviousSecret, "v1.k2.", "the previous secret too")
		require.False(t, w.PreviousUntil.IsZero(), "and its time stays")
	}
	_, err = svc.Rewrap(t.Context(), harness.Merchant)
	require.Error(t, err, "a service without the key cannot open it")
}

// lasting is a store that outlives the process.
type lasting struct{ *memstore.Store }

func (lasting) Volatile() bool { return false }

func TestALastingStoreNeedsAKey(t *testing.T) {
	t.Parallel()
	for name, st := range map[string]store.Store{
		"a store that says so":         lasting{memstore.New(nil)},
		"one that says nothing":        struct{ store.Store }{memstore.New(nil)},
		"a wrapper that does not know": struct{ store.Store }{lasting{memstore.New(nil)}},
	} {
		_, err := webhook.NewService(st, nil)
		require.ErrorContains(t, err, "SecretKeys", name)
		_, err = webhook.NewDispatcher(st, nil)
		require.ErrorContains(t, err, "SecretKeys", name)
		_, err = webhook.NewService(st, &webhook.ServiceOptions{InsecurePlaintextSecrets: true})
		require.NoError(t, err, name)
		_, err = webhook.NewDispatcher(st, &webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{{ID: "k", Key: [32]byte{1}}}})
		require.NoError(t, err, name)
	}
	_, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err, "nothing outlives the process")
}

func TestConstructorsListEveryFault(t *testing.T) {
	t.Parallel()
	_, err := webhook.NewService(nil, &webhook.ServiceOptions{Limits: webhook.Limits{Webhooks: -1}})
	require.ErrorContains(t, err, "store is nil")
	require.ErrorContains(t, err, "limit is negative")
	_, err = webhook.NewService(nil, nil)
	require.EqualError(t, err, "webhook: new service: store is nil", "keys are asked for when it is known what they seal")
	_, err = webhook.NewService(memstore.New(nil), &webhook.ServiceOptions{Limits: webhook.Limits{Webhooks: 10_001}})
	require.ErrorContains(t, err, "more than 10000 webhooks")
	_, err = webhook.NewDispatcher(nil, &webhook.DispatcherOptions{
		Concurrency: -1, PerWebhook: -1, Lease: time.Second, Wire: signer.Wire{UserAgent: "a\nb"}, AttemptTimeout: time.Second,
	})
	for _, part := range []string{"store is nil", "Concurrency", "PerWebhook", "lease", "user agent"} {
		require.ErrorContains(t, err, part)
	}
}

// What Register, Update and Publish would refuse can be asked for before.
func TestFaultsHaveAKindAndAPath(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, &webhook.ServiceOptions{Limits: webhook.Limits{Events: 2}})
	kinds := func(all []webhook.Fault) map[string]webhook.FaultKind {
		out := map[string]webhook.FaultKind{}
		for _, f := range all {
			out[f.Path] = f.Kind
			require.NotContains(t, f.Message, "GET", "who speaks HTTP says where to look")
		}
		return out
	}
	bad := webhook.Registration{Events: []string{"no.such"}, Description: "\x00", Headers: webhook.Headers{"Host": "x"}}
	require.Equal(t, map[string]webhook.FaultKind{
		"url": webhook.FaultMissing, "events[0]": webhook.FaultUnknownType, "description": webhook.FaultWrong, "headers.Host": webhook.FaultWrong,
	}, kinds(svc.CheckRegistration(bad)))
	require.Equal(t, map[string]webhook.FaultKind{"": webhook.FaultMissing}, kinds(svc.CheckUpdate(webhook.Update{})))
	require.Equal(t, map[string]webhook.FaultKind{"events": webhook.FaultTooMany},
		kinds(svc.CheckUpdate(webhook.Update{Events: []string{"a", "b", "c"}})))
	require.Equal(t, map[string]webhook.FaultKind{"id": webhook.FaultWrong, "type": webhook.FaultUnknownType},
		kinds(svc.CheckEvent(event.Event{ID: "{}", Type: "no.such"})))
	require.Empty(t, svc.CheckRegistration(webhook.Registration{URL: "https://example.com/", Events: []string{"*"}}))

	_, err := svc.Register(t.Context(), harness.Merchant, bad)
	require.ErrorIs(t, err, webhook.ErrInvalid)
	var invalid *webhook.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, svc.CheckRegistration(bad), invalid.Faults)
}
