package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/words"
)

func (h *Handler) events(x *exchange) (answer, error) {
	q := x.query()
	in := webhook.EventQuery{
		ID: q.eventID("id"), Type: q.eventType("type"), Limit: q.whole("limit", defaultPage, 1, webhook.MaxPage),
	}
	in.Since, in.Until = q.span()
	in.Cursor, _ = q.one("cursor")
	if err := invalidIf(q.done()); err != nil {
		return answer{}, err
	}
	page, err := h.svc.Events(x.R.Context(), x.MerchantID, in)
	if err != nil {
		return answer{}, err
	}
	v := eventsView{Events: make([]eventView, len(page.Events)), Next: page.Next}
	for i, e := range page.Events {
		v.Events[i] = newEventView(e)
	}
	return answer{status: http.StatusOK, data: v}, nil
}

func (h *Handler) event(x *exchange) (answer, error) {
	d, err := h.svc.Event(x.R.Context(), x.MerchantID, x.EventID)
	if errors.Is(err, webhook.ErrNotFound) {
		return answer{}, h.noEvent(x)
	}
	if err != nil {
		return answer{}, err
	}
	paused := map[string]bool{}
	for _, v := range d.Verdicts {
		paused[v.WebhookID] = v.Disabled
	}
	return answer{status: http.StatusOK, data: newEventDetailView(h.opts.Words, &d, paused)}, nil
}

// noEvent says how far back the log goes. It is the same for an id of another merchant and
// for one that never was, unless an operator asks, who is told whose it is.
func (h *Handler) noEvent(x *exchange) error {
	if ops := h.opts.Operator; ops != nil && x.Who.AnyMerchant {
		why, err := ops.Why(x.R.Context(), x.MerchantID, x.EventID)
		if err != nil {
			return err
		}
		return noEvent(why.Message)
	}
	why, err := h.svc.Why(x.R.Context(), x.MerchantID, x.EventID)
	if err != nil {
		return err
	}
	return noEvent(why.Message)
}

func noEvent(why words.Message) error {
	return &apiError{status: http.StatusNotFound, code: "not_found", text: why.Text, args: why.Args}
}

func (h *Handler) changes(x *exchange) (answer, error) {
	changes, err := h.svc.Changes(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	v := changesView{Changes: make([]changeView, len(changes))}
	for i, c := range changes {
		v.Changes[i] = changeView{
			At: stamp(c.At), Version: c.Version, Actor: c.Actor, Status: c.Status, Reason: c.Reason,
			Fields: append([]string{}, c.Fields...), URL: c.URL, Events: c.Events,
		}
	}
	return answer{status: http.StatusOK, data: v}, nil
}

type eventsView struct {
	Events []eventView `json:"events"`
	Next   string      `json:"next,omitempty"`
}

type eventView struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	CreatedAt string `json:"createdAt,omitempty"` // absent if the event is damaged
}

func newEventView(e webhook.EventRecord) eventView {
	return eventView{ID: e.ID, Type: cmp.Or(e.Type, unknownType), CreatedAt: stamp(e.CreatedAt)}
}

type eventDetailView struct {
	eventView

	Test       bool            `json:"test,omitempty"`
	Text       string          `json:"text"`
	Payload    json.RawMessage `json:"payload"` // null if it is damaged, or no object
	Sent       *sentView       `json:"sent,omitempty"`
	Verdicts   []verdictView   `json:"verdicts"`
	Deliveries []deliveryView  `json:"deliveries"`
	Damaged    []string        `json:"damaged,omitempty"` // ids
}

// newEventDetailView takes the webhooks that have to be enabled before deliveries go on.
func newEventDetailView(w *words.Words, d *webhook.EventDetail, paused map[string]bool) eventDetailView {
	v := eventDetailView{
		eventView: newEventView(d.EventRecord), Test: d.Test, Text: w.Message(d.Message),
		Verdicts: make([]verdictView, len(d.Verdicts)), Deliveries: make([]deliveryView, len(d.Deliveries)), Damaged: d.Damaged,
	}
	v.Payload, v.Sent = newSentView(d.Sent)
	for i, one := range d.Verdicts {
		v.Verdicts[i] = newVerdictView(w, one)
	}
	for i := range d.Deliveries {
		v.Deliveries[i] = newDeliveryView(&d.Deliveries[i], paused[d.Deliveries[i].WebhookID])
	}
	return v
}

type verdictView struct {
	WebhookID  string       `json:"webhookId"`
	URL        string       `json:"url,omitempty"` // absent if the webhook is damaged
	Verdict    webhook.Fate `json:"verdict"`
	Wait       webhook.Wait `json:"wait,omitempty"`
	At         string       `json:"at,omitempty"`
	Until      string       `json:"until,omitempty"`
	DeliveryID string       `json:"deliveryId,omitempty"`
	Attempts   int          `json:"attempts,omitempty"`
	StatusCode int          `json:"statusCode,omitempty"`
	Error      webhook.Code `json:"error,omitempty"`
	Deliveries int          `json:"deliveries"`
	Succeeded  int          `json:"succeeded"`
	Text       string       `json:"text"`
}

func newVerdictView(w *words.Words, v webhook.Verdict) verdictView {
	return verdictView{
		WebhookID: v.WebhookID, URL: v.URL, Verdict: v.Fate, Wait: v.Wait, At: stamp(v.At), Until: stamp(v.Until),
		DeliveryID: v.DeliveryID, Attempts: v.Attempts, StatusCode: v.StatusCode, Error: shownCode(v.Code),
		Deliveries: v.Deliveries, Succeeded: v.Succeeded, Text: w.Message(v.Message),
	}
}

type changesView struct {
	Changes []changeView `json:"changes"`
}

type changeView struct {
	At      string         `json:"at"`
	Version int64          `json:"version"`
	Actor   string         `json:"actor,omitempty"`
	Status  webhook.Status `json:"status"`
	Reason  webhook.Reason `json:"reason,omitempty"`
	Fields  []string       `json:"fields"` // empty in a registration
	URL     string         `json:"url,omitempty"`
	Events  []string       `json:"events,omitempty"`
}
