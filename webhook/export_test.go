package webhook

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Route is a path of the table behind the merchant's id, as in
// "/webhooks/{webhookId}", and a method that is allowed there.
type Route struct{ Method, Path string }

// Routes lists the table, so that a test of every route does not miss a new one.
func (h *Handler) Routes() []Route {
	var out []Route
	for _, rt := range h.routes {
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
