package api_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// newOperator returns one over a store of its own.
func newOperator(t *testing.T) *operator.Operator {
	t.Helper()
	svc, st := harness.NewService(t, nil)
	ops, err := operator.New(st, svc, nil)
	require.NoError(t, err)
	return ops
}

// desk is a site whose requests are an operator's, over a store whose clock stands still.
type desk struct {
	*site

	st  *memstore.Store
	ops *operator.Operator
	now time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{now: noon()}
	d.st = memstore.New(&memstore.Options{Now: func() time.Time { return d.now }})
	d.site = newSite(t, d.st, nil)
	var err error
	d.ops, err = operator.New(d.st, d.svc, nil)
	require.NoError(t, err)
	d.site = d.as(webhook.Principal{AnyMerchant: true, Subject: "ann"}, d.options())
	return d
}

func (d *desk) options() *api.Options { return &api.Options{EnablePublish: true, Operator: d.ops} }

const (
	desks     = "/api/operator"
	goodJob   = `{"kind":"disable","selection":{"all":true},"rate":5,"note":"INC-1"}`
	noJob     = "opj_unknown"
	jobHolder = "{jobId}"
)

// operations lists the table of operators.
func (d *desk) operations() []operation {
	var out []operation
	for _, r := range d.api.OperatorRoutes() {
		body := map[string]string{"POST /operator/jobs": goodJob}[r.Method+" "+r.Path]
		out = append(out, operation{r.Method, r.Path, body})
	}
	return out
}

// of is the path of an operator's operation.
func (o operation) of(jobID string) string {
	path := "/api" + strings.Replace(o.path, jobHolder, jobID, 1)
	if o.path == "/operator/search" {
		path += "?q=example.com"
	}
	return path
}

// job begins one.
func (d *desk) job() operator.Job {
	d.t.Helper()
	j, err := d.ops.Begin(d.t.Context(), operator.Request{Kind: operator.KindDisable, Selection: operator.Selection{All: true}})
	require.NoError(d.t, err)
	return j
}

// Nobody but an operator may, whatever is asked for, and before anything is looked at.
func TestOperatorsAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.hook(harness.Merchant)
	id := d.job().ID
	before := harness.Dump(d.st)
	require.Len(t, d.operations(), 16)
	for name, who := range map[string]webhook.Principal{
		"a merchant":           {MerchantID: harness.Merchant},
		"nobody":               {},
		"operators' own id":    {MerchantID: "~operator"},
		"a merchant's reader":  {MerchantID: harness.Merchant, Scopes: []string{webhook.ScopeRead}},
		"without a scope":      {MerchantID: harness.Merchant, Scopes: []string{}},
		"the name of the path": {MerchantID: "operator"},
	} {
		s := d.as(who, d.options())
		for _, o := range d.operations() {
			for _, job := range []string{id, noJob} {
				r := s.request(o.method, o.of(job), "")
				r.Body = unread{t}
				a := serve(t, s.api, r).is(http.StatusForbidden)
				if o.method != http.MethodHead {
					require.Equal(t, "forbidden", a.refusal().Code, "%s: %s", name, o)
				}
			}
		}
	}
	require.Equal(t, before, harness.Dump(d.st))
	for _, o := range d.operations() {
		a := d.do(o.method, o.of(id), o.body)
		require.Equal(t, 2, a.status/100, "%s: %s", o, a.body)
		newSite(t, nil, nil).as(webhook.Principal{AnyMerchant: true}, nil).do(o.method, o.of(id), o.body).is(http.StatusNotFound)
	}
}

// Whatever an operator asks for, some answers are the same.
func TestAnswersThatOperatorsShare(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, c := range map[string]struct {
		who   webhook.Principal
		login error
		limit func(context.Context, webhook.RateLimitRequest) (time.Duration, error)
		want  int
	}{
		"a login that is away":    {login: webhook.ErrUnavailable, want: http.StatusServiceUnavailable},
		"a login that refuses":    {login: errors.New("no"), want: http.StatusUnauthorized},
		"a token without scopes":  {who: webhook.Principal{AnyMerchant: true, Scopes: []string{}}, want: http.StatusForbidden},
		"too many requests":       {limit: func(context.Context, webhook.RateLimitRequest) (time.Duration, error) { return time.Minute, nil }, want: http.StatusTooManyRequests},
		"what cannot be read":     {limit: func(context.Context, webhook.RateLimitRequest) (time.Duration, error) { return 0, webhook.ErrDamaged }, want: http.StatusInternalServerError},
		"something that is wrong": {limit: func(context.Context, webhook.RateLimitRequest) (time.Duration, error) { panic("no") }, want: http.StatusInternalServerError},
	} {
		who := c.who
		if who.Scopes == nil {
			who.AnyMerchant = true
		}
		o := d.options()
		o.RateLimit = c.limit
		h, err := api.New(d.svc, func(*http.Request) (webhook.Principal, error) { return who, c.login }, o)
		require.NoError(t, err)
		for _, o := range d.operations() {
			r := httptest.NewRequestWithContext(t.Context(), o.method, o.of(noJob), strings.NewReader(o.body))
			r.Header.Set("Content-Type", "application/json")
			require.Equal(t, c.want, serve(t, h, r).status, "%s: %s", name, o)
		}
	}
	for _, o := range d.operations() {
		if o.method != http.MethodHead {
			d.do(o.method, o.of(noJob)+map[bool]string{true: "&", false: "?"}[strings.Contains(o.of(noJob), "?")]+"x=1", o.body).is(http.StatusBadRequest)
			a := d.do(http.MethodPatch, o.of(noJob), "").is(http.StatusMethodNotAllowed)
			require.Contains(t, a.header.Get("Allow"), o.method)
		}
		if o.names(jobHolder) {
			d.do(o.method, o.of(noJob), "").is(http.StatusNotFound)
		}
		if o.sends() {
			d.do(o.method, o.of(noJob), `{"x":1`+strings.Repeat(" ", 64<<10)+`}`).is(http.StatusRequestEntityTooLarge)
			d.do(o.method, o.of(noJob), "{}", "Content-Type", "text/plain").is(http.StatusUnsupportedMediaType)
			require.Contains(t, d.do(o.method, o.of(noJob), `{"x":1}`).faults(), "x")
		}
	}
}

func TestScopesOfOperators(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for scope, reads := range map[string]bool{webhook.ScopeRead: true, webhook.ScopeWrite: false} {
		s := d.as(webhook.Principal{AnyMerchant: true, Scopes: []string{scope}}, d.options())
		for _, o := range d.operations() {
			a := s.do(o.method, o.of(noJob), o.body)
			require.Equal(t, reads == o.sends(), a.status == http.StatusForbidden, "%s of %s", o, scope)
		}
	}
}

// A job is begun once for a key, and answered again as it is by then.
func TestKeysOfOperators(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.do(http.MethodPost, desks+"/jobs", goodJob, "Idempotency-Key", "k1").is(http.StatusAccepted).object()
	stop := desks + "/jobs/" + fmt.Sprint(first["id"]) + "/stop"
	d.do(http.MethodPost, stop, "", "Idempotency-Key", "k2").is(http.StatusOK)
	again := d.do(http.MethodPost, desks+"/jobs", goodJob, "Idempotency-Key", "k1").is(http.StatusAccepted)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, first["id"], again.object()["id"])
	require.Equal(t, "stopped", again.object()["status"])
	require.Len(t, d.do(http.MethodGet, desks+"/jobs", "").object()["jobs"], 1)
	begun, end := make(chan struct{}), make(chan struct{})
	var work sync.WaitGroup
	defer work.Wait()
	defer close(end)
	work.Go(func() {
		_, _, _ = d.ops.Once(t.Context(), "api|in-work", nil, func(context.Context) (string, error) {
			close(begun)
			<-end
			return "", nil
		})
	})
	<-begun
	for _, o := range d.operations() {
		if !o.sends() {
			continue
		}
		a := d.do(o.method, o.of(noJob), strings.Replace(o.body, "INC-1", "INC-2", 1), "Idempotency-Key", "k1").is(http.StatusConflict)
		require.Equal(t, "idempotency_conflict", a.refusal().Code)
		a = d.do(o.method, o.of(noJob), o.body, "Idempotency-Key", "in-work").is(http.StatusConflict)
		require.Equal(t, "idempotency_in_progress", a.refusal().Code)
	}
	d.now = d.now.Add(time.Hour)
	_, err := d.st.Prune(t.Context(), store.PruneRequest{
		Limit: 100, JobAge: time.Minute, DeliveryAge: 1e18, EventAge: 1e18, NoticeAge: 1e18, PausedAge: 1e18, DeliveriesPerWebhook: 100,
	})
	require.NoError(t, err)
	d.do(http.MethodPost, desks+"/jobs", goodJob, "Idempotency-Key", "k1").is(http.StatusGone)
	d.do(http.MethodPost, stop, "", "Idempotency-Key", "k2").is(http.StatusGone)
}

func TestOperatorsSee(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	theirs := d.hook(harness.Victim)
	mine := d.hook(harness.Merchant)
	published := d.published(harness.Merchant)
	d.settle(store.Result{Outcome: store.Failed, Streak: store.StreakExtend})
	disabled := webhook.Disabled
	_, err := d.svc.Update(t.Context(), harness.Victim, theirs, webhook.Update{Status: &disabled})
	require.NoError(t, err)

	require.Equal(t, map[string]any{"merchants": []any{
		map[string]any{"merchantId": harness.Merchant, "webhooks": 1.0, "active": 1.0, "disabled": 0.0, "failing": 1.0, "pending": 0.0},
		map[string]any{"merchantId": harness.Victim, "webhooks": 1.0, "active": 0.0, "disabled": 1.0, "failing": 0.0, "pending": 0.0},
	}}, d.do(http.MethodGet, desks+"/merchants", "").is(http.StatusOK).object())
	require.Equal(t, map[string]any{"pending": 0.0, "oldestDueSeconds": 0.0, "damaged": 0.0}, d.do(http.MethodGet, desks+"/backlog", "").is(http.StatusOK).object())
	require.NotEmpty(t, d.do(http.MethodGet, desks+"/merchants?limit=1", "").is(http.StatusOK).object()["next"])

	ids := func(path, member string) []string {
		t.Helper()
		var page struct{ Webhooks, Found []map[string]any }
		d.do(http.MethodGet, desks+path, "").is(http.StatusOK).data(&page)
		var out []string
		for _, w := range append(page.Webhooks, page.Found...) {
			out = append(out, fmt.Sprint(w[member]))
		}
		return out
	}
	for filter, want := range map[string][]string{
		"": {mine, theirs}, "status=disabled": {theirs}, "health=failing": {mine}, "reason=requested": {theirs},
		"host=example.com": {mine, theirs}, "host=example.org": nil, "failingBefore=2035-01-01T00:00:00Z": {mine},
	} {
		require.Equal(t, want, ids("/webhooks?"+filter, "webhookId"), filter)
	}
	require.Equal(t, []string{"status", "health", "reason", "host"},
		d.do(http.MethodGet, desks+"/webhooks?status=x&health=x&reason=x&host=%20", "").faults())
	require.Equal(t, []string{"health"}, d.do(http.MethodGet, desks+"/webhooks?health=healthy", "").faults())
	require.Equal(t, []string{"1"}, ids("/failing", "failed"))
	require.Equal(t, []string{"event"}, ids("/search?q="+published.EventID, "kind"))
	elsewhere := "/merchants/" + harness.Victim + "/events/" + published.EventID
	require.Contains(t, d.do(http.MethodGet, strings.TrimSuffix(desks, "/operator")+elsewhere, "").is(http.StatusNotFound).body, "Merchant "+harness.Merchant+" has one.")
	require.Equal(t, []string{harness.Merchant}, ids("/search?q="+published.Deliveries[0].ID, "merchantId"))
	require.Equal(t, []string{"https://example.com/"}, ids("/search?q="+theirs, "url"))
}

func TestOperatorsAct(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mine := d.hook(harness.Merchant)
	begun := d.do(http.MethodPost, desks+"/jobs", goodJob).is(http.StatusAccepted).object()
	id := fmt.Sprint(begun["id"])
	require.Equal(t, map[string]any{
		"id": id, "kind": "disable", "status": "running", "by": "ann", "note": "INC-1", "selection": map[string]any{"all": true}, "rate": 5.0,
		"createdAt": "2025-11-04T12:00:00Z", "merchants": 0.0, "webhooks": 0.0, "changed": 0.0, "deliveries": 0.0, "skipped": 0.0, "failed": 0.0,
	}, begun)
	jobs, err := d.st.ClaimJobs(t.Context(), slices.Collect(maps.Keys(d.ops.Jobs())), 1, time.Minute)
	require.NoError(t, err)
	for range 3 {
		jobs[0], err = d.st.Job(t.Context(), jobs[0].MerchantID, id)
		require.NoError(t, err)
		u, err := d.ops.Jobs()[jobs[0].Kind](t.Context(), jobs[0])
		require.NoError(t, err)
		_, err = d.st.UpdateJob(t.Context(), jobs[0].MerchantID, id, u)
		require.NoError(t, err)
	}
	done := d.do(http.MethodGet, desks+"/jobs/"+id, "").is(http.StatusOK).object()
	require.Equal(t, "done", done["status"])
	require.EqualValues(t, 1, done["changed"])
	require.Equal(t, done, d.do(http.MethodPost, desks+"/jobs/"+id+"/stop", "{}").is(http.StatusOK).object(), "it is over")
	w, err := d.svc.Webhook(t.Context(), harness.Merchant, mine)
	require.NoError(t, err)
	require.Equal(t, webhook.Disabled, w.Status)
	require.Equal(t, "ann", w.UpdatedBy)
	for body, want := range map[string][]string{
		`{}`:                               {"kind", "selection"},
		`{"kind":"enable","selection":[]}`: {"selection"},
		`{"kind":"enable","selection":{}}`: {"selection"},
		`{"kind":"enable","selection":{"host":""}}`:                                                                {"selection", "selection.host"},
		`{"kind":"enable","selection":{"al":true}}`:                                                                {"selection", "selection.al"},
		`{"kind":"enable","selection":{"all":1,"merchants":["a",1]}}`:                                              {"selection.merchants[1]", "selection.all"},
		`{"kind":"x","selection":{"all":true},"rate":0,"since":"now"}`:                                             {"since", "kind", "rate"},
		`{"kind":"delete","selection":{"merchants":["a"],"all":true}}`:                                             {"selection"},
		`{"kind":"replay","selection":{"status":"x"},"dryRun":1}`:                                                  {"dryRun", "selection.status"},
		`{"kind":"enable","selection":{"all":true,"all":true}}`:                                                    {"selection.all"},
		`{"kind":"replay","selection":{"all":true},"until":"0001-01-01T00:00:01Z","since":"2025-01-01T00:00:00Z"}`: {"until"},
	} {
		require.ElementsMatch(t, want, d.do(http.MethodPost, desks+"/jobs", body).faults(), body)
	}
}

// The routes are found under any prefix, and below a merchant's path there are none.
func TestWhereOperatorsRoutesAre(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for path, want := range map[string]int{
		"/operator/jobs": http.StatusOK, "/v1/hooks/operator/jobs": http.StatusOK, "/operator/api/operator/jobs": http.StatusOK,
		"/operator/jobs/": http.StatusNotFound, "/operator": http.StatusNotFound, "/operator//jobs": http.StatusNotFound,
		"/operator/jobs/operator/stop/x":                        http.StatusNotFound,
		"/merchants/" + harness.Merchant + "/operator/jobs":     http.StatusNotFound,
		"/merchants/operator/webhooks":                          http.StatusOK,
		"/operator/merchants/" + harness.Merchant + "/webhooks": http.StatusOK, // mounted there
	} {
		w := httptest.NewRecorder() // The document cannot tell these paths from each other.
		d.api.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		require.Equal(t, want, w.Code, path)
	}
	o := d.options()
	o.Prefix = "/v1"
	s := d.as(webhook.Principal{AnyMerchant: true}, o)
	for path, want := range map[string]int{"/v1/operator/jobs": http.StatusOK, "/operator/jobs": http.StatusNotFound, "/v1/x/operator/jobs": http.StatusNotFound} {
		require.Equal(t, want, serve(t, s.api, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)).status, path)
	}
}
