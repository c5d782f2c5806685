package portal_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

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
func (v *tour) under(merchantID, at string) string {
	return "/" + v.opts.Words.Segment() + "/" + merchantID + at
}

func (v *tour) operators() {
	s, _ := v.operates()
	all := "/operator"
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
		v.see(s, "search", "/operator"+"?q="+asked, nil, "As", "*")
	}
}

func (v *tour) jobs() {
	s, ops := v.operates()
	all := "/operator"
	s.hook()
	v.see(s, "no jobs", all+"/jobs", nil, "As", "*")
	v.see(s, "new job", all+"/new", nil, "As", "*")
	for i, pairs := range [][]string{
		{"kind", "disable"},
		{"kind", "replay", "all", "1", "since", "now"},
		{"kind", "disable", "all", "1", "rate", "fast"},
		{"kind", "delete", "all", "1", "note", strings.Repeat("x", 600), "rate", "99999"},
		{"kind", "none", "all", "1", "merchants", merchant},
	} {
		v.see(s, fmt.Sprint("new job, wrong ", i), all+"/new", values(append(pairs, "token", "form_1")...), "As", "*")
	}
	begin := func(in operator.Request) string {
		j, err := ops.Begin(webhook.WithActor(v.t.Context(), "ada"), in)
		require.NoError(v.t, err)
		return j.ID
	}
	for i, sel := range []operator.Selection{
		{All: true, Status: webhook.Active},
		{Status: webhook.Disabled},
		{Health: webhook.ConditionFailing},
		{Health: webhook.ConditionDisabled},
		{All: true, Health: webhook.ConditionHealthy},
		{Reason: webhook.ReasonFailures},
		{Reason: webhook.ReasonGone},
		{Reason: webhook.ReasonRequest},
		{Merchants: []string{merchant}},
		{Webhooks: []string{"whk_1"}, Host: "example.com"},
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
