package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func (h *Handler) deliveries(x *exchange) (answer, error) {
	q := x.query()
	in := webhook.DeliveryQuery{
		Limit:  q.whole("limit", defaultPage, 1, webhook.MaxPage),
		Offset: q.whole("offset", 0, 0, webhook.MaxOffset),
	}
	in.Since, in.Until = q.span()
	status, given := q.one("status")
	in.Status = webhook.DeliveryStatus(status)
	switch in.Status {
	case webhook.DeliveryPending, webhook.DeliverySucceeded, webhook.DeliveryFailed:
	default:
		if given {
			q.bad.add("status", "must be pending, success or failed")
		}
	}
	in.EventType, in.EventID = q.eventType("eventType"), q.eventID("eventId")
	var follow bool
	if in.Cursor, follow = q.one("cursor"); follow && in.Offset > 0 {
		q.bad.add("offset", "cannot be used together with cursor")
	}
	if follow && in.EventID != "" { // They are few, and on one page.
		q.bad.add("cursor", "cannot be used together with eventId")
	}
	if err := invalidIf(q.done()); err != nil {
		return answer{}, err
	}
	page, err := h.svc.Deliveries(x.R.Context(), x.MerchantID, x.WebhookID, in)
	if err != nil {
		return answer{}, err
	}
	stats, err := h.svc.Stats(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	v := deliveriesView{
		Deliveries: make([]deliveryView, len(page.Deliveries)),
		Damaged:    page.Damaged,
		Stats:      newStatsView(stats),
		Pagination: paginationView{Limit: in.Limit, Offset: in.Offset},
	}
	if in.EventType == "" && in.EventID == "" && in.Since.IsZero() && in.Until.IsZero() { // Otherwise only a walk could tell.
		total := int(stats.Count(in.Status))
		v.Pagination.Total = &total
	}
	paused, err := h.paused(x, page.Deliveries...)
	if err != nil {
		return answer{}, err
	}
	for i := range page.Deliveries {
		d := &page.Deliveries[i]
		v.Deliveries[i] = newDeliveryView(d, paused[d.WebhookID])
	}
	// A page that looked at very many deliveries may be short, and is not the last then.
	if follow || len(page.Deliveries) < in.Limit {
		v.Pagination.NextCursor = page.Next
	}
	return answer{status: http.StatusOK, data: v}, nil
}

func (h *Handler) delivery(x *exchange) (answer, error) {
	d, err := h.svc.Delivery(x.R.Context(), x.MerchantID, x.WebhookID, x.DeliveryID)
	if err != nil {
		return answer{}, err
	}
	paused, err := h.paused(x, d.Delivery)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, data: newDetailView(&d, paused[d.WebhookID])}, nil
}

// paused tells, by their ids, which webhooks have to be enabled before pending ones of
// these deliveries go on.
func (h *Handler) paused(x *exchange, of ...webhook.Delivery) (map[string]bool, error) {
	out := map[string]bool{}
	for _, d := range of {
		if _, known := out[d.WebhookID]; known || d.Status != webhook.DeliveryPending {
			continue
		}
		w, err := h.svc.Webhook(x.R.Context(), x.MerchantID, d.WebhookID)
		// The log of a damaged one can be read all the same, and one may be deleted meanwhile.
		if err != nil && !errors.Is(err, webhook.ErrDamaged) && !errors.Is(err, webhook.ErrNotFound) {
			return nil, err
		}
		out[d.WebhookID] = w.Status == webhook.Disabled
	}
	return out, nil
}

// test answers 200 with the outcome if it was asked to wait and there is one,
// otherwise 202.
func (h *Handler) test(x *exchange) (answer, error) {
	q := x.query()
	wait, detect, set := q.flag("wait"), q.flag("detect"), q.flag("set")
	of, sample := q.one("eventType")
	if sample && detect {
		q.bad.add("eventType", "does not go together with detect=true")
	}
	if set && !detect {
		q.bad.add("set", "goes together with detect=true")
	}
	m, err := x.optionalBody()
	if err != nil {
		return answer{}, err
	}
	if err := invalidIf(append(q.done(), m.done()...)); err != nil {
		return answer{}, err
	}
	if detect {
		return h.detect(x, set)
	}
	if err := h.testSlots(x, 1); err != nil {
		return answer{}, err
	}
	send := h.svc.Test
	if sample {
		send = func(ctx context.Context, merchantID, webhookID string) (webhook.Delivery, error) {
			return h.svc.Sample(ctx, merchantID, webhookID, event.Type(of))
		}
	}
	d, err := send(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	if wait {
		ctx, cancel := context.WithTimeout(x.R.Context(), h.opts.TestWait)
		defer cancel()
		if d, err = h.svc.Await(ctx, x.MerchantID, x.WebhookID, d.ID); err != nil {
			return answer{}, err
		}
	}
	status := http.StatusAccepted
	if d.Status != webhook.DeliveryPending {
		status = http.StatusOK
	}
	return answer{status: status, data: newDeliveryView(&d, false)}, nil
}

// detect answers with what it has found, and sets the encoding if that was asked
// for and is of use.
func (h *Handler) detect(x *exchange, set bool) (answer, error) {
	if err := h.testSlots(x, webhook.MaxProbes); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(x.R.Context(), h.opts.TestWait)
	defer cancel()
	d, err := h.svc.Detect(ctx, x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	w, err := h.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	set = set && d.Receiver == webhook.FoundRewrites && w.Encoding != d.Encoding
	if set {
		if w, err = h.svc.Update(x.R.Context(), x.MerchantID, x.WebhookID, webhook.Update{Encoding: &d.Encoding}); err != nil {
			return answer{}, err
		}
	}
	return answer{status: http.StatusOK, data: newDetectionView(h.opts.Words, w, d, set)}, nil
}

func (h *Handler) redeliver(x *exchange) (answer, error) {
	if err := x.noBody(); err != nil {
		return answer{}, err
	}
	wait, err := h.svc.ReserveRedelivery(x.R.Context(), x.MerchantID, x.WebhookID, x.DeliveryID)
	if err == nil && wait > 0 {
		err = x.tooMany(wait)
	}
	if err != nil {
		return answer{}, err
	}
	d, err := h.svc.Redeliver(x.R.Context(), x.MerchantID, x.WebhookID, x.DeliveryID)
	if err != nil {
		return answer{}, err
	}
	paused, err := h.paused(x, d)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusAccepted, data: x.redelivered(&d, paused[d.WebhookID])}, nil
}

// redelivered says whether a delivery is the one that was to be sent again.
func (x *exchange) redelivered(d *webhook.Delivery, paused bool) redeliveredView {
	return redeliveredView{newDeliveryView(d, paused), d.ID == x.DeliveryID}
}

func (h *Handler) publish(x *exchange) (answer, error) {
	m, err := x.body(eventLimits())
	if err != nil {
		return answer{}, err
	}
	var e event.Event
	m.require("type", "data")
	if s := m.text("type"); s != nil {
		e.Type = event.Type(*s)
	}
	if data := m.take("data"); data != nil {
		if data[0] != '{' {
			m.bad.add("data", "must be an object")
		}
		e.Data = json.RawMessage(data)
	}
	if s := m.text("id"); s != nil {
		if e.ID = *s; e.ID == "" {
			m.bad.add("id", "must not be empty; leave it out to get a new one")
		}
	}
	if bad := m.done(); len(bad) > 0 {
		return answer{}, invalidIf(bad.with(h.svc.CheckEvent(e)))
	}
	p, err := h.svc.Publish(x.R.Context(), x.MerchantID, e)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusAccepted, data: publishedView{
		EventID: p.EventID, Deliveries: len(p.Deliveries), Missed: len(p.Missed), Duplicate: p.Duplicate,
	}}, nil
}
