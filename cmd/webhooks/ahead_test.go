package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

// eventsAhead answers the routes of the event log from the service, in front of an API that
// does not have them.
func eventsAhead(svc *webhook.Service, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", h)
	type object = map[string]any
	answer := func(w http.ResponseWriter, data any, err error) {
		text, _ := json.Marshal(data)
		if err != nil {
			fail(w, http.StatusBadRequest, fmt.Sprintf(`{"code":"invalid_request","message":%q}`, err))
			return
		}
		_, _ = fmt.Fprintf(w, `{"success":true,"data":%s}`, text)
	}
	mux.HandleFunc("GET /api/merchants/{m}/events", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		limit, _ := strconv.Atoi(cmp.Or(q.Get("limit"), "100"))
		since, _ := time.Parse(time.RFC3339, q.Get("since"))
		page, err := svc.Events(r.Context(), r.PathValue("m"), webhook.EventQuery{Since: since, Limit: limit, Cursor: q.Get("cursor")})
		events := []object{}
		for _, e := range page.Events {
			events = append(events, object{"id": e.ID, "type": e.Type, "createdAt": e.CreatedAt.UTC().Format(time.RFC3339)})
		}
		answer(w, object{"events": events, "next": page.Next}, err)
	})
	mux.HandleFunc("GET /api/merchants/{m}/events/{e}", func(w http.ResponseWriter, r *http.Request) {
		why, err := svc.Why(r.Context(), r.PathValue("m"), r.PathValue("e"))
		if err == nil && !why.Known {
			fail(w, http.StatusNotFound, fmt.Sprintf(`{"code":"not_found","message":%q}`, why.Text))
			return
		}
		verdicts := []object{}
		for _, v := range why.Verdicts {
			verdicts = append(verdicts, object{"webhookId": v.WebhookID, "url": v.URL, "deliveryId": v.DeliveryID, "text": v.Text})
		}
		d, detailErr := svc.Event(r.Context(), r.PathValue("m"), r.PathValue("e"))
		answer(w, object{"id": d.ID, "type": d.Type, "text": why.Text, "payload": d.Payload, "verdicts": verdicts}, errors.Join(err, detailErr))
	})
	return mux
}
