package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/words"
)

// The views are what is printed of the API's answers. webhook/api/openapi.yaml has all of them.

type webhookView struct {
	MerchantID          string   `json:"merchantId"` // to operators
	WebhookID           string   `json:"webhookId"`
	URL                 string   `json:"url"`
	Events              []string `json:"events"`
	Status              string   `json:"status"`
	DisabledReason      string   `json:"disabledReason"`
	DisabledAt          string   `json:"disabledAt"`
	Health              string   `json:"health"`
	FailingSince        string   `json:"failingSince"`
	LastSuccessAt       string   `json:"lastSuccessAt"`
	ConsecutiveFailures int      `json:"consecutiveFailures"`
	Description         string   `json:"description"`
	CreatedAt           string   `json:"createdAt"`
	UpdatedAt           string   `json:"updatedAt"`
	Pending             *int     `json:"pending"` // of those that fail most
	Failed              int      `json:"failed"`
}

// state is a webhook's status with the reason for it.
func (v webhookView) state() string {
	if v.DisabledReason == "" {
		return v.Status
	}
	return fmt.Sprintf("%s (%s)", v.Status, v.DisabledReason)
}

type webhooksView struct {
	Webhooks   []webhookView `json:"webhooks"`
	Damaged    []string      `json:"damaged"`
	Next       string        `json:"next"`
	Pagination struct {
		Offset int `json:"offset"`
		Total  int `json:"total"`
	} `json:"pagination"`
}

func (p *page) webhooks(all []webhookView, merchants bool) {
	head, counted := []any{"WEBHOOK", "STATUS", "HEALTH", "FAILING SINCE", "URL"}, len(all) > 0 && all[0].Pending != nil
	if merchants {
		head = append([]any{tenant(p.words)}, head...)
	}
	if counted {
		head = append(head, "PENDING", "FAILED")
	}
	p.row(head...)
	for _, w := range all {
		cells := []any{w.WebhookID, w.state(), w.Health, w.FailingSince, w.URL}
		if merchants {
			cells = append([]any{w.MerchantID}, cells...)
		}
		if counted {
			cells = append(cells, *cmp.Or(w.Pending, new(int)), w.Failed)
		}
		p.row(cells...)
	}
}

func (p *page) webhook(w webhookView) {
	p.row("webhook", w.WebhookID)
	p.row("url", w.URL)
	p.row("events", strings.Join(w.Events, ", "))
	p.row("status", w.state())
	p.field("disabled at", w.DisabledAt)
	p.field("health", w.Health)
	p.field("failing since", w.FailingSince)
	p.field("failures in a row", w.ConsecutiveFailures)
	p.field("last success", w.LastSuccessAt)
	p.field("description", w.Description)
	p.row("registered", w.CreatedAt)
	p.row("changed", w.UpdatedAt)
}

type changesView struct {
	Changes []struct {
		At      string   `json:"at"`
		Version int64    `json:"version"`
		Actor   string   `json:"actor"`
		Status  string   `json:"status"`
		Reason  string   `json:"reason"`
		Fields  []string `json:"fields"`
	} `json:"changes"`
}

func (p *page) changes(v changesView) {
	p.line("")
	p.row("CHANGED", "BY", "STATUS", "REASON", "FIELDS")
	for _, c := range v.Changes {
		p.row(c.At, c.Actor, c.Status, c.Reason, strings.Join(c.Fields, ", "))
	}
}

type eventsView struct {
	Events []struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		CreatedAt string `json:"createdAt"`
	} `json:"events"`
	Next string `json:"next"`
}

// sentView is what is sent of an event, where its payload does not say it.
type sentView struct {
	ContentType string            `json:"contentType"`
	Headers     map[string]string `json:"headers"`
	Body        string            `json:"body"`
}

type eventView struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	Payload  json.RawMessage `json:"payload"`
	Sent     *sentView       `json:"sent"`
	Damaged  []string        `json:"damaged"`
	Verdicts []struct {
		WebhookID  string `json:"webhookId"`
		URL        string `json:"url"`
		DeliveryID string `json:"deliveryId"`
		Text       string `json:"text"`
	} `json:"verdicts"`
}

type deliveryView struct {
	ID            string `json:"id"`
	WebhookID     string `json:"webhookId"`
	EventID       string `json:"eventId"`
	EventType     string `json:"eventType"`
	Status        string `json:"status"`
	StatusCode    int    `json:"statusCode"`
	Error         string `json:"error"`
	AttemptCount  int    `json:"attemptCount"`
	CreatedAt     string `json:"createdAt"`
	DeliveredAt   string `json:"deliveredAt"`
	NextAttemptAt string `json:"nextAttemptAt"`

	Attempts []attemptView   `json:"attempts"`
	Payload  json.RawMessage `json:"payload"`
	Sent     *sentView       `json:"sent"`
}

type attemptView struct {
	Number          int          `json:"number"`
	At              string       `json:"at"`
	DurationMs      int64        `json:"durationMs"`
	StatusCode      int          `json:"statusCode"`
	Error           string       `json:"error"`
	ResponseBody    string       `json:"responseBody"`
	URL             string       `json:"url"`
	RequestHeaders  []headerView `json:"requestHeaders"`
	ResponseHeaders []headerView `json:"responseHeaders"`
}

type headerView struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Hidden bool   `json:"hidden"`
}

func outcome(status int, code string) string {
	switch {
	case code != "" && status > 0:
		return fmt.Sprintf("%d %s", status, code)
	case status > 0:
		return strconv.Itoa(status)
	}
	return cmp.Or(code, "no answer yet")
}

func (v deliveryView) outcome() string { return outcome(v.StatusCode, v.Error) }

type deliveriesView struct {
	Deliveries []deliveryView `json:"deliveries"`
	Damaged    []string       `json:"damaged"`
	Pagination struct {
		NextCursor string `json:"nextCursor"`
	} `json:"pagination"`
}

func (p *page) deliveries(v deliveriesView) {
	p.row("CREATED", "STATUS", "ANSWER", "ATTEMPTS", "NEXT", "TYPE", "EVENT", "DELIVERY")
	for _, d := range v.Deliveries {
		p.row(d.CreatedAt, d.Status, d.outcome(), d.AttemptCount, d.NextAttemptAt, d.EventType, d.EventID, d.ID)
	}
	for _, id := range v.Damaged {
		p.line("%s is damaged: the store cannot read it", id)
	}
	p.more(v.Pagination.NextCursor)
}

func (p *page) delivery(d deliveryView) {
	p.row("delivery", d.ID)
	p.row("event", d.EventID+", "+d.EventType)
	p.row("status", d.Status)
	p.row("created", d.CreatedAt)
	p.field("delivered", d.DeliveredAt)
	p.field("next attempt", d.NextAttemptAt)
	for _, a := range d.Attempts {
		p.line("\nattempt %d at %s: %s, %d ms", a.Number, a.At, outcome(a.StatusCode, a.Error), a.DurationMs)
		if a.URL != "" {
			p.line("  POST %s", a.URL)
		}
		p.headers(">", a.RequestHeaders)
		p.headers("<", a.ResponseHeaders)
		if a.ResponseBody != "" {
			p.line("  %s", a.ResponseBody)
		}
	}
	body := cmp.Or(string(d.Payload), "null")
	if d.Sent != nil {
		body = d.Sent.Body
	}
	p.line("\n%s", body)
}

func (p *page) headers(mark string, all []headerView) {
	for _, h := range all {
		if h.Hidden {
			h.Value = "(hidden)"
		}
		p.line("  %s %s: %s", mark, h.Name, h.Value)
	}
}

// progress is of what goes on after its answer.
type progress interface {
	id() string
	running() bool
	broken() bool
	text(w *words.Words) string // in a line
}

type replayView struct {
	ID         string `json:"id"`
	WebhookID  string `json:"webhookId"`
	Status     string `json:"status"`
	Events     int    `json:"events"`
	Deliveries int    `json:"deliveries"`
	LeftOut    int    `json:"leftOut"`
	Full       int    `json:"full"`
	Waiting    int    `json:"waiting"`
	DryRun     bool   `json:"dryRun"`
	AtLeast    bool   `json:"atLeast"`
}

func (v replayView) id() string    { return v.ID }
func (v replayView) running() bool { return v.Status == "running" }
func (v replayView) broken() bool  { return v.Status == "failed" }

func (v replayView) text(*words.Words) string {
	parts := []string{counted(v.Deliveries, "delivery", "deliveries") + " of " + counted(v.Events, "event")}
	for _, more := range []struct {
		n    int
		text string
	}{{v.LeftOut, "not kept any more"}, {v.Full, "sent again too often"}, {v.Waiting, "waiting for room"}} {
		if more.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", more.n, more.text))
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case v.DryRun && v.AtLeast:
		return "would send at least " + text
	case v.DryRun:
		return "would send " + text
	}
	return fmt.Sprintf("replay %s %s: %s", v.ID, v.Status, text)
}

func (p *page) replay(v replayView) { p.line("%s", v.text(p.words)) }
