package portal

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const (
	listPage    = 20
	recentShown = 8
	recentRead  = 120 // deliveries behind the picture of a webhook
	listRead    = 72  // and behind that of one of many
)

type listView struct {
	Rows     []listRow
	Damaged  []string // ids of webhooks that cannot be read
	Total    int
	Page     int
	Newer    int // page numbers, 0: none
	Older    int
	ActiveOf bool   // only active ones
	Own      string // event types to name, of a catalog that the host has made
	Nobody   bool   // as an operator is told: nothing is known of this merchant
}

type listRow struct {
	webhook.Webhook

	Health health
	Path   string
}

func (p *Portal) list(x *exchange) (answer, error) {
	ctx := x.R.Context()
	query := x.R.URL.Query()
	v := listView{Page: pageNumber(query.Get("page")), ActiveOf: query.Get("show") == "active"}
	page, err := p.svc.Webhooks(ctx, x.MerchantID, webhook.WebhookQuery{
		ActiveOnly: v.ActiveOf, // All of them, because those with problems come first.
	})
	if err != nil {
		return answer{}, err
	}
	v.Total, v.Damaged, v.Own = page.Total, page.Damaged, x.own(p.svc.Catalog())
	slices.SortStableFunc(page.Webhooks, func(a, b webhook.Webhook) int { return cmp.Compare(newStanding(a).rank, newStanding(b).rank) })
	from := min((v.Page-1)*listPage, len(page.Webhooks))
	for _, w := range page.Webhooks[from:min(from+listPage, len(page.Webhooks))] {
		recent, err := p.svc.Deliveries(ctx, x.MerchantID, w.ID, webhook.DeliveryQuery{Limit: listRead})
		if err != nil && !errors.Is(err, webhook.ErrDamaged) { // Its own page says what is wrong.
			return answer{}, err
		}
		v.Rows = append(v.Rows, listRow{w, x.newHealth(recent.Deliveries, 24), x.root + "webhooks/" + w.ID})
	}
	if v.Page*listPage < page.Total {
		v.Older = v.Page + 1
	}
	v.Newer = v.Page - 1
	if x.Who.AnyMerchant && len(v.Rows) == 0 && len(v.Damaged) == 0 && !v.ActiveOf {
		known, err := p.knows(x, x.MerchantID)
		if err != nil {
			return answer{}, err
		}
		v.Nobody = !known
	}
	return answer{status: http.StatusOK, template: "list", title: x.Say("Webhooks"), nav: "webhooks", data: v}, nil
}

// typesNamed is how many event types a text names.
const typesNamed = 3

// own names some event types of a catalog, and none of one that has all of the default's as they are.
func (s speech) own(c *event.Catalog) string {
	if len(c.Replaced()) == 0 {
		return ""
	}
	var names []string
	for e := range c.All() {
		if e.Subscribable() && len(names) < typesNamed {
			names = append(names, string(e.Type))
		}
	}
	return s.list(names)
}

// pageNumber parses the number of a page. Anything else is the first page.
func pageNumber(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 500 {
		return 1
	}
	return n
}

type showView struct {
	webhook.Webhook

	Health   health
	Stats    webhook.Stats
	Recent   []deliveryRow
	All      bool // all event types
	ByFaults bool // failures have disabled it
	Gone     bool // it answered 410
	Samples  []event.Type
}

func (p *Portal) show(x *exchange) (answer, error) {
	v, err := p.showView(x)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, template: "webhook", title: host(v.URL), nav: "webhooks", data: v}, nil
}

func (p *Portal) showView(x *exchange) (showView, error) {
	ctx := x.R.Context()
	w, err := p.svc.Webhook(ctx, x.MerchantID, x.WebhookID)
	if err != nil {
		return showView{}, err
	}
	recent, err := p.svc.Deliveries(ctx, x.MerchantID, x.WebhookID, webhook.DeliveryQuery{Limit: recentRead})
	if err != nil {
		return showView{}, err
	}
	stats, err := p.svc.Stats(ctx, x.MerchantID, x.WebhookID)
	if err != nil {
		return showView{}, err
	}
	return showView{
		Webhook: w, Health: x.newHealth(recent.Deliveries, 60), Stats: stats,
		Recent: x.rows(recent.Deliveries[:min(len(recent.Deliveries), recentShown)]),
		All:    len(w.Events) == 1 && w.Events[0] == webhook.EveryType, ByFaults: w.DisabledReason == webhook.ReasonFailures, Gone: w.DisabledReason == webhook.ReasonGone,
		Samples: p.samples(),
	}, nil
}

// samples lists the event types of which the catalog has an example.
func (p *Portal) samples() []event.Type {
	var out []event.Type
	for e := range p.svc.Catalog().All() {
		if e.Subscribable() && e.Example != nil {
			out = append(out, e.Type)
		}
	}
	return out
}

func (p *Portal) catalog(x *exchange) (answer, error) {
	var entries []entryView
	for e := range p.svc.Catalog().All() {
		entries = append(entries, entryView{Entry: e, Example: tokens(p.svc.Example(e.Type).Body)})
	}
	return answer{status: http.StatusOK, template: "catalog", title: x.Say("Event catalog"), nav: "catalog", data: entries}, nil
}
