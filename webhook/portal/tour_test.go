package portal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// tour looks at every page in every state that it can have.
type tour struct {
	t     *testing.T
	opts  portal.Options // of every portal
	shots []shot
}

// shot is a page as it came back.
type shot struct {
	name string
	page
}

// open returns a site of the tour. A nil wrap leaves the store as it is.
func (v *tour) open(o *webhook.ServiceOptions, wrap func(*memstore.Store) webhook.ServiceStore) *site {
	v.t.Helper()
	s := newSite(v.t, nil)
	var used webhook.ServiceStore = s.store
	if wrap != nil {
		used = wrap(s.store)
	}
	var err error
	s.svc, err = webhook.NewService(used, o)
	require.NoError(v.t, err)
	v.mount(s, v.opts)
	return s
}

func (v *tour) mount(s *site, o portal.Options) {
	v.t.Helper()
	pages, err := portal.New(s.svc, login, &o)
	require.NoError(v.t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle(mount+"/", http.StripPrefix(mount, pages))
}

// see asks for a page, as do does, and keeps it.
func (v *tour) see(s *site, name, path string, form url.Values, header ...string) page {
	v.t.Helper()
	p := s.do(path, form, header...)
	v.shots = append(v.shots, shot{name, p})
	return p
}

// walk goes through everything.
func (v *tour) walk() {
	for _, scene := range []func(){
		v.beginnings, v.forms, v.secrets, v.one, v.detections, v.deliveries, v.causes, v.events, v.fates, v.replays,
		v.operators, v.searches, v.jobs, v.damages, v.lost, v.refusals, v.conflicts,
	} {
		scene()
	}
}

func (v *tour) beginnings() {
	s := v.open(nil, nil)
	v.see(s, "no webhooks", "/", nil)
	v.see(s, "no webhooks for a reader", "/", nil, "As", merchant+" webhooks:read")
	v.see(s, "no active webhooks", "/?show=active", nil)
	v.see(s, "no events", "/events", nil)
	v.see(s, "no event like that", "/events?type=document.created", nil)
	v.see(s, "catalog", "/catalog", nil)
	v.see(s, "choose", "/", nil, "As", "*")
	v.see(s, "choose again", "/?merchant=a,b", nil, "As", "*")
	for _, done := range []string{
		"saved", "enabled", "disabled", "encoded", "deleted", "tested", "redelivered", "forward", "cancelled",
		"gaveup&n=1", "gaveup&n=1234", "gaveupsome&n=1", "gaveupsome&n=1000", "again", "replaying",
	} {
		v.see(s, "done "+done, "/?done="+done, nil)
	}
	for i := range 21 {
		s.register(merchant, fmt.Sprintf("https://many.example/%02d", i))
	}
	s.hook()
	v.see(s, "many webhooks", "/", nil)
	v.see(s, "more of them", "/?page=2&show=active", nil)
}

func (v *tour) forms() {
	s := v.open(nil, nil)
	v.see(s, "new", "/new", nil)
	v.see(s, "new, all wrong", "/new", filled(s, "url", "ftp://x", "description", strings.Repeat("x", 600), "events", "no.such", "encoding", "utf-16", "rate", "99999",
		"signature", "md5", "header-name", "Host", "header-value", "1", "metadata-key", strings.Repeat("k", 99), "metadata-value", "1"))
	v.see(s, "new, half", "/new", filled(s, "url", "", "events", "", "encoding", "", "rate", "x", "header-name", "A", "header-value", "1", "header-name", "A", "header-value", "2"))
	form := filled(s, "rate", "20", "header-name", "X-Tenant", "header-value", "eu-1", "metadata-key", "team", "metadata-value", "a+b & 'c'")
	v.see(s, "created", "/new", form)
	v.see(s, "created before", "/new", form)
	v.see(s, "created before, for a reader", "/new", form, "As", merchant+" webhooks:write webhooks:read")
	hook := "/webhooks/" + s.all()[0].ID
	v.see(s, "settings", hook, nil)
	v.see(s, "edit", hook+"/edit", nil)
	v.see(s, "edit, wrong", hook+"/edit", edited(s, hook, "url", "https://other.example/in"))
	stale := edited(s, hook, "description", "mine", "headers", "replace")
	theirs, encoding := endpoint+"/theirs", webhook.EncodingASCII
	_, err := s.svc.Update(v.t.Context(), merchant, hookID(hook), webhook.Update{
		URL: &theirs, Encoding: &encoding, Events: []string{"*"}, RateLimit: new(int), Metadata: map[string]string{},
	})
	require.NoError(v.t, err)
	v.see(s, "edit, changed meanwhile", hook+"/edit", stale)
	same := edited(s, hook, "description", "ours")
	ours := "ours"
	_, err = s.svc.Update(v.t.Context(), merchant, hookID(hook), webhook.Update{Description: &ours})
	require.NoError(v.t, err)
	v.see(s, "edit, the same by both", hook+"/edit", same)
	v.see(s, "delete", hook+"/delete", nil)
	v.see(s, "delete, changed meanwhile", hook+"/delete", values("version", "1"))
	catalog, err := event.DefaultCatalog().With(event.Entry{Type: "order.paid", Description: "An order was paid"})
	require.NoError(v.t, err)
	svc, err := webhook.NewService(s.store, &webhook.ServiceOptions{Catalog: catalog})
	require.NoError(v.t, err)
	_, err = svc.Update(v.t.Context(), merchant, hookID(hook), webhook.Update{Events: []string{"order.paid"}})
	require.NoError(v.t, err)
	v.see(s, "edit, a type that is gone", hook+"/edit", nil)
}

func (v *tour) secrets() {
	s := v.open(nil, nil)
	hook := s.hook()
	v.see(s, "rotate", hook+"/rotate", nil)
	form := values("grace", "24", "token", "form_1")
	v.see(s, "rotated", hook+"/rotate", form)
	v.see(s, "rotated before", hook+"/rotate", form)
	v.see(s, "rotate again", hook+"/rotate", nil)
	v.see(s, "two secrets", hook, nil)
	v.see(s, "rotate too soon", hook+"/rotate", values("grace", "1", "token", "form_2"))
	v.see(s, "rotated at once", hook+"/rotate", values("grace", "0", "token", "form_3"))
	form = filled(s, "signature", "v1a")
	v.see(s, "created with a key", "/new", form)
	for _, w := range s.all() {
		if w.PublicKey != "" {
			hook = "/webhooks/" + w.ID
		}
	}
	v.see(s, "a key", hook, nil)
	v.see(s, "verify with a key", hook+"/verify", nil)
	v.see(s, "rotate a key", hook+"/rotate", nil)
	v.see(s, "key rotated", hook+"/rotate", values("grace", "168", "token", "form_4"))
	v.see(s, "two keys", hook, nil)
}

func (v *tour) one() {
	s := v.open(nil, nil)
	hook := s.hook()
	id := hookID(hook)
	v.see(s, "new webhook", hook, nil)
	v.see(s, "for a reader", hook, nil, "As", merchant+" webhooks:read")
	for _, lang := range []string{"node", "python", "php", "ruby", "go", "java", "csharp", "rust"} {
		v.see(s, "verify "+lang, hook+"/verify?lang="+lang, nil)
	}
	for _, encoding := range []webhook.Encoding{webhook.EncodingHTML, webhook.EncodingASCII} {
		_, err := s.svc.Update(v.t.Context(), merchant, id, webhook.Update{Encoding: &encoding})
		require.NoError(v.t, err)
		v.see(s, "verify "+string(encoding), hook+"/verify", nil)
	}
	v.see(s, "no performance", hook+"/performance", nil)
	v.see(s, "nothing to cancel", hook+"/cancel", nil)
	failing := failure("no")
	failing.Streak, failing.DisableAfter, failing.DisableReason = store.StreakExtend, 3, string(webhook.ReasonFailures)
	for i := range 3 {
		s.happens(fmt.Sprint("evt_", i), map[string]any{"n": i}, "document.created")
		if i == 0 {
			v.see(s, "cancel one", hook+"/cancel", nil)
			v.see(s, "delete with one", hook+"/delete", nil)
			v.see(s, "all pending", hook, nil)
		}
		s.settle(failing)
		v.see(s, fmt.Sprint("failures ", i+1), hook, nil)
		time.Sleep(3 * 24 * time.Hour)
	}
	v.see(s, "list with failures", "/", nil)
	v.see(s, "only disabled ones", "/?show=active", nil)
	active, disabled := webhook.Active, webhook.Disabled
	_, err := s.svc.Update(webhook.WithActor(v.t.Context(), "ada@example.com"), merchant, id, webhook.Update{Status: &active, Headers: webhook.Headers{"A": "b"}})
	require.NoError(v.t, err)
	for range 2 {
		s.happens("evt_x"+time.Now().Format("150405"), map[string]any{}, "document.created")
		time.Sleep(90 * time.Second)
	}
	v.see(s, "cancel some", hook+"/cancel", nil)
	s.settle(success())
	v.see(s, "performance", hook+"/performance", nil)
	s.happens("evt_gone", map[string]any{}, "document.created")
	failing.DisableAfter, failing.DisableReason = 1, string(webhook.ReasonGone)
	s.settle(failing)
	v.see(s, "gone", hook, nil)
	s.hook()
	failing.Outcome, failing.Delay, failing.Streak = store.Retry, time.Hour, store.StreakTry
	s.happens("evt_try", map[string]any{}, "document.created")
	s.settle(failing)
	v.see(s, "list with one that is gone", "/", nil)
	_, err = s.svc.Update(webhook.WithActor(v.t.Context(), webhook.ActorProbe), merchant, id, webhook.Update{Status: &active})
	require.NoError(v.t, err)
	_, err = s.svc.Update(v.t.Context(), merchant, id, webhook.Update{
		Status: &disabled, RateLimit: ptr(7), Description: ptr("d"), Metadata: map[string]string{"a": "b"}, Events: []string{"*"},
	})
	require.NoError(v.t, err)
	_, err = s.svc.Rotate(v.t.Context(), merchant, id, 0)
	require.NoError(v.t, err)
	v.see(s, "disabled", hook, nil)
	v.see(s, "changes", hook+"/changes", nil)
}

func ptr[T any](v T) *T { return &v }

func (v *tour) detections() {
	for _, statuses := range [][]int{{200, 200, 401}, {401, 200}, {401, 401, 200}, {200, 401}, {200, 200, 200}, {401, 401, 401}, {500}, {302}} {
		opts := v.opts
		opts.TestWait = 10 * time.Second
		s := v.open(nil, nil)
		v.mount(s, opts)
		hook := s.hook()
		s.answering(statuses...)
		v.see(s, fmt.Sprint("detect ", statuses), hook+"/detect", values("a", "b"))
	}
	s := v.open(nil, nil)
	hook := s.hook()
	v.see(s, "detect, unanswered", hook+"/detect", values("a", "b"), "HX-Request", "true")
}

func (v *tour) deliveries() {
	s := v.open(nil, nil)
	hook := s.hook()
	log := hook + "/deliveries"
	v.see(s, "empty log", log, nil)
	v.see(s, "empty, with a filter", log+"?status=failed", nil)
	v.see(s, "filter, wrong", log+"?status=gone&type=%3Cb&since=now&until=now", nil)
	v.see(s, "filter, the wrong way round", log+"?since=2026-03-31T13:00&until=2026-03-31T13:00", nil)
	v.see(s, "test event sent", hook+"/test", values("a", "b"), "HX-Request", "true")
	test := log + "/" + s.youngest(hook).ID
	time.Sleep(2 * time.Minute)
	v.see(s, "outcome, for long none", test+"/outcome", nil)
	s.settle(success())
	v.see(s, "outcome, a success", test+"/outcome", nil)
	v.see(s, "a test", test, nil)
	v.see(s, "event of the test", "/events/"+url.PathEscape(s.youngest(hook).EventID), nil)
	s.do(hook+"/test", values("a", "b"))
	s.settle(failure("what is this"))
	v.see(s, "outcome, a failure", log+"/"+s.youngest(hook).ID+"/outcome", nil)
	s.happens("evt_1", map[string]any{"a": "é<"}, "document.created")
	first := log + "/" + s.youngest(hook).ID
	v.see(s, "on its way", first, nil)
	time.Sleep(2 * time.Minute)
	v.see(s, "in line", first, nil)
	retry := failure("wait")
	retry.Outcome, retry.Delay = store.Retry, 5*time.Minute
	s.settle(retry)
	v.see(s, "between attempts", first, nil)
	time.Sleep(6 * time.Minute)
	_, err := s.store.Claim(v.t.Context(), store.ClaimRequest{Limit: 1, PerWebhook: 1, Lease: time.Minute})
	require.NoError(v.t, err)
	v.see(s, "being sent", first, nil)
	time.Sleep(2 * time.Minute)
	s.do(hook+"/status", values("status", "disabled"))
	v.see(s, "paused", first, nil)
	v.see(s, "event that is paused", "/events/evt_1", nil)
	s.do(hook+"/status", values("status", "active"))
	s.settle(failure(""))
	again := s.do(first+"/redeliver", values("token", "form_1")).to()
	again, _, _ = strings.Cut(again, "?")
	s.do(again+"/cancel", values("a", "b"))
	v.see(s, "cancelled", again, nil)
	v.see(s, "cancel what has ended", again+"/cancel", values("a", "b"))
	for range 55 {
		time.Sleep(time.Second)
		s.delivered(hook, success())
	}
	page := v.see(s, "log", log, nil)
	v.see(s, "log with a total", log+"?status=success", nil)
	older := regexpLink(page, `rel="next"`)
	v.see(s, "older", log+older, nil)
	v.exchanged()
}

// exchanged looks at deliveries of which the exchange is kept.
func (v *tour) exchanged() {
	s := v.open(nil, nil)
	for _, encoding := range []webhook.Encoding{webhook.EncodingASCII, webhook.EncodingHTML} {
		reg, err := s.svc.Register(v.t.Context(), merchant, webhook.Registration{
			URL: endpoint + "?a=[1]", Events: []string{"*"}, Encoding: encoding, Headers: webhook.Headers{"X-Tenant": "eu-1"},
		})
		require.NoError(v.t, err)
		s.happens("evt_"+string(encoding), map[string]any{"name": strings.Repeat("Zoë's", 7000)}, "document.created")
		receiver := &harness.Endpoint{Answer: harness.Always(http.StatusOK)}
		disp, err := webhook.NewDispatcher(s.store, &webhook.DispatcherOptions{Transport: receiver})
		require.NoError(v.t, err)
		ctx, stop := context.WithTimeout(v.t.Context(), time.Minute)
		require.NoError(v.t, disp.Run(ctx))
		stop()
		_, err = s.svc.Update(v.t.Context(), merchant, reg.Webhook.ID, webhook.Update{Events: []string{"document.created"}})
		require.NoError(v.t, err)
		hook := "/webhooks/" + reg.Webhook.ID
		v.see(s, "exchange "+string(encoding), hook+"/deliveries/"+s.youngest(hook).ID, nil)
	}
}

// causes looks at a failure of each kind.
func (v *tour) causes() {
	s := v.open(nil, nil)
	hook := s.hook()
	for _, code := range []webhook.Code{
		webhook.CodeTimeout, webhook.CodeDNS, webhook.CodeBlockedAddress, webhook.CodeConnect, webhook.CodeConnection,
		webhook.CodeTLS, webhook.CodeBadResponse, webhook.CodeRedirect, webhook.CodeWebhookDisabled, webhook.CodeSecretLost, webhook.CodeInternal,
	} {
		result := failure("")
		result.Attempt = store.Attempt{Code: string(code), Duration: 5 * time.Minute}
		if code == webhook.CodeRedirect {
			result.Attempt.StatusCode = http.StatusFound
		}
		v.see(s, "failure "+string(code), hook+"/deliveries/"+s.delivered(hook, result), nil)
	}
	v.see(s, "failures", hook, nil)
	for _, status := range []int{401, 403, 404, 405, 410, 413, 415, 429, 400, 500, 599} {
		result := failure("no")
		result.Attempt.StatusCode = status
		v.see(s, fmt.Sprint("status ", status), hook+"/deliveries/"+s.delivered(hook, result), nil)
	}
}

func (v *tour) events() {
	s := v.open(nil, nil)
	for i := range 52 {
		s.happens(fmt.Sprintf("evt_%03d", i), map[string]any{"n": i}, "document.created")
		time.Sleep(time.Second)
	}
	page := v.see(s, "events", "/events", nil)
	v.see(s, "older events", "/events"+regexpLink(page, `rel="next"`), nil)
	v.see(s, "events, wrong filter", "/events?since=now&type=%3Cb", nil)
	v.see(s, "events, no id", "/events?id=evt%2F..", nil)
	v.see(s, "event without webhooks", "/events/evt_007", nil)
	v.see(s, "event that is not known", "/events/evt_gone", nil)
	v.see(s, "event of nobody", "/events/evt_007", nil, "As", "merchant_43")
}

// fates looks at an event with a verdict of each kind.
func (v *tour) fates() {
	s := v.open(&webhook.ServiceOptions{Limits: webhook.Limits{Pending: 1}}, nil)
	register := func(path string, rate int, events ...string) string {
		reg, err := s.svc.Register(v.t.Context(), merchant, webhook.Registration{URL: endpoint + path, Events: events, RateLimit: rate})
		require.NoError(v.t, err)
		return reg.Webhook.ID
	}
	register("/gets", 0, "document.created")
	off := register("/off", 0, "*")
	register("/other", 0, "document.deleted")
	changed := register("/changed", 0, "document.deleted")
	disabled := webhook.Disabled
	_, err := s.svc.Update(v.t.Context(), merchant, off, webhook.Update{Status: &disabled})
	require.NoError(v.t, err)
	s.happens("evt_1", map[string]any{}, "document.created")
	s.settle(failure("no"))
	time.Sleep(time.Hour)
	register("/late", 3, "*")
	for i := range store.MaxChanges + 1 {
		_, err = s.svc.Update(v.t.Context(), merchant, changed, webhook.Update{Description: ptr(fmt.Sprint(i))})
		require.NoError(v.t, err)
	}
	v.see(s, "fates", "/events/evt_1", nil)
	s.happens("evt_2", map[string]any{}, "document.deleted")
	s.happens("evt_3", map[string]any{}, "document.deleted")
	v.see(s, "pending by rate", "/events/evt_2", nil)
	v.see(s, "missed", "/events/evt_3", nil)
	retry := failure("")
	retry.Outcome, retry.Delay = store.Retry, time.Minute
	retry.Attempt.StatusCode, retry.Attempt.Code = 0, string(webhook.CodeTimeout)
	s.settle(retry)
	v.see(s, "pending after one try", "/events/evt_2", nil)
	time.Sleep(time.Minute)
	_, err = s.store.Claim(v.t.Context(), store.ClaimRequest{Limit: 10, PerWebhook: 1, Lease: time.Minute})
	require.NoError(v.t, err)
	v.see(s, "being tried", "/events/evt_2", nil)
	time.Sleep(2 * time.Minute)
	s.settle(retry)
	v.see(s, "pending after two tries", "/events/evt_2", nil)
	time.Sleep(time.Minute)
	s.settle(success())
	v.see(s, "delivered", "/events/evt_2", nil)
}

func (v *tour) replays() {
	s := v.open(nil, nil)
	hook := s.hook()
	v.see(s, "nothing to replay", hook+"/replay", nil)
	s.do(hook+"/status", values("status", "disabled"))
	s.happens("evt_1", map[string]any{}, "document.created")
	v.see(s, "one to replay", hook+"/replay", nil)
	s.happens("evt_2", map[string]any{}, "document.created")
	v.see(s, "two to replay", hook+"/replay", nil)
	s.do(hook+"/status", values("status", "active"))
	v.see(s, "replay, wrong", hook+"/replay", values("which", "failed", "since", "yesterday", "until", "now"))
	v.see(s, "replay, the wrong way round", hook+"/replay", values("which", "failed", "since", "2026-01-01T10:00", "until", "2026-01-01T09:00"))
	for i, which := range []string{"missed", "failed", "both"} {
		form := values("which", which)
		if i == 1 {
			form.Set("since", "1999-01-01T10:00")
		}
		at := s.do(hook+"/replay", form).to()
		v.see(s, "replay "+which, at, nil)
		time.Sleep(2 * time.Minute)
		v.see(s, "replay waits "+which, at, nil)
		switch which {
		case "missed":
			harness.FinishReplay(v.t, s.svc, s.store, hookID(hook), path.Base(at))
		case "failed":
			s.do(at+"/stop", values())
		default:
			v.end(s, merchant, path.Base(at), `{"status":"failed","done":{"Events":1234,"Deliveries":1,"LeftOut":1,"Full":2,"Waiting":1000}}`)
		}
		v.see(s, "replay ended "+which, at, nil)
	}
	v.see(s, "replays", hook+"/replay", nil)
	at := s.do(hook+"/replay", values("which", "missed")).to()
	harness.FinishReplay(v.t, s.svc, s.store, hookID(hook), path.Base(at))
	v.see(s, "replay of nothing", at, nil)
}

// end has a job end in a state: the members of the JSON replace its own.
func (v *tour) end(s *site, scope, jobID, state string) {
	v.t.Helper()
	j, err := s.store.Job(v.t.Context(), scope, jobID)
	require.NoError(v.t, err)
	kept := map[string]any{}
	require.NoError(v.t, json.Unmarshal(j.State, &kept))
	require.NoError(v.t, json.Unmarshal([]byte(state), &kept))
	packed, err := json.Marshal(kept)
	require.NoError(v.t, err)
	_, err = s.store.UpdateJob(v.t.Context(), scope, jobID, store.JobUpdate{State: packed, End: true})
	require.NoError(v.t, err)
}

// operates returns a site with pages for operators.
func (v *tour) operates() (*site, *operator.Operator) {
	v.t.Helper()
	s := v.open(nil, nil)
	ops, err := operator.New(s.store, s.svc, nil)
	require.NoError(v.t, err)
	opts := v.opts
	opts.Operator = ops
	v.mount(s, opts)
	return s, ops
}

// under is the path of a merchant's page for an operator.
func (v *tour) under(merchantID, path string) string {
	return "/" + v.segment() + "/" + merchantID + path
}

func (v *tour) operators() {
	s, _ := v.operates()
	all := v.operatorRoot()
	v.see(s, "no merchants", all, nil, "As", "*")
	v.see(s, "no trouble", all+"/webhooks", nil, "As", "*")
	hook := s.hook()
	s.register("merchant_43", "https://sick.example/in")
	dead := failure("no")
	dead.Streak, dead.DisableAfter, dead.DisableReason = store.StreakExtend, 1, string(webhook.ReasonFailures)
	_, err := s.svc.Publish(v.t.Context(), "merchant_43", event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(v.t, err)
	v.see(s, "none is late", all, nil, "As", "*")
	time.Sleep(time.Minute)
	v.see(s, "one is late", all, nil, "As", "* webhooks:read")
	s.settle(dead)
	failing := failure("no")
	failing.Outcome, failing.Delay, failing.Streak = store.Retry, time.Hour, store.StreakTry
	s.delivered(hook, failing)
	v.see(s, "merchants", all, nil, "As", "*")
	v.see(s, "trouble", all+"/webhooks", nil, "As", "*")
	v.see(s, "trouble of a state", all+"/webhooks?state=consecutive_failures", nil, "As", "*")
	v.see(s, "trouble of no host", all+"/webhooks?host=nowhere.example", nil, "As", "*")
	v.see(s, "acting for a merchant", v.under(merchant, "/"), nil, "As", "*")
	v.see(s, "no such merchant", v.under("merchant_44", "/"), nil, "As", "*")
	for i := range 55 {
		s.register(fmt.Sprintf("merchant_1%02d", i), "https://many.example/in")
	}
	page := v.see(s, "many merchants", all, nil, "As", "*")
	v.see(s, "more merchants", all+regexpLink(page, `rel="next"`), nil, "As", "*")
}

func (v *tour) searches() {
	s, _ := v.operates()
	hook := s.hook()
	deliveryID := s.delivered(hook, success())
	for _, asked := range []string{merchant, s.youngest(hook).EventID, deliveryID, hookID(hook), "example.com", "nothing"} {
		v.see(s, "search", v.operatorRoot()+"?q="+asked, nil, "As", "*")
	}
}

func (v *tour) jobs() {
	s, ops := v.operates()
	all := v.operatorRoot()
	s.hook()
	v.see(s, "no jobs", all+"/jobs", nil, "As", "*")
	v.see(s, "new job", all+"/new", nil, "As", "*")
	for i, pairs := range [][]string{
		{"kind", "disable"}, {"kind", "replay", "all", "1", "since", "now"}, {"kind", "disable", "all", "1", "rate", "fast"},
		{"kind", "delete", "all", "1", "note", strings.Repeat("x", 600), "rate", "99999"}, {"kind", "none", "all", "1", "merchants", merchant},
	} {
		v.see(s, fmt.Sprint("new job, wrong ", i), all+"/new", values(append(pairs, "token", "form_1")...), "As", "*")
	}
	begin := func(in operator.Request) string {
		j, err := ops.Begin(webhook.WithActor(v.t.Context(), "ada"), in)
		require.NoError(v.t, err)
		return j.ID
	}
	for i, sel := range []operator.Selection{
		{All: true, Status: webhook.Active}, {Status: webhook.Disabled}, {Health: webhook.ConditionFailing}, {Health: webhook.ConditionDisabled},
		{All: true, Health: webhook.ConditionHealthy}, {Reason: webhook.ReasonFailures}, {Reason: webhook.ReasonGone}, {Reason: webhook.ReasonRequest},
		{Merchants: []string{merchant}}, {Webhooks: []string{"whk_1"}, Host: "example.com"},
	} {
		jobID := begin(operator.Request{Kind: operator.KindDisable, Selection: sel, DryRun: true, Rate: i, Note: "a drill"})
		v.see(s, fmt.Sprint("job about ", i), all+"/jobs/"+jobID, nil, "As", "*")
	}
	for i, kind := range []operator.Kind{operator.KindEnable, operator.KindReplay, operator.KindCancel, operator.KindRewrap, operator.KindDelete} {
		in := operator.Request{Kind: kind, Selection: operator.Selection{Merchants: []string{merchant}}, DryRun: kind != operator.KindReplay}
		if kind == operator.KindReplay {
			in.Since, in.Until = time.Now().Add(-time.Hour), time.Now()
		}
		jobID := begin(in)
		v.see(s, "job "+string(kind), all+"/jobs/"+jobID, nil, "As", "*")
		time.Sleep(2 * time.Minute)
		v.see(s, "job waits "+string(kind), all+"/jobs/"+jobID, nil, "As", "*")
		v.end(s, "~operator", jobID, fmt.Sprintf(`{"Status":%q,"Counts":{"Merchants":%[2]d,"Webhooks":%[2]d,"Changed":%[2]d,"Deliveries":%[2]d,"Failed":%[2]d}}`, []string{"done", "failed", "stopped", "done", "done"}[i], []int{1, 2, 3, 0, 1000}[i]))
		v.see(s, "job ended "+string(kind), all+"/jobs/"+jobID, nil, "As", "*")
	}
	jobID := begin(operator.Request{Kind: operator.KindEnable, Selection: operator.Selection{All: true}, DryRun: true})
	v.end(s, "~operator", jobID, `{"Status":"done","Counts":{"Webhooks":1}}`)
	v.see(s, "job that changes nothing", all+"/jobs/"+jobID, nil, "As", "*")
	unknown := begin(operator.Request{Kind: operator.KindEnable, Selection: operator.Selection{All: true}, DryRun: true})
	v.end(s, "~operator", unknown, `{"Status":"done","Request":{"Kind":"other","Selection":{"All":false}}}`)
	v.see(s, "job of other times", all+"/jobs/"+unknown, nil, "As", "*")
	v.see(s, "jobs", all+"/jobs", nil, "As", "*")
}

func (v *tour) damages() {
	var st *spoiling
	s := v.open(nil, func(mem *memstore.Store) webhook.ServiceStore {
		st = &spoiling{harness.Spoiled{Store: mem}}
		return st
	})
	one, two := s.hook(), s.hook()
	delivery := one + "/deliveries/" + s.delivered(one, store.Result{Outcome: store.Succeeded})
	st.WebhookID = hookID(two)
	s.happens("evt_1", map[string]any{}, "document.created")
	v.see(s, "damaged webhook", "/", nil)
	v.see(s, "page of a damaged webhook", two, nil)
	v.see(s, "damaged deliveries", one+"/deliveries", nil)
	v.see(s, "damaged delivery", delivery, nil)
	v.see(s, "damaged event", "/events/evt_1", nil)
	v.see(s, "delete a damaged webhook", two+"/delete", nil)
}

func (v *tour) lost() {
	s := v.open(nil, func(mem *memstore.Store) webhook.ServiceStore {
		before, err := webhook.NewService(mem, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{{ID: "gone", Key: [32]byte{9}}}})
		require.NoError(v.t, err)
		for _, scheme := range []webhook.Scheme{webhook.SchemeSecret, webhook.SchemeAsymmetric} {
			_, err = before.Register(v.t.Context(), merchant, webhook.Registration{
				URL: endpoint, Events: []string{"document.created"}, Headers: map[string]string{"X-Tenant": "a"}, Signature: scheme,
			})
			require.NoError(v.t, err)
		}
		return mem
	})
	for _, w := range s.all() {
		v.see(s, "lost, key "+fmt.Sprint(w.PublicKey != ""), "/webhooks/"+w.ID, nil)
	}
}

// refusals looks at what is answered in place of a page.
func (v *tour) refusals() {
	s := v.open(nil, nil)
	hook := s.hook()
	off := values("status", "disabled")
	v.see(s, "not logged in", "/", nil, "As", "")
	v.see(s, "login away", "/", nil, "As", "down")
	v.see(s, "login panics", "/", nil, "As", "panic")
	v.see(s, "no rights", "/", nil, "As", merchant+" ")
	v.see(s, "no such page", "/nothing", nil)
	v.see(s, "not this way", hook+"/test", nil)
	v.see(s, "foreign", v.under("merchant_43", "/"), nil)
	v.see(s, "foreign form", hook+"/status", off, "Sec-Fetch-Site", "cross-site")
	v.see(s, "no form", hook+"/status", off, "Content-Type", "application/json")
	v.see(s, "half a form", hook+"/status", values("status", "gone"))
	v.see(s, "large form", hook+"/status", values("status", strings.Repeat("a", 200<<10)))
	v.see(s, "an encoding that is none", hook+"/encoding", values("encoding", "utf-16"))
	v.see(s, "a part", hook+"/encoding", values("encoding", "utf-16"), "HX-Request", "true")
	opts := v.opts
	opts.Login = http.NotFoundHandler()
	opts.RateLimit = func(_ context.Context, r webhook.RateLimitRequest) (time.Duration, error) {
		return map[string]time.Duration{"GET catalog": time.Second, "GET events": 90 * time.Second}[r.Route], nil
	}
	v.mount(s, opts)
	v.see(s, "session ended", hook+"/status", off, "As", "")
	v.see(s, "wait a second", "/catalog", nil)
	v.see(s, "wait longer", "/events", nil)
	for _, err := range []error{store.ErrUnavailable, errors.New("no")} {
		s := v.open(nil, func(mem *memstore.Store) webhook.ServiceStore { return failing{mem, err} })
		v.see(s, "store: "+err.Error(), "/webhooks/whk_1", nil)
	}
}

// conflicts looks at what cannot be done at the moment.
func (v *tour) conflicts() {
	s := v.open(&webhook.ServiceOptions{Limits: webhook.Limits{Webhooks: 1, Pending: 1}}, nil)
	hook := s.hook()
	v.see(s, "no more webhooks", "/new", filled(s))
	at := hook + "/deliveries/" + s.delivered(hook, failure("no"))
	s.happens("evt_1", map[string]any{}, "document.created")
	v.see(s, "too many are pending", at+"/redeliver", values("token", "form_1"))
	s.settle(failure("no"))
	for i := range 20 {
		to := s.do(at+"/redeliver", values("token", fmt.Sprint("form_2", i))).to()
		require.Contains(v.t, to, "redelivered")
		s.settle(failure("no"))
		time.Sleep(time.Minute)
	}
	v.see(s, "sent again too often", at+"/redeliver", values("token", "form_3"))
}
