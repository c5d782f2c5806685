package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// defaultPage is how long a page of a list is unless the caller says.
const defaultPage = 100

func (h *Handler) register(x *exchange) (answer, error) {
	m, err := x.body(bodyLimits())
	if err != nil {
		return answer{}, err
	}
	var in webhook.Registration
	if s := m.text("url"); s != nil {
		in.URL = *s
	}
	in.Events = m.texts("events")
	if s := m.text("payloadEncoding"); s != nil {
		in.Encoding = named[webhook.Encoding](*s)
	}
	if s := m.text("signature"); s != nil {
		in.Signature = named[webhook.Scheme](*s)
	}
	if s := m.text("description"); s != nil {
		in.Description = *s
	}
	in.Metadata, in.Headers = m.pairs("metadata"), m.pairs("headers")
	if n := m.number("rateLimit"); n != nil {
		if in.RateLimit = *n; *n == 0 { // Which would be no limit.
			in.RateLimit = -1
		}
	}
	if bad := m.done(); len(bad) > 0 {
		return answer{}, invalidIf(bad.with(h.svc.CheckRegistration(in)))
	}
	out, err := h.svc.Register(x.R.Context(), x.MerchantID, in)
	if err != nil {
		return answer{}, err
	}
	v := newSecretView(h.opts.Words, out)
	v.settingsView = newSettingsView(out.Webhook)
	return answer{status: http.StatusCreated, etag: etag(out.Webhook.Version), data: v}, nil
}

// named keeps an empty name from meaning the default.
func named[T ~string](s string) T {
	if s == "" {
		return "none"
	}
	return T(s)
}

func (h *Handler) list(x *exchange) (answer, error) {
	q := x.query()
	in := webhook.WebhookQuery{
		ActiveOnly: q.flag("activeOnly"),
		Limit:      q.whole("limit", defaultPage, 1, webhook.MaxPage),
		Offset:     q.whole("offset", 0, 0, webhook.MaxOffset),
	}
	if err := invalidIf(q.done()); err != nil {
		return answer{}, err
	}
	page, err := h.svc.Webhooks(x.R.Context(), x.MerchantID, in)
	if err != nil {
		return answer{}, err
	}
	v := webhooksView{
		Webhooks:   make([]webhookView, len(page.Webhooks)),
		Damaged:    page.Damaged,
		Pagination: paginationView{Limit: in.Limit, Offset: in.Offset, Total: &page.Total},
	}
	for i, w := range page.Webhooks {
		v.Webhooks[i] = newWebhookView(w)
	}
	return answer{status: http.StatusOK, data: v}, nil
}

func (h *Handler) eventTypes(x *exchange) (answer, error) {
	if !id.ValidMerchant(x.MerchantID) {
		return answer{}, invalid("merchantId", id.MerchantRule)
	}
	catalog := h.svc.Catalog()
	v := eventTypesView{EventTypes: make([]eventTypeView, 0, len(catalog.Entries()))}
	for e := range catalog.All() {
		one := eventTypeView{Entry: e}
		if catalog.Shape() != nil { // Nobody gets the event itself.
			one.Example = nil
			_, one.Sent = newSentView(h.svc.Example(e.Type))
		}
		v.EventTypes = append(v.EventTypes, one)
	}
	return answer{status: http.StatusOK, data: v}, nil
}

func (h *Handler) show(x *exchange) (answer, error) {
	w, err := h.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, etag: etag(w.Version), data: newWebhookView(w)}, nil
}

func (h *Handler) update(x *exchange) (answer, error) {
	m, err := x.body(bodyLimits())
	if err != nil {
		return answer{}, err
	}
	in := webhook.Update{
		URL: m.text("url"), Events: m.texts("events"),
		Description: m.text("description"), Metadata: m.pairs("metadata"), Headers: m.pairs("headers"), RateLimit: m.number("rateLimit"),
	}
	if s := m.text("status"); s != nil {
		status := webhook.Status(*s)
		in.Status = &status
	}
	if s := m.text("payloadEncoding"); s != nil {
		encoding := named[webhook.Encoding](*s)
		in.Encoding = &encoding
	}
	if bad := m.done(); len(bad) > 0 {
		return answer{}, invalidIf(bad.with(h.svc.CheckUpdate(in)))
	}
	if in.IfVersion, err = h.ifMatch(x); err != nil {
		return answer{}, err
	}
	w, err := h.svc.Update(x.R.Context(), x.MerchantID, x.WebhookID, in)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, etag: etag(w.Version), data: newWebhookView(w)}, nil
}

func (h *Handler) remove(x *exchange) (answer, error) {
	version, err := h.ifMatch(x)
	if err != nil {
		return answer{}, err
	}
	if err := h.svc.Delete(x.R.Context(), x.MerchantID, x.WebhookID, version); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, data: deletedView{WebhookID: x.WebhookID, Deleted: true}}, nil
}

// publicKey answers for webhooks that have one. Those with a secret do not, and
// the answer is not that of an unknown webhook, which would send one looking for a
// wrong id.
func (h *Handler) publicKey(x *exchange) (answer, error) {
	w, err := h.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	if w.PublicKey == "" {
		return answer{}, errNoPublicKey
	}
	v := publicKeyView{WebhookID: w.ID, Signature: w.Signature, PublicKey: w.PublicKey, PreviousPublicKey: w.PreviousPublicKey}
	if v.PreviousPublicKey != "" {
		v.PreviousSecretUntil = stamp(w.PreviousUntil)
	}
	return answer{status: http.StatusOK, data: v}, nil
}

// ifMatch returns the version that the header If-Match asks for (RFC 9110,
// section 13.1.1), 0 for any. The store compares it once more as it changes the
// webhook.
func (h *Handler) ifMatch(x *exchange) (int64, error) {
	wanted := strings.TrimSpace(strings.Join(x.R.Header.Values("If-Match"), ","))
	if wanted == "" || wanted == "*" {
		return 0, nil
	}
	w, err := h.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return 0, err
	}
	for tag := range strings.SplitSeq(wanted, ",") {
		if strings.TrimSpace(tag) == etag(w.Version) {
			return w.Version, nil
		}
	}
	return 0, webhook.ErrVersion
}

func (h *Handler) rotate(x *exchange) (answer, error) {
	m, err := x.optionalBody()
	if err != nil {
		return answer{}, err
	}
	grace := m.whole("graceSeconds", int64(webhook.DefaultGrace/time.Second))
	if err := invalidIf(m.done()); err != nil {
		return answer{}, err
	}
	// Rotate refuses both ends; a product that wraps around it could not.
	grace = min(max(grace, -1), int64(webhook.MaxGrace/time.Second)+1)
	out, err := h.svc.Rotate(x.R.Context(), x.MerchantID, x.WebhookID, time.Duration(grace)*time.Second)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, etag: etag(out.Webhook.Version), data: newSecretView(h.opts.Words, out)}, nil
}
