package portal

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/words"
)

type eventsView struct {
	Filter        filter
	ID            string // that was looked for, and is none
	Types         []string
	Rows          []eventRow
	Older, Newest string // queries of links, empty: none
}

type eventRow struct {
	webhook.EventRecord

	Path string
}

// events lists what was published. An id that is looked for leads to its event.
func (p *Portal) events(x *exchange) (answer, error) {
	query := x.R.URL.Query()
	v := eventsView{ID: strings.TrimSpace(query.Get("id")), Filter: filter{
		Type: query.Get("type"), Since: query.Get("since"), Until: query.Get("until"), Errors: map[string]string{},
	}}
	if id.Valid(v.ID) {
		return answer{redirect: x.eventPath(v.ID)}, nil
	}
	v.Types = p.types(v.Filter.Type)
	out := answer{status: http.StatusOK, template: "events", title: x.Say("Events"), nav: "events"}
	in := v.Filter.read(x.speech)
	if v.ID != "" {
		v.Filter.Errors["id"] = x.Say("This is not the id of an event.")
	}
	if len(v.Filter.Errors) > 0 {
		out.status, out.data = http.StatusUnprocessableEntity, v
		return out, nil
	}
	page, err := p.svc.Events(x.R.Context(), x.MerchantID, webhook.EventQuery{
		Type: in.EventType, Since: in.Since, Until: in.Until, Limit: logPage, Cursor: query.Get("cursor"),
	})
	if _, invalid := errors.AsType[*webhook.InvalidError](err); invalid { // A cursor that nobody gave out.
		return answer{redirect: x.root + "events?" + v.Filter.query().Encode()}, nil
	}
	if err != nil {
		return answer{}, err
	}
	for _, e := range page.Events {
		v.Rows = append(v.Rows, eventRow{e, x.eventPath(e.ID)})
	}
	if page.Next != "" {
		q := v.Filter.query()
		q.Set("cursor", page.Next)
		v.Older = "?" + q.Encode()
	}
	if query.Get("cursor") != "" {
		v.Newest = "?" + v.Filter.query().Encode()
	}
	out.data = v
	return out, nil
}

func (x *exchange) eventPath(eventID string) string {
	return x.root + "events/" + url.PathEscape(eventID)
}

type eventView struct {
	webhook.EventDetail

	Unknown  string // why there is nothing else
	Payload  []token
	Verdicts []verdictRow
	Rows     []deliveryRow
}

type verdictRow struct {
	webhook.Verdict

	Word     words.Text
	Tone     string
	Path     string // of the webhook
	Lost     bool   // the event itself cannot be read
	Delivery string // its path, empty if there is none
}

// event shows an event, and says of each webhook what became of it.
func (p *Portal) event(x *exchange) (answer, error) {
	ctx := x.R.Context()
	e, err := p.svc.Event(ctx, x.MerchantID, x.EventID)
	if errors.Is(err, webhook.ErrNotFound) && id.Valid(x.EventID) {
		why, err := p.svc.Why(ctx, x.MerchantID, x.EventID)
		v := eventView{EventDetail: webhook.EventDetail{EventRecord: why.Event}, Unknown: x.unknown(why)}
		return answer{status: http.StatusNotFound, template: "event", title: x.Say("Unknown event"), nav: "events", data: v}, err
	}
	if err != nil && (!errors.Is(err, webhook.ErrDamaged) || e.ID == "" || e.Type != "") { // Of a damaged one, there are deliveries.
		return answer{}, err
	}
	v := eventView{EventDetail: e, Payload: tokens(e.Sent.Body)}
	hosts := map[string]string{}
	for i := range e.Verdicts {
		row := newVerdictRow(&e.Verdicts[i])
		row.Lost = e.Type == ""
		row.Path = x.root + "webhooks/" + row.WebhookID
		if row.DeliveryID != "" && row.Deliveries > 0 {
			row.Delivery = row.Path + "/deliveries/" + row.DeliveryID
		}
		hosts[row.WebhookID] = host(row.URL)
		v.Verdicts = append(v.Verdicts, row)
	}
	for i := range e.Deliveries {
		d := &e.Deliveries[i]
		v.Rows = append(v.Rows, deliveryRow{*d, x.root + "webhooks/" + d.WebhookID + "/deliveries/" + d.ID, cmp.Or(hosts[d.WebhookID], short(d.WebhookID))})
	}
	return answer{status: http.StatusOK, template: "event", title: cmp.Or(e.Type, x.Say("Unknown event")), nav: "events", data: v}, nil
}

// newVerdictRow has the word of a verdict, and its colour. The page has the sentence.
func newVerdictRow(v *webhook.Verdict) verdictRow {
	row := verdictRow{Verdict: *v, Tone: "off"}
	switch v.Fate {
	case webhook.FateDelivered:
		row.Word, row.Tone = "Delivered", "ok"
	case webhook.FatePending:
		row.Word, row.Tone = "Pending", "wait"
	case webhook.FateFailed:
		row.Word, row.Tone = "Failed", "bad"
	case webhook.FateMissed:
		row.Word, row.Tone = "Missed", "bad"
	case webhook.FateDamaged:
		row.Word, row.Tone = "Set aside", "bad"
	case webhook.FateNotSubscribed:
		row.Word = "Not subscribed"
	case webhook.FateDisabled:
		row.Word = "Disabled"
	case webhook.FateNotThere:
		row.Word = "Not registered yet"
	case webhook.FatePruned:
		row.Word = "Pruned"
	default:
		row.Word = "Not known"
	}
	return row
}
