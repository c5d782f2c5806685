package portal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

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
	register := func(at string, rate int, events ...string) string {
		reg, err := s.svc.Register(v.t.Context(), merchant, webhook.Registration{URL: endpoint + at, Events: events, RateLimit: rate})
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
		_, err = s.svc.Update(v.t.Context(), merchant, changed, webhook.Update{Description: new(fmt.Sprint(i))})
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
