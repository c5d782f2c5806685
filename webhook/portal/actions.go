package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func (p *Portal) setStatus(x *exchange) (answer, error) {
	status, told := webhook.Active, "enabled"
	switch x.form.Get("status") {
	case string(webhook.Active):
	case string(webhook.Disabled):
		status, told = webhook.Disabled, "disabled"
	default:
		return answer{}, errIncomplete
	}
	if _, err := p.svc.Update(x.R.Context(), x.MerchantID, x.WebhookID, webhook.Update{Status: &status}); err != nil {
		return answer{}, err
	}
	return answer{redirect: x.hook() + "?done=" + told}, nil
}

type deleteView struct {
	Webhook webhook.Webhook
	Stats   webhook.Stats
	Changed bool // since the form was made
	Damaged bool // nothing of the webhook can be read but its ID
}

func (p *Portal) deleteForm(x *exchange) (answer, error) { return p.askToDelete(x, http.StatusOK) }

func (p *Portal) askToDelete(x *exchange, status int) (answer, error) {
	v := deleteView{Changed: status != http.StatusOK}
	var err error
	v.Webhook, err = p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	v.Damaged = errors.Is(err, webhook.ErrDamaged)
	if err == nil {
		v.Stats, err = p.svc.Stats(x.R.Context(), x.MerchantID, x.WebhookID)
	}
	if err != nil && !v.Damaged {
		return answer{}, err
	}
	if !x.Who.May(webhook.ScopeWrite) {
		return answer{}, errScope
	}
	return answer{status: status, template: "delete", title: x.Say("Delete webhook"), nav: "webhooks", data: v}, nil
}

func (p *Portal) remove(x *exchange) (answer, error) {
	var version int64 // any, for nobody could see which
	var err error
	if x.form.Get("damaged") == "" {
		if version, err = x.version(); err != nil {
			return answer{}, err
		}
	}
	err = p.svc.Delete(x.R.Context(), x.MerchantID, x.WebhookID, version)
	if errors.Is(err, webhook.ErrVersion) {
		return p.askToDelete(x, http.StatusConflict)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{redirect: x.root + "?done=deleted"}, nil
}

// version is the webhook's version when the form was made.
func (x *exchange) version() (int64, error) {
	version, err := strconv.ParseInt(x.form.Get("version"), 10, 64)
	if err != nil || version < 1 {
		return 0, errIncomplete
	}
	return version, nil
}

// test sends a test event, or the sample of a type. A script follows the outcome. Without one, the answer
// waits for it.
func (p *Portal) test(x *exchange) (answer, error) {
	ctx := x.R.Context()
	if err := p.testSlots(x, 1); err != nil {
		return answer{}, err
	}
	d, err := p.svc.Sample(ctx, x.MerchantID, x.WebhookID, cmp.Or(event.Type(x.form.Get("type")), event.TypeWebhookTest))
	if err != nil {
		return answer{}, err
	}
	if x.partial() {
		return x.outcomeOf(d, true), nil
	}
	short, cancel := context.WithTimeout(ctx, p.opts.TestWait)
	defer cancel()
	if _, err := p.svc.Await(short, x.MerchantID, x.WebhookID, d.ID); err != nil {
		return answer{}, err
	}
	return answer{redirect: x.hook() + "/deliveries/" + d.ID + "?done=tested"}, nil
}

type outcomeView struct {
	webhook.Delivery

	Hook   string // path of the webhook
	Path   string // of the delivery
	Follow bool   // a script asks again
	Took   time.Duration
}

// outcomeOf becomes a part of the webhook's page. Its links therefore start at that
// page, not at the address that the script asked.
func (x *exchange) outcomeOf(d webhook.Delivery, follow bool) answer {
	v := outcomeView{
		Delivery: d, Hook: x.embedded(), Path: x.embedded() + "/deliveries/" + d.ID,
		Follow: follow && d.Status == webhook.DeliveryPending,
	}
	if n := len(d.Log); n > 0 {
		v.Took = d.Log[n-1].Duration
	}
	return answer{status: http.StatusOK, template: "outcome", fragment: "outcome", title: x.Say("Outcome"), data: v}
}

// maxOutcomeWait bounds how long a script's request may wait. A server that is
// drained waits for it.
const maxOutcomeWait = 5 * time.Second

// outcome answers a script that follows a delivery, once the delivery has ended or
// after a few seconds. With ?reload, the script only wants to know when to load its
// page again, and the first attempt is enough.
func (p *Portal) outcome(x *exchange) (answer, error) {
	if x.R.URL.Query().Has("reload") {
		d, err := p.svc.Delivery(x.R.Context(), x.MerchantID, x.WebhookID, x.DeliveryID)
		if err != nil {
			return answer{}, err
		}
		if d.Status != webhook.DeliveryPending || d.Attempts > 0 || time.Since(d.CreatedAt) >= patience {
			x.W.Header().Set("HX-Refresh", "true")
		}
		return x.outcomeOf(d.Delivery, true), nil
	}
	ctx, cancel := context.WithTimeout(x.R.Context(), min(p.opts.TestWait, maxOutcomeWait))
	defer cancel()
	d, err := p.svc.Await(ctx, x.MerchantID, x.WebhookID, x.DeliveryID)
	if err != nil {
		return answer{}, err
	}
	return x.outcomeOf(d, time.Since(d.CreatedAt) < patience), nil
}

func (p *Portal) redeliver(x *exchange) (answer, error) {
	token, err := x.token("redeliver")
	if err != nil {
		return answer{}, err
	}
	deliveryID, again, err := p.svc.Once(x.R.Context(), x.MerchantID, token, nil, func(ctx context.Context) (string, error) {
		wait, err := p.svc.ReserveRedelivery(ctx, x.MerchantID, x.WebhookID, x.DeliveryID)
		if err == nil && wait > 0 {
			err = x.tooMany(wait)
		}
		if err != nil {
			return "", err
		}
		d, err := p.svc.Redeliver(ctx, x.MerchantID, x.WebhookID, x.DeliveryID)
		return d.ID, err
	})
	if deliveryID == "" && err != nil {
		return answer{}, err
	}
	told := "redelivered"
	switch {
	case again:
		told = "again"
	case deliveryID == x.DeliveryID:
		told = "forward"
	}
	return answer{redirect: x.hook() + "/deliveries/" + deliveryID + "?done=" + told}, nil
}
