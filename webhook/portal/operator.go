package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// The pages of operators, about all merchants. Each is for a principal with AnyMerchant.

const (
	merchantsShown = 50
	worstShown     = 10
)

// forOperator guards a page that is about no merchant in particular. To others it is not
// there.
func (p *Portal) forOperator(next page) page {
	if next == nil {
		return nil
	}
	return func(x *exchange) (answer, error) {
		if !x.Who.AnyMerchant || p.opts.Operator == nil || x.named {
			return answer{}, webhook.ErrNotFound
		}
		x.MerchantID = "" // Options.Merchant may have named one.
		return next(x)
	}
}

type merchantsView struct {
	Asked     string
	Backlog   operator.Backlog // on the first page of all
	Merchants []merchantRow
	Found     []foundRow
	Next      string // query of a link, empty: none
	Newest    bool   // this is not the first page
}

type merchantRow struct {
	operator.Merchant

	Path string
}

type foundRow struct {
	operator.Found

	What, Name, Path string
}

// merchants lists the merchants, or what a search has found.
func (p *Portal) merchants(x *exchange) (answer, error) {
	query := x.R.URL.Query()
	v := merchantsView{Asked: strings.TrimSpace(query.Get("q")), Newest: query.Get("cursor") != ""}
	out := answer{status: http.StatusOK, template: "merchants", title: x.Say("{Tenants}"), nav: "merchants"}
	var next string
	if v.Asked == "" {
		var err error
		if v.Backlog, err = p.opts.Operator.Backlog(x.R.Context()); err != nil {
			return answer{}, err
		}
		got, err := p.opts.Operator.Merchants(x.R.Context(), operator.Page{Limit: merchantsShown, Cursor: query.Get("cursor")})
		if err != nil {
			return answer{}, err
		}
		for _, m := range got.Merchants {
			v.Merchants = append(v.Merchants, merchantRow{m, x.merchantPath(m.ID)})
		}
		next = got.Next
	} else {
		if err := p.search(x, &v, query.Get("cursor")); err != nil {
			return answer{}, err
		}
		next = v.Next
	}
	if v.Next = ""; next != "" {
		q := url.Values{"cursor": {next}}
		if v.Asked != "" {
			q.Set("q", v.Asked)
		}
		v.Next = "?" + q.Encode()
	}
	out.data = v
	return out, nil
}

// search looks for a merchant by its id first, and then for all else.
func (p *Portal) search(x *exchange, v *merchantsView, cursor string) error {
	if cursor == "" && id.ValidMerchant(v.Asked) {
		known, err := p.knows(x, v.Asked)
		if err != nil {
			return err
		}
		if known {
			v.Found = append(v.Found, foundRow{What: x.Say("{Tenant}"), Name: v.Asked, Path: x.merchantPath(v.Asked), Found: operator.Found{MerchantID: v.Asked}})
		}
	}
	got, err := p.opts.Operator.Search(x.R.Context(), v.Asked, cursor)
	if err != nil {
		return err
	}
	for _, f := range got.Found {
		row := foundRow{Found: f, Path: x.merchantPath(f.MerchantID)}
		switch f.Kind {
		case operator.FoundEvent:
			row.What, row.Name = x.Say("Event"), f.EventID
			row.Path += "events/" + url.PathEscape(f.EventID)
		case operator.FoundDelivery:
			row.What, row.Name = x.Say("Delivery"), f.DeliveryID
			row.Path += "webhooks/" + url.PathEscape(f.WebhookID) + "/deliveries/" + url.PathEscape(f.DeliveryID)
		case operator.FoundWebhook:
			row.What, row.Name = x.Say("Webhook"), f.URL
			if f.URL == "" {
				row.Name = f.WebhookID
			}
			row.Path += "webhooks/" + url.PathEscape(f.WebhookID)
		}
		v.Found = append(v.Found, row)
	}
	v.Next = got.Next
	return nil
}

// knows reports whether a merchant has anything here: a webhook, or an event.
func (p *Portal) knows(x *exchange, merchantID string) (bool, error) {
	hooks, err := p.svc.Webhooks(x.R.Context(), merchantID, webhook.WebhookQuery{Limit: 1})
	if err != nil || hooks.Total > 0 || len(hooks.Damaged) > 0 {
		return err == nil, err
	}
	events, err := p.svc.Events(x.R.Context(), merchantID, webhook.EventQuery{Limit: 1})
	return len(events.Events) > 0, err
}

func (x *exchange) merchantPath(merchantID string) string {
	return x.base + x.Segment() + "/" + url.PathEscape(merchantID) + "/"
}

type troubleView struct {
	State, Host string
	Worst       []troubleRow
	Rows        []troubleRow
	Damaged     []string
	Next        string
}

type troubleRow struct {
	operator.Failing

	Path string
}

// trouble lists the webhooks of all merchants that are failing or disabled, with those that
// fail most on top.
func (p *Portal) trouble(x *exchange) (answer, error) {
	query := x.R.URL.Query()
	v := troubleView{State: query.Get("state"), Host: strings.TrimSpace(query.Get("host"))}
	in := operator.Filter{Host: v.Host}
	switch v.State {
	case "":
	case string(webhook.ConditionFailing):
		in.Health = webhook.ConditionFailing
	case string(webhook.ReasonFailures), string(webhook.ReasonGone), string(webhook.ReasonRequest):
		in.Reason = webhook.Reason(v.State)
	default:
		v.State = ""
	}
	row := func(f operator.Failing) troubleRow {
		return troubleRow{f, x.merchantPath(f.MerchantID) + "webhooks/" + url.PathEscape(f.ID)}
	}
	if v.State == "" && v.Host == "" && query.Get("cursor") == "" {
		worst, err := p.opts.Operator.Failing(x.R.Context(), worstShown)
		if err != nil {
			return answer{}, err
		}
		for _, f := range worst {
			v.Worst = append(v.Worst, row(f))
		}
	}
	page, err := p.opts.Operator.Webhooks(x.R.Context(), in, operator.Page{Limit: logPage, Cursor: query.Get("cursor")})
	if err != nil {
		return answer{}, err
	}
	v.Damaged = page.Damaged
	for _, w := range page.Webhooks {
		v.Rows = append(v.Rows, row(operator.Failing{Webhook: w}))
	}
	if page.Next != "" {
		v.Next = "?" + url.Values{"state": {v.State}, "host": {v.Host}, "cursor": {page.Next}}.Encode()
	}
	return answer{status: http.StatusOK, template: "trouble", title: x.Say("In trouble"), nav: "trouble", data: v}, nil
}
