package portal

import (
	"context"
	"net/http"
	"net/url"

	"github.com/rag-assistant/webhooks/webhook"
)

type detectionView struct {
	Webhook  webhook.Webhook
	Receiver webhook.ReceiverKind
	Text     string
	Suggest  webhook.Encoding // to be set; empty: none
	Path     string           // of the webhook, from the page that this is on
}

// detect finds out what the endpoint verifies, and offers to set the encoding that it
// needs. The answer waits for the tests, with or without a script.
func (p *Portal) detect(x *exchange) (answer, error) {
	ctx := x.R.Context()
	if err := p.testSlots(x, webhook.MaxProbes); err != nil {
		return answer{}, err
	}
	short, cancel := context.WithTimeout(ctx, p.opts.TestWait)
	defer cancel()
	d, err := p.svc.Detect(short, x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	v := detectionView{Receiver: d.Receiver, Path: x.hook()}
	if v.Webhook, err = p.svc.Webhook(ctx, x.MerchantID, x.WebhookID); err != nil {
		return answer{}, err
	}
	v.Text = x.found(d, v.Webhook)
	if n := len(d.Probes); d.Receiver == webhook.FoundNothing && n > 0 && d.Probes[n-1].Delivery.Code != "" {
		c := x.explain(d.Probes[n-1].Delivery.Code, d.Probes[n-1].Delivery.StatusCode)
		v.Text = x.Say("%s. %s", c.What, c.Remedy)
	}
	if d.Receiver == webhook.FoundRewrites && d.Encoding != v.Webhook.Encoding {
		v.Suggest = d.Encoding
	}
	out := answer{status: http.StatusOK, template: "detection", title: x.Say("What your endpoint verifies"), nav: "webhooks"}
	if x.partial() {
		out.fragment = "detection"
		v.Path = x.embedded()
	}
	out.data = v
	return out, nil
}

// embedded is the webhook's path as seen from its own page. A script puts what it
// gets into that page.
func (x *exchange) embedded() string {
	return up(len([]string{"webhooks", "id"})) + "webhooks/" + url.PathEscape(x.WebhookID)
}

func (p *Portal) setEncoding(x *exchange) (answer, error) {
	encoding := webhook.Encoding(x.form.Get("encoding"))
	if encoding == "" {
		return answer{}, errIncomplete
	}
	if _, err := p.svc.Update(x.R.Context(), x.MerchantID, x.WebhookID, webhook.Update{Encoding: &encoding}); err != nil {
		return answer{}, err
	}
	return answer{redirect: x.hook() + "?done=encoded"}, nil
}
