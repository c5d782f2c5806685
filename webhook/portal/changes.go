package portal

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

type changesView struct {
	Webhook webhook.Webhook
	Rows    []changeRow
}

type changeRow struct {
	At   time.Time
	Who  string
	What []string
}

// changes shows what happened to a webhook, and by whom.
func (p *Portal) changes(x *exchange) (answer, error) {
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	all, err := p.svc.Changes(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	v := changesView{Webhook: w}
	for _, c := range all {
		v.Rows = append(v.Rows, changeRow{At: c.At, Who: changedBy(c), What: changed(c)})
	}
	return answer{status: http.StatusOK, template: "changes", title: "Changes", nav: "webhooks", data: v}, nil
}

func changedBy(c webhook.Change) string {
	switch {
	case c.Actor == webhook.ActorProbe:
		return "a probe of ours"
	case c.Actor != "":
		return c.Actor
	case slices.Contains(c.Fields, "status") && c.Status == webhook.Disabled && c.Reason != webhook.ReasonRequest:
		return "failures"
	}
	return "somebody whose name was not recorded"
}

// changed says what a change did.
func changed(c webhook.Change) []string {
	var out []string
	if len(c.Fields) == 0 {
		out = append(out, "Created")
	}
	for _, field := range c.Fields {
		switch field {
		case "status":
			out = append(out, statusChange(c))
		case "secret":
			out = append(out, "Secret or key rotated")
		case "encoding":
			out = append(out, "Payload encoding changed")
		case "headers":
			out = append(out, "Headers changed")
		case "description":
			out = append(out, "Description changed")
		case "metadata":
			out = append(out, "Metadata changed")
		case "rateLimit":
			out = append(out, "Rate limit changed")
		}
	}
	if c.URL != "" {
		out = append(out, "Endpoint URL: "+c.URL)
	}
	if c.Events != nil {
		types := strings.Join(c.Events, ", ")
		if slices.Equal(c.Events, []string{webhook.EveryType}) {
			types = "all"
		}
		out = append(out, "Events: "+types)
	}
	return out
}

func statusChange(c webhook.Change) string {
	switch {
	case c.Status == webhook.Active:
		return "Enabled"
	case c.Reason == webhook.ReasonFailures:
		return "Disabled after too many failures in a row"
	case c.Reason == webhook.ReasonGone:
		return "Disabled because the endpoint answered 410 Gone"
	}
	return "Disabled"
}
