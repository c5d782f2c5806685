package portal

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// newToken names a form, so that it acts once however often it is sent.
func newToken() string { return id.New("form_") }

// token returns the key of the form that was sent, bound to an action.
func (x *exchange) token(action string) (string, error) {
	token := x.form.Get("token")
	if !id.Valid(token) {
		return "", errIncomplete
	}
	return "portal|" + action + "|" + x.WebhookID + "|" + x.DeliveryID + "|" + token, nil
}

// secretView shows a secret, or says that it was shown.
type secretView struct {
	Webhook webhook.Webhook
	Secret  string
	New     bool // the webhook is, too
	Token   string
	Grace   time.Duration
}

func (p *Portal) newForm(x *exchange) (answer, error) {
	if !x.Who.May(webhook.ScopeWrite) {
		return answer{}, errScope
	}
	f := newForm(x.speech, p.svc.Catalog())
	f.Encoding, f.Signature = string(webhook.EncodingStandard), string(webhook.SchemeSecret)
	f.Token = newToken()
	f.addRows()
	return f.answer(http.StatusOK), nil
}

// create registers a webhook and shows its secret in the answer itself, so that it
// need not be kept anywhere. A form that is sent again, as by a reload, makes no
// second webhook.
func (p *Portal) create(x *exchange) (answer, error) {
	f := p.readWebhookForm(x)
	token, err := x.token("create")
	if err != nil {
		return answer{}, err
	}
	f.Token = x.form.Get("token")
	if x.form.Get("action") == "rows" {
		f.addRows()
		return f.answer(http.StatusOK), nil
	}
	in, ok := f.registration()
	if !ok {
		return f.answer(http.StatusUnprocessableEntity), nil
	}
	var made webhook.Registered
	webhookID, again, err := p.svc.Once(x.R.Context(), x.MerchantID, token, nil, func(ctx context.Context) (string, error) {
		var err error
		made, err = p.svc.Register(ctx, x.MerchantID, in)
		return made.Webhook.ID, err
	})
	if made.Webhook.ID == "" && err != nil {
		if f.refused(err) {
			return f.answer(http.StatusUnprocessableEntity), nil
		}
		return answer{}, err
	}
	x.WebhookID = webhookID
	if again {
		return p.shownBefore(x, true)
	}
	// The secret is shown even if that could not be noted.
	x.WebhookID = made.Webhook.ID
	return x.secretAnswer(http.StatusCreated, secretView{Webhook: made.Webhook, Secret: made.Secret.Reveal(), New: true}), nil
}

func (x *exchange) secretAnswer(status int, v secretView) answer {
	title := x.Say("New secret")
	if v.New {
		title = x.Say("Webhook created")
	}
	return answer{status: status, template: "secret", title: title, nav: "webhooks", data: v}
}

// shownBefore answers a form that was sent before.
func (p *Portal) shownBefore(x *exchange, created bool) (answer, error) {
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	out := x.secretAnswer(http.StatusConflict, secretView{Webhook: w, New: created, Token: newToken()})
	if w.PublicKey == "" {
		out.title = x.Say("Secret shown before")
	}
	return out, nil
}

type rotateView struct {
	Webhook webhook.Webhook
	Grace   string // hours
	Token   string
}

func (p *Portal) rotateForm(x *exchange) (answer, error) {
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	if !x.Who.May(webhook.ScopeWrite) {
		return answer{}, errScope
	}
	v := rotateView{Webhook: w, Grace: "24", Token: newToken()}
	if w.PreviousUntil.After(time.Now()) {
		v.Grace = "0"
	}
	return answer{status: http.StatusOK, template: "rotate", title: x.Say("Rotate secret"), nav: "webhooks", data: v}, nil
}

func (p *Portal) rotate(x *exchange) (answer, error) {
	token, err := x.token("rotate")
	if err != nil {
		return answer{}, err
	}
	hours, err := strconv.Atoi(x.form.Get("grace"))
	if err != nil || hours < 0 || hours > int(webhook.MaxGrace/time.Hour) {
		return answer{}, errIncomplete
	}
	grace := time.Duration(hours) * time.Hour
	var made webhook.Registered
	_, again, err := p.svc.Once(x.R.Context(), x.MerchantID, token, nil, func(ctx context.Context) (string, error) {
		var err error
		made, err = p.svc.Rotate(ctx, x.MerchantID, x.WebhookID, grace)
		return "rotated", err
	})
	if made.Webhook.ID == "" && err != nil {
		return answer{}, err
	}
	if again {
		return p.shownBefore(x, false)
	}
	return x.secretAnswer(http.StatusOK, secretView{Webhook: made.Webhook, Secret: made.Secret.Reveal(), Grace: grace}), nil
}
