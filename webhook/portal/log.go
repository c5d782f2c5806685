package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

const logPage = 50

type logView struct {
	Webhook  webhook.Webhook
	Filter   filter
	Types    []string
	Rows     []deliveryRow
	Damaged  int // deliveries that cannot be read
	Stats    webhook.Stats
	Total    int64 // 0 if it is not known
	From, To int
	Older    string // queries of links, empty: none
	Newest   string
}

// filter holds the filter that was typed, unchecked.
type filter struct {
	Status, Type, Since, Until string
	Errors                     map[string]string
}

// Active reports whether the filter leaves anything out.
func (f filter) Active() bool { return f.Status+f.Type+f.Since+f.Until != "" }

func (f filter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"status": f.Status, "type": f.Type, "since": f.Since, "until": f.Until} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// deliveryRow is a line of a table of deliveries.
type deliveryRow struct {
	webhook.Delivery

	Path, Label string
}

// rows names deliveries of one webhook by their events.
func (x *exchange) rows(some []webhook.Delivery) []deliveryRow {
	var out []deliveryRow
	for i := range some {
		out = append(out, deliveryRow{some[i], x.hook() + "/deliveries/" + some[i].ID, cmp.Or(some[i].EventType, x.Say("unknown"))})
	}
	return out
}

func (p *Portal) deliveries(x *exchange) (answer, error) {
	ctx := x.R.Context()
	query := x.R.URL.Query()
	w, err := p.svc.Webhook(ctx, x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	v := logView{Webhook: w, Filter: filter{
		Status: query.Get("status"), Type: query.Get("type"), Since: query.Get("since"), Until: query.Get("until"),
		Errors: map[string]string{},
	}}
	v.Types = p.types(v.Filter.Type)
	out := answer{status: http.StatusOK, template: "deliveries", title: x.Say("Deliveries"), nav: "webhooks"}
	in := v.Filter.read(x.speech)
	if len(v.Filter.Errors) > 0 {
		out.status, out.data = http.StatusUnprocessableEntity, v
		return out, nil
	}
	in.Cursor = query.Get("cursor")
	number := pageNumber(query.Get("page"))
	page, err := p.svc.Deliveries(ctx, x.MerchantID, x.WebhookID, in)
	if _, invalid := errors.AsType[*webhook.InvalidError](err); invalid { // A cursor that nobody gave out.
		return answer{redirect: x.hook() + "/deliveries?" + v.Filter.query().Encode()}, nil
	}
	if err != nil {
		return answer{}, err
	}
	if v.Stats, err = p.svc.Stats(ctx, x.MerchantID, x.WebhookID); err != nil {
		return answer{}, err
	}
	v.Rows, v.Damaged = x.rows(page.Deliveries), len(page.Damaged)
	if in.EventType == "" && in.Since.IsZero() && in.Until.IsZero() { // Otherwise only a walk could tell.
		v.Total = v.Stats.Count(in.Status)
	}
	v.From = (number-1)*logPage + 1
	v.To = v.From + len(page.Deliveries) - 1
	if page.Next != "" {
		q := v.Filter.query()
		q.Set("cursor", page.Next)
		q.Set("page", strconv.Itoa(number+1))
		v.Older = "?" + q.Encode()
	}
	if in.Cursor != "" {
		v.Newest = "?" + v.Filter.query().Encode()
	}
	out.data = v
	return out, nil
}

// types are the event types to filter by. The log may hold one that the catalog no
// longer has.
func (p *Portal) types(asked string) []string {
	var out []string
	known := asked == ""
	for e := range p.svc.Catalog().All() {
		out = append(out, string(e.Type))
		known = known || string(e.Type) == asked
	}
	if !known {
		out = append(out, asked)
	}
	return out
}

// read parses the filter, and notes what is wrong with it.
func (f filter) read(s speech) webhook.DeliveryQuery {
	q := webhook.DeliveryQuery{Limit: logPage, Status: webhook.DeliveryStatus(f.Status), EventType: f.Type}
	switch q.Status {
	case "", webhook.DeliveryPending, webhook.DeliverySucceeded, webhook.DeliveryFailed:
	default:
		f.Errors["status"] = s.Say("There is no such status.")
	}
	if f.Type != "" && !event.Type(f.Type).Valid() {
		f.Errors["type"] = s.Say("This is not an event type.")
	}
	q.Since, q.Until = s.readRange(f.Since, f.Until, f.Errors)
	return q
}

// readRange parses the start and the end of a range. Either may be empty.
func (s speech) readRange(since, until string, bad map[string]string) (from, to time.Time) {
	var ok bool
	if from, ok = readMoment(since); !ok {
		bad["since"] = s.Say("Write a date and a time, as in 2026-03-31T14:30.")
	}
	if to, ok = readMoment(until); !ok {
		bad["until"] = s.Say("Write a date and a time, as in 2026-03-31T14:30.")
	}
	if len(bad) == 0 && !to.IsZero() && !from.Before(to) {
		bad["until"] = s.Say("The end has to be after the start.")
	}
	return from, to
}

// fieldTime is how browsers write a time of a form.
const fieldTime = "2006-01-02T15:04"

// readMoment parses RFC 3339, and what browsers send for a local time, which is taken
// as UTC.
func readMoment(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	for _, form := range []string{fieldTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02", time.RFC3339} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

type deliveryView struct {
	webhook.DeliveryDetail

	Webhook  webhook.Webhook
	Event    string // path of its event, empty if that is lost
	Attempts []attemptView
	Others   []deliveryRow // of the same event to the same webhook
	Payload  []token
	Spaced   bool   // what is sent is laid out by the host, if it is JSON at all
	Body     string // as it is sent
	Paused   bool
	Follow   bool // its outcome is to be expected soon
	Token    string
}

type attemptView struct {
	webhook.Attempt

	Curl    string // empty if it cannot be told what was sent
	Apart   bool   // the body is not in the command
	Changed bool   // the webhook has changed since, and its encoding may have
}

// newAttempts are the attempts of a delivery with commands that send the same.
func newAttempts(d *webhook.DeliveryDetail, w webhook.Webhook, body []byte) []attemptView {
	var out []attemptView
	for _, a := range d.Log {
		v := attemptView{Attempt: a}
		if a.Exchange != nil && body != nil {
			v.Curl, v.Apart, v.Changed = curl(a.Exchange, body), apart(body), w.UpdatedAt.After(a.At)
		}
		out = append(out, v)
	}
	return out
}

// maxOthers is how many deliveries of an event to one webhook can be there: the first, and
// those that were asked for.
const maxOthers = 50

func (p *Portal) delivery(x *exchange) (answer, error) {
	v, err := p.deliveryView(x.R.Context(), x)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, template: "delivery", title: cmp.Or(v.EventType, x.Say("Unknown event")), nav: "webhooks", data: v}, nil
}

func (p *Portal) deliveryView(ctx context.Context, x *exchange) (deliveryView, error) {
	w, err := p.svc.Webhook(ctx, x.MerchantID, x.WebhookID)
	if err != nil {
		return deliveryView{}, err
	}
	d, err := p.svc.Delivery(ctx, x.MerchantID, x.WebhookID, x.DeliveryID)
	if err != nil {
		return deliveryView{}, err
	}
	v := deliveryView{DeliveryDetail: d, Webhook: w, Payload: tokens(d.Sent.Body), Spaced: !compact(d.Payload), Token: newToken()}
	body := d.Sent.Body
	if d.Payload != nil {
		body = jcs.Encode(body, jcs.Encoding(w.Encoding))
	}
	v.Body = string(body)
	v.Attempts = newAttempts(&d, w, body)
	if d.EventID != "" {
		v.Event = x.eventPath(d.EventID)
		others, err := p.svc.Deliveries(ctx, x.MerchantID, x.WebhookID, webhook.DeliveryQuery{EventID: d.EventID, Limit: maxOthers})
		if err != nil && !errors.Is(err, webhook.ErrDamaged) {
			return deliveryView{}, err
		}
		v.Others = x.rows(slices.DeleteFunc(others.Deliveries, func(o webhook.Delivery) bool { return o.ID == d.ID }))
	}
	pending := d.Status == webhook.DeliveryPending
	v.Paused = pending && w.Status == webhook.Disabled && !d.Test
	v.Follow = pending && !v.Paused && d.Attempts == 0 && time.Since(d.CreatedAt) < patience
	return v, nil
}

// patience is how long a page keeps asking for an outcome.
const patience = time.Minute
