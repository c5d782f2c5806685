package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const eventsPath = "/api/merchants/" + harness.Merchant + "/events"

// eventList is what a list of events answers.
type eventList struct {
	Events []struct{ ID, Type, CreatedAt string }
	Next   string
}

func (l eventList) ids() []string {
	out := []string{}
	for _, e := range l.Events {
		out = append(out, e.ID)
	}
	return out
}

// publish publishes an event under an id.
func (s *site) publish(merchantID, id string, p event.Payload) {
	s.t.Helper()
	e := event.New(p)
	e.ID = id
	_, err := s.svc.Publish(s.t.Context(), merchantID, e)
	require.NoError(s.t, err)
}

// result is one that counts.
func result(o store.Outcome, a store.Attempt) store.Result {
	streak := store.StreakReset
	if o != store.Succeeded {
		streak = store.StreakExtend
	}
	return store.Result{Outcome: o, Attempt: a, Streak: streak}
}

func TestEventsAreListed(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, &api.Options{}) // without publishing
	for i := range 3 {
		s.publish(harness.Merchant, fmt.Sprintf("evt_created_%d", i), event.DocumentCreated{})
		s.publish(harness.Merchant, fmt.Sprintf("evt_deleted_%d", i), event.DocumentDeleted{})
	}
	s.publish(harness.Victim, "evt_theirs", event.DocumentCreated{})
	test, err := s.svc.Test(t.Context(), harness.Merchant, s.hook(harness.Merchant))
	require.NoError(t, err)
	later := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
	before := url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))
	deleted := []string{"evt_deleted_2", "evt_deleted_1", "evt_deleted_0"}
	for query, want := range map[string][]string{
		"?type=document.deleted":                           deleted,
		"?type=document.deleted&limit=4&since=" + before:   deleted,
		"?until=" + before:                                 {},
		"?since=" + later:                                  {},
		"?type=gone.from.the.catalog":                      {},
		"?id=evt_created_1":                                {"evt_created_1"},
		"?id=evt_created_1&type=document.deleted":          {},
		"?id=evt_created_1&since=" + later:                 {},
		"?id=evt_created_1&until=" + before:                {},
		"?id=evt_created_1&since=" + before + "&limit=1":   {"evt_created_1"},
		"?id=evt_unknown":                                  {},
		"?id=evt_theirs":                                   {},
		"?id=" + test.EventID:                              {test.EventID},
		"?type=document.deleted&limit=1000&until=" + later: deleted,
	} {
		var got eventList
		s.do(http.MethodGet, eventsPath+query, "").is(http.StatusOK).data(&got)
		require.Equal(t, want, got.ids(), query)
		require.Empty(t, got.Next, query)
	}
	for query, faults := range map[string][]string{
		"?id=":                                 {"id"},
		"?id=a%20b":                            {"id"},
		"?id=evt_1&cursor=x":                   {"cursor"},
		"?cursor=x":                            {"cursor"},
		"?type=":                               {"type"},
		"?limit=0":                             {"limit"},
		"?limit=1001":                          {"limit"},
		"?since=x&until=y":                     {"since", "until"},
		"?since=" + later + "&until=" + before: {"until"},
		"?offset=1":                            {"offset"},
		"?type=document.created&type=document.deleted": {"type"},
	} {
		require.Equal(t, faults, s.do(http.MethodGet, eventsPath+query, "").faults(), query)
	}
}

func TestEventsComeInPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	var want, seen []string
	for i := range 7 {
		id := fmt.Sprintf("evt_%d", i)
		want = append([]string{id}, want...)
		s.publish(harness.Merchant, id, event.DocumentCreated{})
	}
	cursor := ""
	for page := 0; page == 0 || cursor != ""; page++ {
		require.Less(t, page, 4)
		var got eventList
		s.do(http.MethodGet, eventsPath+"?limit=3&cursor="+url.QueryEscape(cursor), "").is(http.StatusOK).data(&got)
		s.publish(harness.Merchant, fmt.Sprintf("evt_later_%d", page), event.DocumentCreated{}) // shifts nothing
		require.Equal(t, "document.created", got.Events[0].Type)
		require.NotEmpty(t, got.Events[0].CreatedAt)
		seen, cursor = append(seen, got.ids()...), got.Next
	}
	require.Equal(t, want, seen)
}

// verdict is what an event's page says of one webhook.
type verdict struct {
	WebhookID, URL, Verdict, Wait, At, DeliveryID, Error, Text string
	Attempts, StatusCode, Deliveries, Succeeded                int
}

// whyPage is an event's page.
type whyPage struct {
	ID, Type, CreatedAt, Text string
	Test                      bool
	Payload                   map[string]any
	Verdicts                  []verdict
	Deliveries                []struct{ ID, EventID, WebhookID, NextAttemptAt string }
	Damaged                   []string
}

func (s *site) why(eventID string) whyPage {
	s.t.Helper()
	var v whyPage
	s.do(http.MethodGet, eventsPath+"/"+eventID, "").is(http.StatusOK).data(&v)
	return v
}

// An event's page has a verdict of each common kind.
func TestEventSaysWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	s.publish(harness.Merchant, "evt_nobody", event.DocumentDeleted{})
	got := s.why("evt_nobody")
	require.Empty(t, got.Verdicts)
	require.Empty(t, got.Deliveries)
	require.Contains(t, got.Text, "The merchant has no webhook.")

	all, other := s.hook(harness.Merchant), harness.Register(t, s.svc, harness.Merchant, "document.updated").Webhook.ID
	off := s.hook(harness.Merchant)
	_, err := s.svc.Update(t.Context(), harness.Merchant, off, webhook.Update{Status: new(webhook.Disabled)})
	require.NoError(t, err)
	s.publish(harness.Merchant, "evt_1", event.DocumentCreated{DocumentID: "doc_1"})
	got = s.why("evt_1")
	require.Equal(t, "document.created", got.Type)
	require.NotEmpty(t, got.CreatedAt)
	require.False(t, got.Test)
	require.Equal(t, "evt_1", got.Payload["id"])
	require.Len(t, got.Deliveries, 1)
	require.Equal(t, "evt_1", got.Deliveries[0].EventID)
	id := got.Deliveries[0].ID
	require.Len(t, got.Verdicts, 3)
	require.Equal(t, verdict{
		WebhookID: all, URL: "https://example.com/", Verdict: "pending", Wait: "turn", DeliveryID: id, Deliveries: 1,
		At: got.Verdicts[0].At, Text: got.Verdicts[0].Text,
	}, got.Verdicts[0])
	require.Equal(t, []string{"not_subscribed", "disabled"}, []string{got.Verdicts[1].Verdict, got.Verdicts[2].Verdict})
	require.Equal(t, []string{other, off}, []string{got.Verdicts[1].WebhookID, got.Verdicts[2].WebhookID})
	require.Regexp(t, `^not subscribed: since \d`, got.Verdicts[1].Text)
	require.Regexp(t, `^disabled: .* was disabled at \d`, got.Verdicts[2].Text)

	s.settle(result(store.Failed, store.Attempt{StatusCode: 500, Code: "status"}))
	require.Equal(t, "failed", s.why("evt_1").Verdicts[0].Verdict)
	require.Empty(t, s.why("evt_1").Verdicts[0].Error, "the status says it")
	_, err = s.svc.Redeliver(t.Context(), harness.Merchant, all, id)
	require.NoError(t, err)
	_, err = s.svc.Update(t.Context(), harness.Merchant, all, webhook.Update{Status: new(webhook.Disabled)})
	require.NoError(t, err)
	got = s.why("evt_1")
	require.Equal(t, "enabled", got.Verdicts[0].Wait)
	require.Len(t, got.Deliveries, 2)
	require.Empty(t, got.Deliveries[1].NextAttemptAt, "nobody knows when")
	_, err = s.svc.Update(t.Context(), harness.Merchant, all, webhook.Update{Status: new(webhook.Active)})
	require.NoError(t, err)
	s.settle(result(store.Succeeded, store.Attempt{StatusCode: 204}))
	one := s.why("evt_1").Verdicts[0]
	require.Equal(t, []any{"delivered", 1, 204, 2, 1}, []any{one.Verdict, one.Attempts, one.StatusCode, one.Deliveries, one.Succeeded})

	later := s.hook(harness.Merchant)
	got = s.why("evt_nobody")
	require.Len(t, got.Verdicts, 4)
	require.Equal(t, later, got.Verdicts[3].WebhookID)
	for _, v := range got.Verdicts {
		require.Contains(t, []string{"not_registered", "not_subscribed"}, v.Verdict) // Both are of this millisecond, perhaps.
	}

	test, err := s.svc.Test(t.Context(), harness.Merchant, off)
	require.NoError(t, err)
	got = s.why(test.EventID)
	require.True(t, got.Test)
	require.Len(t, got.Verdicts, 1)
	require.Equal(t, off, got.Verdicts[0].WebhookID)
}

// An unknown event's page says how far back the log goes, and no more of another merchant's.
func TestEventIsNotKnown(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	s.publish(harness.Victim, "evt_theirs", event.DocumentCreated{})
	none := s.do(http.MethodGet, eventsPath+"/evt_theirs", "").is(http.StatusNotFound)
	require.Equal(t, "not_found", none.refusal().Code)
	require.Contains(t, none.refusal().Message, "no event of the merchant is kept")
	s.publish(harness.Merchant, "evt_mine", event.DocumentCreated{})
	unknown := s.do(http.MethodGet, eventsPath+"/evt_unknown", "").is(http.StatusNotFound)
	require.Contains(t, unknown.refusal().Message, "older than ")
	require.Equal(t, unknown.whole(), s.do(http.MethodGet, eventsPath+"/evt_theirs", "").whole())
}

func TestDeliveriesOfOneEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	id, other := s.hook(harness.Merchant), s.hook(harness.Merchant)
	s.publish(harness.Merchant, "evt_1", event.DocumentCreated{})
	s.publish(harness.Merchant, "evt_2", event.DocumentCreated{})
	s.settle(result(store.Succeeded, store.Attempt{StatusCode: 200}))
	log := hooks + "/" + id + "/deliveries"
	type list struct {
		Deliveries []struct{ ID, EventID, WebhookID, Status string }
		Pagination struct {
			Total      *int
			NextCursor string
		}
	}
	var got list
	s.do(http.MethodGet, log+"?eventId=evt_1", "").is(http.StatusOK).data(&got)
	require.Len(t, got.Deliveries, 1)
	require.Equal(t, "evt_1", got.Deliveries[0].EventID)
	require.Equal(t, id, got.Deliveries[0].WebhookID)
	require.Nil(t, got.Pagination.Total)
	_, err := s.svc.Redeliver(t.Context(), harness.Merchant, id, got.Deliveries[0].ID)
	require.NoError(t, err)
	for query, want := range map[string]int{
		"": 2, "&status=pending": 1, "&status=success&eventType=document.created": 1, "&eventType=document.deleted": 0,
		"&limit=1": 1, "&offset=1": 1, "&offset=2": 0, "&until=2020-01-01T00:00:00Z": 0, "&since=2020-01-01T00:00:00Z": 2,
	} {
		got = list{}
		s.do(http.MethodGet, log+"?eventId=evt_1"+query, "").is(http.StatusOK).data(&got)
		require.Len(t, got.Deliveries, want, query)
	}
	got = list{}
	s.do(http.MethodGet, hooks+"/"+other+"/deliveries?eventId=evt_unknown", "").is(http.StatusOK).data(&got)
	require.Empty(t, got.Deliveries)
	require.Equal(t, []string{"cursor"}, s.do(http.MethodGet, log+"?eventId=evt_1&cursor=", "").faults())
	require.Equal(t, []string{"eventId"}, s.do(http.MethodGet, log+"?eventId=", "").faults())
	s.do(http.MethodGet, hooks+"/whk_unknown/deliveries?eventId=evt_1", "").is(http.StatusNotFound)
}

// Changes say who has made them over HTTP, with an Idempotency-Key too, and when.
func TestChangesSayWhoAndWhen(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	var err error
	s.api, err = api.New(s.svc, func(r *http.Request) (webhook.Principal, error) {
		return webhook.Principal{MerchantID: harness.Merchant, Subject: r.Header.Get("X-User")}, nil
	}, nil)
	require.NoError(t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle("/api/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.api.ServeHTTP(w, r.WithContext(webhook.WithActor(r.Context(), "of the host")))
	}))
	var made struct{ WebhookID string }
	s.do(http.MethodPost, hooks, goodBody, "X-User", "ada", "Idempotency-Key", "k1").is(http.StatusCreated).data(&made)
	one := hooks + "/" + made.WebhookID
	s.do(http.MethodPut, one, `{"status":"disabled","url":"https://example.com/two"}`, "X-User", "bob\n").is(http.StatusOK)
	s.do(http.MethodPut, one, `{"status":"active","headers":{"X-Key":"t0ken"}}`).is(http.StatusOK)
	a := s.do(http.MethodGet, one+"/changes", "").is(http.StatusOK)
	require.NotContains(t, a.body, "t0ken")
	var got struct {
		Changes []struct {
			At                         time.Time
			Version                    int
			Actor, Status, Reason, URL string
			Fields, Events             []string
		}
	}
	a.data(&got)
	require.Len(t, got.Changes, 3)
	for i, c := range got.Changes {
		require.WithinDuration(t, time.Now(), c.At, time.Minute)
		require.Equal(t, 3-i, c.Version)
		got.Changes[i].At = time.Time{}
	}
	text := fmt.Sprint(got.Changes)
	zero := fmt.Sprint(time.Time{})
	require.Equal(t, "[{"+zero+" 3 of the host active   [status headers] []} "+
		"{"+zero+" 2 bob disabled requested https://example.com/two [url status] []} "+
		"{"+zero+" 1 ada active  https://example.com/hook [] [document.created]}]", text)
	require.Contains(t, a.body, `"fields":[]`)
	s.do(http.MethodGet, hooks+"/whk_unknown/changes", "").is(http.StatusNotFound)
}

func TestWebhooksSayHowTheyDo(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	health := func() map[string]any { return s.do(http.MethodGet, one, "").is(http.StatusOK).object() }
	require.Equal(t, "healthy", health()["health"])
	s.published(harness.Merchant)
	s.settle(result(store.Retry, store.Attempt{StatusCode: 500, Code: "status"}))
	v := health()
	require.Equal(t, "failing", v["health"])
	require.Contains(t, v, "failingSince")
	require.NotContains(t, v, "lastSuccessAt")
	s.settle(result(store.Succeeded, store.Attempt{StatusCode: 200}))
	v = health()
	require.Equal(t, "healthy", v["health"])
	require.NotContains(t, v, "failingSince")
	require.Contains(t, v, "lastSuccessAt")
	s.do(http.MethodPut, one, `{"status":"disabled"}`).is(http.StatusOK)
	require.Equal(t, "disabled", health()["health"])
}

// unreadable is a store of which one event is damaged, and one delivery.
type unreadable struct {
	*memstore.Store

	eventID  string
	delivery string
}

func (u *unreadable) Event(ctx context.Context, merchantID, eventID string) (store.Event, error) {
	if eventID == u.eventID {
		return store.Event{}, fmt.Errorf("read: %w", store.ErrDamaged)
	}
	return u.Store.Event(ctx, merchantID, eventID)
}

func (u *unreadable) EventDeliveries(ctx context.Context, merchantID, eventID string) (store.EventDeliveries, error) {
	out, err := u.Store.EventDeliveries(ctx, merchantID, eventID)
	if u.delivery != "" {
		out.Deliveries, out.Damaged = nil, []string{u.delivery}
	}
	return out, err
}

// A page shows what is left of a damaged event, and which of its deliveries are damaged.
func TestDamagedEvent(t *testing.T) {
	t.Parallel()
	st := &unreadable{Store: memstore.New(nil)}
	s := newSite(t, st, nil)
	id := s.hook(harness.Merchant)
	delivery := s.delivered(harness.Merchant, id)
	d, err := s.svc.Delivery(t.Context(), harness.Merchant, id, delivery)
	require.NoError(t, err)
	st.eventID = d.EventID
	got := s.why(d.EventID)
	require.Equal(t, "event.unknown", got.Type)
	require.Empty(t, got.CreatedAt)
	require.Nil(t, got.Payload)
	require.Contains(t, got.Text, "damaged")
	require.Equal(t, "pending", got.Verdicts[0].Verdict, "its delivery is there")
	require.Equal(t, delivery, got.Deliveries[0].ID)
	var list eventList
	s.do(http.MethodGet, eventsPath+"?id="+d.EventID, "").is(http.StatusOK).data(&list)
	require.Equal(t, []string{d.EventID}, list.ids())

	st.eventID, st.delivery = "", delivery
	got = s.why(d.EventID)
	require.Equal(t, []string{delivery}, got.Damaged)
	require.Equal(t, "damaged", got.Verdicts[0].Verdict)
	require.Equal(t, delivery, got.Verdicts[0].DeliveryID)
	a := s.do(http.MethodGet, hooks+"/"+id+"/deliveries?eventId="+d.EventID, "").is(http.StatusOK)
	require.Contains(t, a.body, `"damaged":["`+delivery+`"]`)
}

// An attempt shows where it went and its headers, without the values of the webhook's own.
func TestAttemptsShowTheirExchange(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	s := newSite(t, st, nil)
	endpoint := &harness.Endpoint{Answer: harness.Always(http.StatusOK, "X-Trace", "t1")}
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Transport: endpoint, SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
	require.NoError(t, err)
	reg, err := s.svc.Register(t.Context(), harness.Merchant, webhook.Registration{
		URL: "https://example.com/hook", Events: []string{"*"}, Headers: webhook.Headers{"Authorization": harness.Credential},
	})
	require.NoError(t, err)
	sent, err := s.svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(ctx) }()
	_, err = s.svc.Await(t.Context(), harness.Merchant, reg.Webhook.ID, sent.ID)
	require.NoError(t, err)
	stop()
	require.NoError(t, <-stopped)

	type header struct {
		Name, Value string
		Hidden      bool
	}
	var got struct {
		Attempts []struct {
			URL                             string
			RequestHeaders, ResponseHeaders []header
		}
	}
	a := s.do(http.MethodGet, hooks+"/"+reg.Webhook.ID+"/deliveries/"+sent.ID, "").is(http.StatusOK)
	require.NotContains(t, a.body, harness.Credential)
	a.data(&got)
	require.Len(t, got.Attempts, 1)
	require.Equal(t, "https://example.com/hook", got.Attempts[0].URL)
	require.Equal(t, header{Name: "Authorization", Hidden: true}, got.Attempts[0].RequestHeaders[0], "by the alphabet")
	require.Contains(t, got.Attempts[0].RequestHeaders, header{Name: "Content-Type", Value: "application/json"})
	require.Equal(t, []header{{Name: "X-Trace", Value: "t1"}}, got.Attempts[0].ResponseHeaders)
}
