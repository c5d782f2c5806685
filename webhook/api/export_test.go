package api

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// Route is a path of the table behind the merchant's id, as in
// "/webhooks/{webhookId}", and a method that is allowed there.
type Route struct{ Method, Path string }

// Routes lists the table, so that a test of every route does not miss a new one.
func (h *Handler) Routes() []Route {
	return listed(h.routes)
}

// OperatorRoutes lists the table of operators.
func (h *Handler) OperatorRoutes() []Route { return listed(h.operator) }

func listed(routes []route) (out []Route) {
	for _, rt := range routes {
		for _, method := range slices.Sorted(maps.Keys(rt.methods)) {
			path := "/" + strings.Join(rt.path, "/")
			out = append(out, Route{method, path})
			if method == http.MethodGet {
				out = append(out, Route{http.MethodHead, path})
			}
		}
	}
	return out
}

// Documented lists method and path of all that h serves, as the OpenAPI document does.
func (h *Handler) Documented() []string {
	var out []string
	for _, rt := range h.routes {
		path := strings.Join(rt.path, "/")
		if path == "webhooks/" {
			continue // The same as without the slash.
		}
		for method := range rt.methods {
			out = append(out, method+" /merchants/{merchantId}/"+path)
		}
	}
	for _, r := range h.OperatorRoutes() {
		if r.Method != http.MethodHead {
			out = append(out, r.Method+" "+r.Path)
		}
	}
	return append(out, "GET /"+documentJSON, "GET /"+documentYAML)
}

// Views are the structs that answers are made of, by the names of their schemas in
// the OpenAPI document.
func Views() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Failure":          reflect.TypeFor[failureView](),
		"Error":            reflect.TypeFor[errorView](),
		"ErrorDetail":      reflect.TypeFor[faultView](),
		"WebhookSecret":    reflect.TypeFor[secretView](),
		"Webhook":          reflect.TypeFor[webhookView](),
		"WebhookSettings":  reflect.TypeFor[settingsView](),
		"WebhookKey":       reflect.TypeFor[keyView](),
		"WebhookPublicKey": reflect.TypeFor[publicKeyView](),
		"Detection":        reflect.TypeFor[detectionView](),
		"Probe":            reflect.TypeFor[probeView](),
		"WebhookList":      reflect.TypeFor[webhooksView](),
		"Pagination":       reflect.TypeFor[paginationView](),
		"DeletedWebhook":   reflect.TypeFor[deletedView](),
		"EventTypeList":    reflect.TypeFor[eventTypesView](),
		"EventTypeEntry":   reflect.TypeFor[eventTypeView](),
		"SentPayload":      reflect.TypeFor[sentView](),
		"Delivery":         reflect.TypeFor[deliveryView](),
		"DeliveryList":     reflect.TypeFor[deliveriesView](),
		"DeliveryStats":    reflect.TypeFor[statsView](),
		"Redelivery":       reflect.TypeFor[redeliveredView](),
		"DeliveryDetail":   reflect.TypeFor[detailView](),
		"Attempt":          reflect.TypeFor[attemptView](),
		"HeaderField":      reflect.TypeFor[headerView](),
		"Cancelled":        reflect.TypeFor[cancelledView](),
		"Replayed":         reflect.TypeFor[replayedView](),
		"ReplayCount":      reflect.TypeFor[replayCountView](),
		"ReplayRun":        reflect.TypeFor[replayView](),
		"ReplayList":       reflect.TypeFor[replaysView](),
		"Published":        reflect.TypeFor[publishedView](),

		"PublishedEvent":       reflect.TypeFor[eventView](),
		"PublishedEventList":   reflect.TypeFor[eventsView](),
		"PublishedEventDetail": reflect.TypeFor[eventDetailView](),
		"Verdict":              reflect.TypeFor[verdictView](),
		"WebhookChange":        reflect.TypeFor[changeView](),
		"WebhookChangeList":    reflect.TypeFor[changesView](),
		"Backlog":              reflect.TypeFor[backlogView](),
		"MerchantList":         reflect.TypeFor[merchantsView](),
		"MerchantCounts":       reflect.TypeFor[merchantView](),
		"TroubledList":         reflect.TypeFor[troubledView](),
		"MerchantWebhook":      reflect.TypeFor[foreignView](),
		"FailingList":          reflect.TypeFor[failingListView](),
		"FailingWebhook":       reflect.TypeFor[failingView](),
		"SearchResult":         reflect.TypeFor[searchView](),
		"Found":                reflect.TypeFor[foundView](),
		"JobList":              reflect.TypeFor[jobsView](),
		"Job":                  reflect.TypeFor[jobView](),
		"Selection":            reflect.TypeFor[selectionView](),

		// All answers with data.
		"BacklogAnswer":     reflect.TypeFor[successView](),
		"MerchantsAnswer":   reflect.TypeFor[successView](),
		"TroubledAnswer":    reflect.TypeFor[successView](),
		"FailingAnswer":     reflect.TypeFor[successView](),
		"SearchAnswer":      reflect.TypeFor[successView](),
		"JobsAnswer":        reflect.TypeFor[successView](),
		"JobAnswer":         reflect.TypeFor[successView](),
		"SecretAnswer":      reflect.TypeFor[successView](),
		"PublicKeyAnswer":   reflect.TypeFor[successView](),
		"DetectionAnswer":   reflect.TypeFor[successView](),
		"WebhookAnswer":     reflect.TypeFor[successView](),
		"WebhooksAnswer":    reflect.TypeFor[successView](),
		"DeletedAnswer":     reflect.TypeFor[successView](),
		"EventTypesAnswer":  reflect.TypeFor[successView](),
		"DeliveriesAnswer":  reflect.TypeFor[successView](),
		"NewDeliveryAnswer": reflect.TypeFor[successView](),
		"RedeliveryAnswer":  reflect.TypeFor[successView](),
		"DeliveryAnswer":    reflect.TypeFor[successView](),
		"ReplayCountAnswer": reflect.TypeFor[successView](),
		"ReplayRunAnswer":   reflect.TypeFor[successView](),
		"ReplaysAnswer":     reflect.TypeFor[successView](),
		"CancelledAnswer":   reflect.TypeFor[successView](),
		"PublishedAnswer":   reflect.TypeFor[successView](),
		"EventsAnswer":      reflect.TypeFor[successView](),
		"EventAnswer":       reflect.TypeFor[successView](),
		"ChangesAnswer":     reflect.TypeFor[successView](),
	}
}
