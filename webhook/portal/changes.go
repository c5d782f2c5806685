package portal

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/words"
)

type changesView struct {
	Webhook webhook.Webhook
	Rows    []changeRow
	Kept    int // at most
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
	v := changesView{Webhook: w, Kept: webhook.MaxChanges}
	for _, c := range all {
		v.Rows = append(v.Rows, changeRow{At: c.At, Who: x.changedBy(c), What: x.changed(c)})
	}
	return answer{status: http.StatusOK, template: "changes", title: x.Say("Changes"), nav: "webhooks", data: v}, nil
}

func (s speech) changedBy(c webhook.Change) string {
	switch {
	case c.Actor == webhook.ActorProbe:
		return s.Say("a probe of ours")
	case c.Actor != "":
		return c.Actor
	case slices.Contains(c.Fields, "status") && c.Status == webhook.Disabled && c.Reason != webhook.ReasonRequest:
		return s.Say("failures")
	}
	return s.Say("somebody whose name was not recorded")
}

// changed says what a change did.
func (s speech) changed(c webhook.Change) []string {
	var out []string
	if len(c.Fields) == 0 {
		out = append(out, s.Say("Created"))
	}
	for _, field := range c.Fields {
		switch field {
		case "status":
			out = append(out, s.Say(statusChange(c)))
		case "secret":
			out = append(out, s.Say("Secret or key rotated"))
		case "encoding":
			out = append(out, s.Say("Payload encoding changed"))
		case "headers":
			out = append(out, s.Say("Headers changed"))
		case "description":
			out = append(out, s.Say("Description changed"))
		case "metadata":
			out = append(out, s.Say("Metadata changed"))
		case "rateLimit":
			out = append(out, s.Say("Rate limit changed"))
		}
	}
	if c.URL != "" {
		out = append(out, s.Say("Endpoint URL: %s", c.URL))
	}
	if c.Events != nil {
		types := strings.Join(c.Events, ", ")
		if slices.Equal(c.Events, []string{webhook.EveryType}) {
			types = s.Say("all")
		}
		out = append(out, s.Say("Events: %s", types))
	}
	return out
}

func statusChange(c webhook.Change) words.Text {
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
