package portal

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/rag-assistant/webhooks/webhook"
)

func (p *Portal) cancelDelivery(x *exchange) (answer, error) {
	d, err := p.svc.CancelDelivery(x.R.Context(), x.MerchantID, x.WebhookID, x.DeliveryID)
	if err != nil {
		return answer{}, err
	}
	return answer{redirect: x.hook() + "/deliveries/" + d.ID + "?done=cancelled"}, nil
}

type cancelView struct {
	Webhook webhook.Webhook
	Pending int64
}

func (p *Portal) cancelForm(x *exchange) (answer, error) {
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	stats, err := p.svc.Stats(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	if !x.Who.May(webhook.ScopeWrite) {
		return answer{}, errScope
	}
	v := cancelView{Webhook: w, Pending: stats.Pending}
	return answer{status: http.StatusOK, template: "cancel", title: x.Say("Cancel deliveries"), nav: "webhooks", data: v}, nil
}

func (p *Portal) cancelPending(x *exchange) (answer, error) {
	done, err := p.svc.CancelPending(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	q := url.Values{"done": {"gaveup"}, "n": {strconv.Itoa(done.Deliveries)}}
	if done.More {
		q.Set("done", "gaveupsome")
	}
	return answer{redirect: x.hook() + "/deliveries?" + q.Encode()}, nil
}
