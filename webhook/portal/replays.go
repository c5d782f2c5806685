package portal

import (
	"errors"
	"net/http"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

// shownReplays is how many replays the form lists.
const shownReplays = 5

type replayView struct {
	Webhook      webhook.Webhook
	Since, Until string
	Which        string
	Errors       map[string]string
	Counted      *webhook.ReplayJob // by a dry run
	Replays      []webhook.ReplayJob
}

// replayForm opens with the time in which something may have been missed, and with how much
// that was.
func (p *Portal) replayForm(x *exchange) (answer, error) {
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	if !x.Who.May(webhook.ScopeWrite) {
		return answer{}, errScope
	}
	since := troubleSince(w).UTC().Truncate(time.Minute)
	counted, err := p.svc.Replay(x.R.Context(), x.MerchantID, x.WebhookID, webhook.Replay{Since: since, DryRun: true})
	if err != nil {
		return answer{}, err
	}
	return p.askToReplay(x, http.StatusOK, replayView{Which: "both", Since: since.Format(fieldTime), Counted: &counted})
}

// troubleSince is when a webhook that is not well was well last, and a day ago for one that is.
func troubleSince(w webhook.Webhook) time.Time {
	since := time.Now().Add(-24 * time.Hour)
	if w.Condition() == webhook.ConditionHealthy {
		return since
	}
	for _, at := range []time.Time{w.LastSuccess, w.FailingSince, w.DisabledAt} {
		if !at.IsZero() {
			return at
		}
	}
	return since
}

func (p *Portal) askToReplay(x *exchange, status int, v replayView) (answer, error) {
	var err error
	if v.Webhook, err = p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID); err != nil {
		return answer{}, err
	}
	page, err := p.svc.Replays(x.R.Context(), x.MerchantID, x.WebhookID, webhook.ReplayQuery{Limit: shownReplays})
	if err != nil {
		return answer{}, err
	}
	v.Replays = page.Replays
	return answer{status: status, template: "replay", title: x.Say("Replay events"), nav: "webhooks", data: v}, nil
}

// replay counts, or begins a replay and leads to its page. While another one runs, it
// leads to that.
func (p *Portal) replay(x *exchange) (answer, error) {
	v := replayView{
		Since: x.form.Get("since"), Until: x.form.Get("until"), Which: x.form.Get("which"), Errors: map[string]string{},
	}
	var in webhook.Replay
	in.Since, in.Until = x.readRange(v.Since, v.Until, v.Errors)
	switch v.Which {
	case "both":
	case "failed":
		in.Failed = true
	case "missed":
		in.Missed = true
	default:
		return answer{}, errIncomplete
	}
	if len(v.Errors) > 0 {
		return p.askToReplay(x, http.StatusUnprocessableEntity, v)
	}
	in.DryRun = x.form.Has("count")
	r, err := p.svc.Replay(x.R.Context(), x.MerchantID, x.WebhookID, in)
	if running, ok := errors.AsType[*webhook.ReplayingError](err); ok {
		return answer{redirect: x.hook() + "/replays/" + running.ReplayID + "?done=replaying"}, nil
	}
	if err != nil {
		return answer{}, err
	}
	if in.DryRun {
		v.Counted = &r
		return p.askToReplay(x, http.StatusOK, v)
	}
	return answer{redirect: x.hook() + "/replays/" + r.ID}, nil
}

// patienceWithSteps is how long a step may be missing before the page says so.
const patienceWithSteps = time.Minute

type replayingView struct {
	webhook.ReplayJob

	Webhook webhook.Webhook
	Running bool
	Waits   bool // nobody has made a step for long
	Most    int  // how often an event can be sent again
}

// replaying shows a replay. A script loads it again while it is running.
func (p *Portal) replaying(x *exchange) (answer, error) {
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	r, err := p.svc.ReplayStatus(x.R.Context(), x.MerchantID, x.WebhookID, x.ReplayID)
	if err != nil {
		return answer{}, err
	}
	v := replayingView{ReplayJob: r, Webhook: w, Most: webhook.MaxRedeliveries, Running: r.Status == webhook.ReplayRunning}
	v.Waits = v.Running && time.Since(r.WaitingSince) > patienceWithSteps
	return answer{status: http.StatusOK, template: "replaying", title: x.Say("Replay"), nav: "webhooks", data: v}, nil
}

func (p *Portal) stopReplay(x *exchange) (answer, error) {
	r, err := p.svc.StopReplay(x.R.Context(), x.MerchantID, x.WebhookID, x.ReplayID)
	if err != nil {
		return answer{}, err
	}
	return answer{redirect: x.hook() + "/replays/" + r.ID}, nil
}
