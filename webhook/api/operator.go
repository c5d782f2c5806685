package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// The routes of an operator, who acts for all merchants. They are there if
// [Options].Operator is.
const (
	operatorSegment = "operator/"
	// failingPage is how many webhooks the list of what fails has unless the caller says.
	failingPage = 20
)

// operatorTable returns the routes of an operator. Their paths begin with operatorSegment.
func (h *Handler) operatorTable() []route {
	type methods = map[string]endpoint
	if h.opts.Operator == nil {
		return nil
	}
	var routes []route
	add := func(path string, m methods) {
		routes = append(routes, route{path: strings.Split(operatorSegment+path, "/"), methods: m})
	}
	add("backlog", methods{http.MethodGet: plain(h.backlog)})
	add(h.opts.Words.Segment(), methods{http.MethodGet: h.merchants})
	add("webhooks", methods{http.MethodGet: h.troubled})
	add("failing", methods{http.MethodGet: h.failing})
	add("search", methods{http.MethodGet: h.search})
	add("jobs", methods{http.MethodGet: h.jobs, http.MethodPost: plain(h.beginJob)})
	add("jobs/"+webui.JobParameter, methods{http.MethodGet: plain(h.job)})
	add("jobs/"+webui.JobParameter+"/stop", methods{http.MethodPost: plain(h.stopJob)})
	return routes
}

// page takes the part of a list out of a query.
func (q *query) page() operator.Page {
	p := operator.Page{Limit: q.whole("limit", defaultPage, 1, webhook.MaxPage)}
	p.Cursor, _ = q.one("cursor")
	return p
}

func (h *Handler) backlog(x *exchange) (answer, error) {
	b, err := h.opts.Operator.Backlog(x.R.Context())
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, data: backlogView{Pending: b.Pending, OldestDueSeconds: b.OldestDue.Seconds(), Damaged: b.Damaged}}, nil
}

type backlogView struct {
	Pending          int64   `json:"pending"`
	OldestDueSeconds float64 `json:"oldestDueSeconds"`
	Damaged          int64   `json:"damaged"`
}

func (h *Handler) merchants(x *exchange) (answer, error) {
	q := x.query()
	in := q.page()
	if err := invalidIf(q.done()); err != nil {
		return answer{}, err
	}
	page, err := h.opts.Operator.Merchants(x.R.Context(), in)
	if err != nil {
		return answer{}, err
	}
	v := merchantsView{Merchants: make([]merchantView, len(page.Merchants)), Next: page.Next}
	for i, m := range page.Merchants {
		v.Merchants[i] = merchantView{
			MerchantID: m.ID, Webhooks: m.Webhooks, Active: m.Active, Disabled: m.Disabled, Failing: m.Failing, Pending: m.Pending,
		}
	}
	return answer{status: http.StatusOK, data: v}, nil
}

func (h *Handler) troubled(x *exchange) (answer, error) {
	q := x.query()
	in := q.page()
	f := operator.Filter{FailingBefore: q.moment("failingBefore")}
	status, _ := q.one("status")
	health, _ := q.one("health")
	reason, _ := q.one("reason")
	f.Host, _ = q.one("host")
	f.Status, f.Health, f.Reason = webhook.Status(status), webhook.Condition(health), webhook.Reason(reason)
	bad := q.done()
	if err := invalidIf(bad.with(f.Check())); err != nil {
		return answer{}, err
	}
	page, err := h.opts.Operator.Webhooks(x.R.Context(), f, in)
	if err != nil {
		return answer{}, err
	}
	v := troubledView{Webhooks: make([]foreignView, len(page.Webhooks)), Damaged: page.Damaged, Next: page.Next}
	for i, w := range page.Webhooks {
		v.Webhooks[i] = foreignView{MerchantID: w.MerchantID, webhookView: newWebhookView(w)}
	}
	return answer{status: http.StatusOK, data: v}, nil
}

func (h *Handler) failing(x *exchange) (answer, error) {
	q := x.query()
	limit := q.whole("limit", failingPage, 1, operator.MaxFailing)
	if err := invalidIf(q.done()); err != nil {
		return answer{}, err
	}
	list, err := h.opts.Operator.Failing(x.R.Context(), limit)
	if err != nil {
		return answer{}, err
	}
	v := failingListView{Webhooks: make([]failingView, len(list))}
	for i, f := range list {
		v.Webhooks[i] = failingView{
			foreignView: foreignView{MerchantID: f.MerchantID, webhookView: newWebhookView(f.Webhook)}, Pending: f.Pending, Failed: f.Failed,
		}
	}
	return answer{status: http.StatusOK, data: v}, nil
}

func (h *Handler) search(x *exchange) (answer, error) {
	q := x.query()
	text, _ := q.one("q")
	cursor, _ := q.one("cursor")
	if err := invalidIf(q.done()); err != nil {
		return answer{}, err
	}
	page, err := h.opts.Operator.Search(x.R.Context(), text, cursor)
	if err != nil {
		return answer{}, err
	}
	v := searchView{Found: make([]foundView, len(page.Found)), Next: page.Next}
	for i, f := range page.Found {
		v.Found[i] = foundView(f)
	}
	return answer{status: http.StatusOK, data: v}, nil
}

func (h *Handler) jobs(x *exchange) (answer, error) {
	q := x.query()
	in := q.page()
	if err := invalidIf(q.done()); err != nil {
		return answer{}, err
	}
	page, err := h.opts.Operator.List(x.R.Context(), in)
	if err != nil {
		return answer{}, err
	}
	v := jobsView{Jobs: make([]jobView, len(page.Jobs)), Next: page.Next}
	for i, j := range page.Jobs {
		v.Jobs[i] = newJobView(j)
	}
	return answer{status: http.StatusOK, data: v}, nil
}

// beginJob answers 202 with the job that has begun.
func (h *Handler) beginJob(x *exchange) (answer, error) {
	m, err := x.body(bodyLimits())
	if err != nil {
		return answer{}, err
	}
	in := operator.Request{Since: m.moment("since"), Until: m.moment("until"), DryRun: m.flag("dryRun")}
	if s := m.text("kind"); s != nil {
		in.Kind = operator.Kind(*s)
	}
	if s := m.text("note"); s != nil {
		in.Note = *s
	}
	if n := m.number("rate"); n != nil {
		if in.Rate = *n; *n == 0 { // Which would be no bound.
			in.Rate = -1
		}
	}
	in.Selection = m.selection("selection")
	if bad := m.done(); len(bad) > 0 {
		return answer{}, invalidIf(bad.with(in.Check()))
	}
	j, err := h.opts.Operator.Begin(x.R.Context(), in)
	return jobAnswer(http.StatusAccepted, j, err)
}

// selection returns an object that says which webhooks are meant.
func (m *members) selection(name string) operator.Selection {
	raw := m.take(name)
	if raw == nil {
		return operator.Selection{}
	}
	sub, err := parseMembers(raw, bodyLimits())
	if err != nil {
		m.bad.add(name, "must be an object")
		return operator.Selection{}
	}
	word := func(name string) string {
		if s := sub.text(name); s != nil {
			if *s == "" {
				sub.bad.add(name, "must not be empty")
			}
			return *s
		}
		return ""
	}
	out := operator.Selection{
		Merchants: sub.texts("merchants"), Webhooks: sub.texts("webhooks"), All: sub.flag("all"),
		Status: webhook.Status(word("status")), Health: webhook.Condition(word("health")), Reason: webhook.Reason(word("reason")), Host: word("host"),
	}
	for _, f := range sub.done() {
		m.bad.add(name+"."+f.Path, f.Text.Text, f.Text.Args...)
	}
	return out
}

func (h *Handler) job(x *exchange) (answer, error) {
	j, err := h.opts.Operator.Job(x.R.Context(), x.JobID)
	return jobAnswer(http.StatusOK, j, err)
}

func (h *Handler) stopJob(x *exchange) (answer, error) {
	if err := x.noBody(); err != nil {
		return answer{}, err
	}
	j, err := h.opts.Operator.Stop(x.R.Context(), x.JobID)
	return jobAnswer(http.StatusOK, j, err)
}

func jobAnswer(status int, j operator.Job, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return answer{status: status, data: newJobView(j)}, nil
}

// doOnce is [webhook.Service.Once] for the merchant of a request, or for operators.
func (h *Handler) doOnce(ctx context.Context, x *exchange, key string, o *webhook.OnceOptions, do func(context.Context) (string, error)) (string, bool, error) {
	if x.Operator {
		return h.opts.Operator.Once(ctx, key, o, do)
	}
	return h.svc.Once(ctx, x.MerchantID, key, o, do)
}

type merchantsView struct {
	Merchants []merchantView `json:"merchants"`
	Next      string         `json:"next,omitempty"`
}

type merchantView struct {
	MerchantID string `json:"merchantId"`
	Webhooks   int    `json:"webhooks"`
	Active     int    `json:"active"`
	Disabled   int    `json:"disabled"`
	Failing    int    `json:"failing"`
	Pending    int64  `json:"pending"`
}

type troubledView struct {
	Webhooks []foreignView `json:"webhooks"`
	Damaged  []string      `json:"damaged,omitempty"` // ids
	Next     string        `json:"next,omitempty"`
}

// foreignView is a webhook of any merchant's.
type foreignView struct {
	MerchantID string `json:"merchantId"`
	webhookView
}

type failingListView struct {
	Webhooks []failingView `json:"webhooks"`
}

type failingView struct {
	foreignView

	Pending int64 `json:"pending"`
	Failed  int64 `json:"failed"`
}

type searchView struct {
	Found []foundView `json:"found"`
	Next  string      `json:"next,omitempty"`
}

type foundView struct {
	Kind       operator.FoundKind `json:"kind"`
	MerchantID string             `json:"merchantId"`
	WebhookID  string             `json:"webhookId,omitempty"`
	EventID    string             `json:"eventId,omitempty"`
	DeliveryID string             `json:"deliveryId,omitempty"`
	URL        string             `json:"url,omitempty"`
}

type jobsView struct {
	Jobs []jobView `json:"jobs"`
	Next string    `json:"next,omitempty"`
}

type jobView struct {
	ID         string             `json:"id"`
	Kind       operator.Kind      `json:"kind"`
	Status     operator.JobStatus `json:"status"`
	DryRun     bool               `json:"dryRun,omitempty"`
	By         string             `json:"by,omitempty"`
	Note       string             `json:"note,omitempty"`
	Selection  selectionView      `json:"selection"`
	Since      string             `json:"since,omitempty"`
	Until      string             `json:"until,omitempty"`
	Rate       int                `json:"rate,omitempty"`
	CreatedAt  string             `json:"createdAt"`
	EndedAt    string             `json:"endedAt,omitempty"`
	Merchants  int                `json:"merchants"`
	Webhooks   int                `json:"webhooks"`
	Changed    int                `json:"changed"`
	Deliveries int64              `json:"deliveries"`
	Skipped    int                `json:"skipped"`
	Failed     int                `json:"failed"`
}

type selectionView struct {
	Merchants []string          `json:"merchants,omitempty"`
	Webhooks  []string          `json:"webhooks,omitempty"`
	Status    webhook.Status    `json:"status,omitempty"`
	Health    webhook.Condition `json:"health,omitempty"`
	Reason    webhook.Reason    `json:"reason,omitempty"`
	Host      string            `json:"host,omitempty"`
	All       bool              `json:"all,omitempty"`
}

func newJobView(j operator.Job) jobView {
	return jobView{
		ID: j.ID, Kind: j.Kind, Status: j.Status, DryRun: j.DryRun, By: j.By, Note: j.Note, Selection: selectionView(j.Selection),
		Since: stamp(j.Since), Until: stamp(j.Until), Rate: j.Rate, CreatedAt: stamp(j.CreatedAt), EndedAt: stamp(j.EndedAt),
		Merchants: j.Merchants, Webhooks: j.Webhooks, Changed: j.Changed, Deliveries: j.Deliveries, Skipped: j.Skipped, Failed: j.Failed,
	}
}
