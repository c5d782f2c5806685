package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/words"
)

const (
	jobsShown = 50
	countGood = 24 * time.Hour // as long as [operator.Operator.Once] knows a key
)

type jobsView struct {
	Rows []jobRow
	Next string
}

type jobRow struct {
	operator.Job

	Path string
}

// jobs lists what operators do, and did.
func (p *Portal) jobs(x *exchange) (answer, error) {
	page, err := p.opts.Operator.List(x.R.Context(), operator.Page{Limit: jobsShown, Cursor: x.R.URL.Query().Get("cursor")})
	if err != nil {
		return answer{}, err
	}
	var v jobsView
	for _, j := range page.Jobs {
		v.Rows = append(v.Rows, jobRow{j, x.jobPath(j.ID)})
	}
	if page.Next != "" {
		v.Next = "?" + url.Values{"cursor": {page.Next}}.Encode()
	}
	return answer{status: http.StatusOK, template: "jobs", title: x.Say("Jobs"), nav: "jobs", data: v}, nil
}

func (x *exchange) jobPath(jobID string) string {
	return x.base + operatorSegment + "/jobs/" + url.PathEscape(jobID)
}

type jobView struct {
	operator.Job

	Path    string
	About   []string // which webhooks
	Running bool
	Waits   bool // nobody has made a step for long
	Begins  bool // it was a dry run, after which the job itself can begin
}

// job shows a job. A script loads it again while it is running.
func (p *Portal) job(x *exchange) (answer, error) {
	j, err := p.opts.Operator.Job(x.R.Context(), x.JobID)
	if err != nil {
		return answer{}, err
	}
	v := jobView{Job: j, Path: x.jobPath(j.ID), About: x.about(j.Selection), Running: j.Status == operator.JobRunning}
	v.Waits = v.Running && time.Since(j.UpdatedAt) > patienceWithSteps
	v.Begins = begins(j)
	return answer{status: http.StatusOK, template: "job", title: x.Say("Job"), nav: "jobs", data: v}, nil
}

// begins says that a job is a dry run that has counted what its page can show, and not
// longer ago than the key of the job that it begins is known.
func begins(j operator.Job) bool {
	return j.DryRun && j.Status == operator.JobDone && len(speech{}.about(j.Selection)) > 0 && time.Since(j.EndedAt) < countGood
}

// about says which webhooks a selection takes.
func (s speech) about(sel operator.Selection) []string {
	var out []string
	add := func(text words.Text, args ...any) { out = append(out, s.Say(text, args...)) }
	if sel.All {
		add("All webhooks of all {tenants}")
	}
	if len(sel.Merchants) > 0 {
		add("{Tenants}: %s", strings.Join(sel.Merchants, ", "))
	}
	if len(sel.Webhooks) > 0 {
		add("Webhooks: %s", strings.Join(sel.Webhooks, ", "))
	}
	switch sel.Status {
	case webhook.Active:
		add("Status: active")
	case webhook.Disabled:
		add("Status: disabled")
	}
	switch sel.Health {
	case webhook.ConditionFailing:
		add("Failing ones")
	case webhook.ConditionDisabled:
		add("Disabled ones")
	case webhook.ConditionHealthy:
		add("Healthy ones")
	}
	switch sel.Reason {
	case webhook.ReasonFailures:
		add("Disabled by failures")
	case webhook.ReasonGone:
		add("Disabled by 410 Gone")
	case webhook.ReasonRequest:
		add("Disabled by their owners, or on request")
	}
	if sel.Host != "" {
		add("Host: %s", sel.Host)
	}
	return out
}

func (p *Portal) stopJob(x *exchange) (answer, error) {
	j, err := p.opts.Operator.Stop(x.R.Context(), x.JobID)
	if err != nil {
		return answer{}, err
	}
	return answer{redirect: x.jobPath(j.ID)}, nil
}

// jobForm holds what was typed, unchecked.
type jobForm struct {
	Kind, Merchants, Webhooks, State, Host string
	All                                    bool
	Since, Until, Rate, Note               string
	Token                                  string
	Faults                                 []string

	speech
}

func (p *Portal) newJobForm(x *exchange) (answer, error) {
	if !x.Who.May(webhook.ScopeWrite) {
		return answer{}, errScope
	}
	f := jobForm{Kind: string(operator.KindEnable), Token: newToken(), speech: x.speech}
	return f.answer(http.StatusOK), nil
}

func (f *jobForm) answer(status int) answer {
	return answer{status: status, template: "new-job", title: f.Say("New job"), nav: "jobs", data: f}
}

// newJob begins a dry run: what a form says is counted before anything is changed.
func (p *Portal) newJob(x *exchange) (answer, error) {
	f := jobForm{
		Kind: x.form.Get("kind"), Merchants: x.form.Get("merchants"), Webhooks: x.form.Get("webhooks"), State: x.form.Get("state"),
		Host: strings.TrimSpace(x.form.Get("host")), All: x.form.Has("all"),
		Since: x.form.Get("since"), Until: x.form.Get("until"), Rate: strings.TrimSpace(x.form.Get("rate")), Note: strings.TrimSpace(x.form.Get("note")),
		Token: x.form.Get("token"), speech: x.speech,
	}
	in := f.read()
	if len(f.Faults) > 0 {
		return f.answer(http.StatusUnprocessableEntity), nil
	}
	if !id.Valid(f.Token) {
		return answer{}, errIncomplete
	}
	in.DryRun = true
	out, err := p.begin(x, "count|"+f.Token, in)
	if invalid, ok := errors.AsType[*webhook.InvalidError](err); ok {
		for _, fault := range invalid.Faults {
			f.Faults = append(f.Faults, f.Say("%s %s.", strings.TrimPrefix(fault.Path, "selection."), f.fault(fault)))
		}
		return f.answer(http.StatusUnprocessableEntity), nil
	}
	return out, err
}

// read parses the form, and notes what is wrong with it.
func (f *jobForm) read() operator.Request {
	in := operator.Request{Kind: operator.Kind(f.Kind), Note: f.Note, Selection: operator.Selection{
		Merchants: strings.Fields(f.Merchants), Webhooks: strings.Fields(f.Webhooks), Host: f.Host, All: f.All,
	}}
	s := &in.Selection
	switch f.State {
	case string(webhook.ConditionFailing):
		s.Health = webhook.ConditionFailing
	case string(webhook.ReasonFailures), string(webhook.ReasonGone), string(webhook.ReasonRequest):
		s.Reason = webhook.Reason(f.State)
	}
	if !s.All && len(s.Merchants)+len(s.Webhooks) == 0 && f.State == "" && s.Host == "" {
		f.Faults = append(f.Faults, f.Say("Say which webhooks the job is about."))
	}
	bad := map[string]string{}
	in.Since, in.Until = f.readRange(f.Since, f.Until, bad)
	for _, fault := range bad {
		f.Faults = append(f.Faults, fault)
	}
	if f.Rate != "" {
		var err error
		if in.Rate, err = strconv.Atoi(f.Rate); err != nil {
			f.Faults = append(f.Faults, f.Say("The rate has to be a whole number."))
		}
	}
	return in
}

// beginJob begins the job that a dry run has counted for, once for each dry run.
func (p *Portal) beginJob(x *exchange) (answer, error) {
	j, err := p.opts.Operator.Job(x.R.Context(), x.JobID)
	if err != nil {
		return answer{}, err
	}
	if !begins(j) {
		return answer{}, errIncomplete
	}
	in := j.Request
	in.DryRun = false
	return p.begin(x, "begin|"+j.ID, in)
}

// begin begins a job once for a key.
func (p *Portal) begin(x *exchange, key string, in operator.Request) (answer, error) {
	jobID, again, err := p.opts.Operator.Once(x.R.Context(), "portal|job|"+key, nil, func(ctx context.Context) (string, error) {
		j, err := p.opts.Operator.Begin(ctx, in)
		return j.ID, err
	})
	if err != nil {
		return answer{}, err
	}
	to := x.jobPath(jobID)
	if again {
		to += "?done=again"
	}
	return answer{redirect: to}, nil
}
