package portal_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// newOperatorSite is a site whose operators have pages of their own.
func newOperatorSite(t *testing.T) (*site, *operator.Operator) {
	t.Helper()
	s := newSite(t, nil)
	ops, err := operator.New(s.store, s.svc, nil)
	require.NoError(t, err)
	pages, err := portal.New(s.svc, login, &portal.Options{Operator: ops})
	require.NoError(t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle(mount+"/", http.StripPrefix(mount, pages))
	return s, ops
}

// register adds a webhook of another merchant and returns its path.
func (s *site) register(merchantID, url string) string {
	s.t.Helper()
	reg, err := s.svc.Register(s.t.Context(), merchantID, webhook.Registration{URL: url, Events: []string{"*"}})
	require.NoError(s.t, err)
	return "/webhooks/" + reg.Webhook.ID
}

// A page for operators takes no place of the merchant that the host names, or gives it back.
func TestOperatorPagesLeaveReadersAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	ops, err := operator.New(s.store, s.svc, nil)
	require.NoError(t, err)
	pages, err := portal.New(s.svc, login, &portal.Options{Operator: ops, Merchant: func(*http.Request) string { return merchant }})
	require.NoError(t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle(mount+"/", http.StripPrefix(mount, pages))
	for range 40 {
		s.do("/operator", nil, "As", "*").is(http.StatusOK)
	}
	s.do(hook, nil).is(http.StatusOK)
}

var operatorPages = []string{"/operator", "/operator?q=x", "/operator/webhooks", "/operator/jobs", "/operator/new"}

func TestOperatorPages(t *testing.T) {
	t.Parallel()
	s, _ := newOperatorSite(t)
	s.do("/operator", nil, "As", "*").is(http.StatusOK).says("Nobody has a webhook yet")
	hook := s.hook()
	theirs := s.register("merchant_43", "https://sick.example/in")
	dead := failure("no")
	dead.Streak, dead.DisableAfter, dead.DisableReason = store.StreakExtend, 1, string(webhook.ReasonFailures)
	_, err := s.svc.Publish(t.Context(), "merchant_43", event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(t, err)
	s.settle(dead)
	failing := failure("no")
	failing.Outcome, failing.Delay, failing.Streak = store.Retry, time.Hour, store.StreakTry
	deliveryID := s.delivered(hook, failing)

	require.Equal(t, "/operator", s.do("/", nil, "As", "*").to())
	s.do("/operator", nil, "As", "*").is(http.StatusOK).says("Operator all merchants", "merchant_42 1 1 0 1", "merchant_43 1 0 1 0")
	trouble := s.do("/operator/webhooks", nil, "As", "*").is(http.StatusOK).says("Failing most "+"Endpoint", "Failing "+endpoint, "Disabled by failures https://sick.example/in merchant_43")
	s.do(trouble.link("https://sick.example/in"), nil, "As", "*").is(http.StatusOK).says("Operator acting for merchant merchant_43 Change", "Enable")
	one := s.do("/operator/webhooks?state=consecutive_failures", nil, "As", "*").says("https://sick.example/in")
	require.NotContains(t, one.text, endpoint)
	s.do("/operator/webhooks?host=nowhere.example", nil, "As", "*").says("There is none.")

	eventID := s.youngest(hook).EventID
	for asked, want := range map[string]string{
		"merchant_43": "Merchant merchant_43", eventID: "Event " + eventID, deliveryID: "Delivery " + deliveryID,
		hookID(theirs): "Webhook https://sick.example/in", "sick.example": "Webhook https://sick.example/in",
	} {
		p := s.do("/operator?q="+asked, nil, "As", "*").is(http.StatusOK).says(want)
		name := want[strings.Index(want, " ")+1:]
		s.do(p.link(name), nil, "As", "*").is(http.StatusOK)
	}
	require.Greater(t, s.crawl("*", "/"), 20, "every link leads somewhere")
	s.do("/operator?q=evt_none", nil, "As", "*").is(http.StatusOK).says("There is none")
	s.do("/merchants/merchant_44/", nil, "As", "*").is(http.StatusOK).says("There is no such merchant", "no webhook, and no event")
}

// To everybody else, the pages about all merchants are not there.
func TestOperatorPagesAreForOperators(t *testing.T) {
	t.Parallel()
	s, ops := newOperatorSite(t)
	s.hook()
	j, err := ops.Begin(t.Context(), operator.Request{Kind: operator.KindDisable, Selection: operator.Selection{All: true}, DryRun: true})
	require.NoError(t, err)
	job := "/operator/jobs/" + j.ID
	forms := map[string][]string{
		"/operator/new": {"kind", "disable", "all", "1", "token", "form_1"}, job + "/begin": {"token", "form_2"}, job + "/stop": {"a", "b"},
	}
	for _, path := range append(operatorPages, job) {
		s.do(path, nil).is(http.StatusNotFound)
		s.do("/merchants/"+merchant+path, nil).is(http.StatusNotFound)
		s.do("/merchants/"+merchant+path, nil, "As", "*").is(http.StatusNotFound)
		s.do(path, nil, "As", "").is(http.StatusUnauthorized)
		p := s.do(path, nil, "As", "* webhooks:read")
		if path == "/operator/new" {
			p.is(http.StatusForbidden)
			continue
		}
		p.is(http.StatusOK).says("Read only")
		require.NotContains(t, p.body, `method="post"`, path)
		require.NotContains(t, p.body, "/operator/new", path)
	}
	for path, pairs := range forms {
		s.do(path, values(pairs...)).is(http.StatusNotFound)
		s.do(path, values(pairs...), "As", "* webhooks:read").is(http.StatusForbidden)
		s.do(path, values(pairs...), "As", "*", "Sec-Fetch-Site", "cross-site").is(http.StatusForbidden).says("Form refused")
	}
	page, err := ops.List(t.Context(), operator.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Jobs, 1)
	require.Equal(t, operator.JobRunning, page.Jobs[0].Status)

	none := newSite(t, nil) // without Options.Operator
	for _, path := range operatorPages {
		none.do(path, nil, "As", "*").is(http.StatusNotFound)
	}
}

// A job is counted first, and begins from its dry run, once.
func TestOperatorJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, ops := newOperatorSite(t)
		hook := s.hook()
		s.register("merchant_43", "https://other.example/in")
		dispatch := func() {
			disp, err := webhook.NewDispatcher(s.store, &webhook.DispatcherOptions{Jobs: ops.Jobs()})
			require.NoError(t, err)
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			require.NoError(t, disp.Run(ctx))
		}
		s.do("/operator/jobs", nil, "As", "*").says("No jobs")
		form := s.do("/operator/new", nil, "As", "*").is(http.StatusOK)
		for want, pairs := range map[string][]string{
			"Say which webhooks the job is about.": {"kind", "disable"},
			"Write a date and a time":              {"kind", "replay", "all", "1", "since", "now"},
			"The rate has to be a whole number.":   {"kind", "disable", "all", "1", "rate", "fast"},
			"must be merchants and nothing else":   {"kind", "delete", "all", "1"},
		} {
			s.do("/operator/new", values(append(pairs, "token", form.field("token"))...), "As", "*").is(http.StatusUnprocessableEntity).says("Nothing was begun", want)
		}
		sent := values("kind", "disable", "merchants", merchant, "note", "a drill", "token", form.field("token"))
		dry := s.do("/operator/new", sent, "As", "*").to()
		require.Equal(t, dry+"?done=again", s.do("/operator/new", sent, "As", "*").to())
		s.do(dry, nil, "As", "*").is(http.StatusOK).says("Disable: dry run", "Running", "Merchants: merchant_42", "a drill", "Stop")
		s.do(dry+"/begin", values("token", "form_1"), "As", "*").is(http.StatusBadRequest)
		dispatch()
		counted := s.do(dry, nil, "As", "*").says("Counted. Nothing was changed. The job would change 1 webhook.", "Disable now")
		require.Equal(t, webhook.Active, s.webhook(hook).Status)

		require.NotContains(t, counted.body, `name="token"`, "what is sent is the same from each tab")
		begun := s.do(dry+"/begin", values(), "As", "*").to()
		require.Equal(t, begun+"?done=again", s.do(dry+"/begin", values("token", "form_2"), "As", "*").to())
		time.Sleep(48 * time.Hour)
		require.NotContains(t, s.do(dry, nil, "As", "*").is(http.StatusOK).body, "/begin", "the key is forgotten")
		s.do(dry+"/begin", values(), "As", "*").is(http.StatusBadRequest)
		dispatch()
		s.do(begun, nil, "As", "*").says("Disable", "Done", "Changed 1", "Looked at 1 webhook of 1 merchant")
		require.Equal(t, webhook.Disabled, s.webhook(hook).Status)
		s.do(begun+"/begin", values("token", "form_2"), "As", "*").is(http.StatusBadRequest)

		sent.Set("token", "form_3")
		stopped := s.do("/operator/new", sent, "As", "*").to()
		require.Equal(t, stopped, s.do(stopped+"/stop", values("a", "b"), "As", "*").to())
		s.do(stopped, nil, "As", "*").says("Stopped")
		require.Equal(t, 3, strings.Count(s.do("/operator/jobs", nil, "As", "*").body, `<th scope="row">`))
	})
}

// A job that can begin says which webhooks it is about, whoever has counted it.
func TestWhichWebhooksAJobIsAbout(t *testing.T) {
	t.Parallel()
	s, ops := newOperatorSite(t)
	count := func(sel operator.Selection, state func([]byte) []byte) string {
		j, err := ops.Begin(t.Context(), operator.Request{Kind: operator.KindDisable, Selection: sel, DryRun: true})
		require.NoError(t, err)
		kept, err := s.store.Job(t.Context(), "~operator", j.ID)
		require.NoError(t, err)
		u, err := ops.Jobs()[kept.Kind](t.Context(), kept)
		require.NoError(t, err)
		for !u.End {
			kept.State = u.State
			u, err = ops.Jobs()[kept.Kind](t.Context(), kept)
			require.NoError(t, err)
		}
		if state != nil {
			u.State = state(u.State)
		}
		_, err = s.store.UpdateJob(t.Context(), "~operator", j.ID, u)
		require.NoError(t, err)
		return "/operator/jobs/" + j.ID
	}
	s.hook()
	for name, c := range map[string]struct {
		selection operator.Selection
		want      string
	}{
		"a status":         {operator.Selection{Status: webhook.Disabled}, "Which Status: disabled"},
		"all of a status":  {operator.Selection{All: true, Status: webhook.Active}, "Which All webhooks of all merchants Status: active"},
		"health":           {operator.Selection{Health: webhook.ConditionFailing}, "Which Failing ones"},
		"all, with health": {operator.Selection{All: true, Health: webhook.ConditionHealthy}, "Which All webhooks of all merchants Healthy ones"},
		"a reason":         {operator.Selection{Reason: webhook.ReasonGone}, "Which Disabled by 410 Gone"},
		"ids and a host":   {operator.Selection{Webhooks: []string{"whk_1"}, Host: "example.com"}, "Which Webhooks: whk_1 Host: example.com"},
	} {
		job := count(c.selection, nil)
		s.do(job, nil, "As", "*").is(http.StatusOK).says(c.want)
		require.NotEmpty(t, s.do(job+"/begin", values(), "As", "*").to(), name)
	}
	unknown := count(operator.Selection{All: true}, func(state []byte) []byte { return bytes.Replace(state, []byte(`"All":true`), []byte(`"All":false`), 1) })
	p := s.do(unknown, nil, "As", "*").is(http.StatusOK).says("Not known any more")
	require.NotContains(t, p.body, "/begin")
	s.do(unknown+"/begin", values(), "As", "*").is(http.StatusBadRequest)
}
