package portal

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
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
	out := answer{status: http.StatusOK, template: "events", title: "Events", nav: "events"}
	in := v.Filter.read()
	if v.ID != "" {
		v.Filter.Errors["id"] = "This is not the id of an event."
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

	Word, Tone, Rest string
	Path             string // of the webhook
	Delivery         string // its path, empty if there is none
}

// event shows an event, and says of each webhook what became of it.
func (p *Portal) event(x *exchange) (answer, error) {
	ctx := x.R.Context()
	e, err := p.svc.Event(ctx, x.MerchantID, x.EventID)
	if errors.Is(err, webhook.ErrNotFound) && id.Valid(x.EventID) {
		why, err := p.svc.Why(ctx, x.MerchantID, x.EventID)
		v := eventView{EventDetail: webhook.EventDetail{EventRecord: why.Event}, Unknown: why.Text}
		return answer{status: http.StatusNotFound, template: "event", title: "Unknown event", nav: "events", data: v}, err
	}
	if err != nil && (!errors.Is(err, webhook.ErrDamaged) || e.ID == "" || e.Type != "") { // Of a damaged one, there are deliveries.
		return answer{}, err
	}
	v := eventView{EventDetail: e, Payload: tokens(e.Sent.Body)}
	hosts := map[string]string{}
	for i := range e.Verdicts {
		row := newVerdictRow(&e.Verdicts[i])
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
	return answer{status: http.StatusOK, template: "event", title: cmp.Or(e.Type, "Unknown event"), nav: "events", data: v}, nil
}

// newVerdictRow takes the first word out of a verdict's sentence, for it is shown before.
func newVerdictRow(v *webhook.Verdict) verdictRow {
	row := verdictRow{Verdict: *v, Tone: "off", Rest: v.Text}
	var first string
	switch v.Fate {
	case webhook.FateDelivered:
		first, row.Tone = "delivered", "ok"
	case webhook.FatePending:
		first, row.Tone = "pending", "wait"
	case webhook.FateFailed:
		first, row.Tone = "failed", "bad"
	case webhook.FateMissed:
		first, row.Tone = "missed", "bad"
	case webhook.FateDamaged:
		first, row.Tone = "set aside", "bad"
	case webhook.FateNotSubscribed:
		first = "not subscribed"
	case webhook.FateDisabled:
		first = "disabled"
	case webhook.FateNotThere:
		first = "not registered yet"
	case webhook.FatePruned:
		first = "pruned"
	default:
		first = "not known"
	}
	if rest, cut := strings.CutPrefix(v.Text, first); cut {
		row.Rest = strings.TrimLeft(strings.TrimPrefix(rest, " any more"), ": ")
	}
	switch v.Fate { //nolint:exhaustive // Others have no code, for which the page has words.
	case webhook.FateFailed:
		row.Rest, _, _ = strings.Cut(row.Rest, ": ")
		row.Rest += "."
	case webhook.FatePending:
		for _, codes := range []string{" Attempts so far:", " It has failed after"} {
			row.Rest, _, _ = strings.Cut(row.Rest, codes)
		}
	}
	row.Word, row.Rest = capital(first), capital(row.Rest)
	return row
}
