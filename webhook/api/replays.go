package api

import (
	"net/http"

	"github.com/rag-assistant/webhooks/webhook"
)

// replay answers 202 with the replay that has begun, or 200 with the counts of a dry run.
func (h *Handler) replay(x *exchange) (answer, error) {
	m, err := x.optionalBody()
	if err != nil {
		return answer{}, err
	}
	q := x.query()
	in := webhook.Replay{Since: m.moment("since"), Until: m.moment("until"), Backfill: m.flag("backfill"), DryRun: q.flag("dryRun")}
	if s := m.text("status"); s != nil {
		in.Failed, in.Missed = *s == "failed", *s == "missed"
		if !in.Failed && !in.Missed {
			m.bad.add("status", `must be "failed" or "missed"; leave it out for both`)
		}
	}
	if err := invalidIf(append(q.done(), m.done()...)); err != nil {
		return answer{}, err
	}
	r, err := h.svc.Replay(x.R.Context(), x.MerchantID, x.WebhookID, in)
	if err != nil {
		return answer{}, err
	}
	if in.DryRun {
		return answer{status: http.StatusOK, data: replayCountView{replayedView: newReplayedView(r), DryRun: true, AtLeast: r.AtLeast}}, nil
	}
	return answer{status: http.StatusAccepted, data: newReplayView(r)}, nil
}

func (h *Handler) replayStatus(x *exchange) (answer, error) {
	return replayAnswer(h.svc.ReplayStatus(x.R.Context(), x.MerchantID, x.WebhookID, x.ReplayID))
}

func (h *Handler) stopReplay(x *exchange) (answer, error) {
	m, err := x.optionalBody()
	if err != nil {
		return answer{}, err
	}
	if err := invalidIf(m.done()); err != nil {
		return answer{}, err
	}
	return replayAnswer(h.svc.StopReplay(x.R.Context(), x.MerchantID, x.WebhookID, x.ReplayID))
}

func replayAnswer(r webhook.ReplayJob, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, data: newReplayView(r)}, nil
}

func (h *Handler) replays(x *exchange) (answer, error) {
	q := x.query()
	in := webhook.ReplayQuery{Limit: q.whole("limit", defaultPage, 1, webhook.MaxPage)}
	in.Cursor, _ = q.one("cursor")
	if err := invalidIf(q.done()); err != nil {
		return answer{}, err
	}
	page, err := h.svc.Replays(x.R.Context(), x.MerchantID, x.WebhookID, in)
	if err != nil {
		return answer{}, err
	}
	v := replaysView{Replays: make([]replayView, len(page.Replays)), NextCursor: page.Next}
	for i, r := range page.Replays {
		v.Replays[i] = newReplayView(r)
	}
	return answer{status: http.StatusOK, data: v}, nil
}

// replayedView counts what a replay did so far.
type replayedView struct {
	Events     int `json:"events"`
	Deliveries int `json:"deliveries"`
	LeftOut    int `json:"leftOut,omitempty"`
	Full       int `json:"full,omitempty"`
	Waiting    int `json:"waiting,omitempty"`
}

func newReplayedView(r webhook.ReplayJob) replayedView {
	return replayedView{Events: r.Events, Deliveries: r.Deliveries, LeftOut: r.LeftOut, Full: r.Full, Waiting: r.Waiting}
}

type replayCountView struct {
	replayedView

	DryRun  bool `json:"dryRun"`
	AtLeast bool `json:"atLeast,omitempty"`
}

type replayView struct {
	ID        string               `json:"id"`
	WebhookID string               `json:"webhookId"`
	Status    webhook.ReplayStatus `json:"status"`
	replayedView

	Since        string `json:"since,omitempty"`
	Until        string `json:"until"`
	At           string `json:"at,omitempty"`
	BegunAt      string `json:"begunAt"`
	WaitingSince string `json:"waitingSince,omitempty"`
	EndedAt      string `json:"endedAt,omitempty"`
}

func newReplayView(r webhook.ReplayJob) replayView {
	return replayView{
		ID: r.ID, WebhookID: r.WebhookID, Status: r.Status, replayedView: newReplayedView(r),
		Since: stamp(r.Range.Since), Until: stamp(r.Range.Until), At: stamp(r.At),
		BegunAt: stamp(r.BegunAt), WaitingSince: stamp(r.WaitingSince), EndedAt: stamp(r.EndedAt),
	}
}

type replaysView struct {
	Replays    []replayView `json:"replays"`
	NextCursor string       `json:"nextCursor,omitempty"`
}
