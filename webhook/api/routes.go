package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/internal/webui"
)

// endpoint makes the answer to a request of an authenticated merchant.
type endpoint func(*exchange) (answer, error)

// route is a path and what can be done there.
type route struct {
	path    []string // the segments after the merchant's; {…} holds an id
	methods map[string]endpoint
	public  bool // no merchant, no authentication
}

// merchantsSegment stands before a merchant's id in the document as it is written.
const merchantsSegment = "merchants/"

// segment stands before a merchant's id in the paths that are served.
func (h *Handler) segment() string { return h.opts.Words.Segment() + "/" }

// table returns all routes. Of two that fit, the first counts.
func (h *Handler) table() []route {
	type methods = map[string]endpoint
	const one = "webhooks/" + webui.WebhookParameter
	collection := methods{http.MethodGet: h.list, http.MethodPost: plain(h.register)}
	var routes []route
	add := func(path string, m methods) {
		routes = append(routes, route{path: strings.Split(path, "/"), methods: m})
	}
	add("webhooks", collection)
	add("webhooks/", collection)
	add("webhooks/event-types", methods{http.MethodGet: plain(h.eventTypes)})
	add(one, methods{http.MethodGet: plain(h.show), http.MethodPut: plain(h.update), http.MethodDelete: plain(h.remove)})
	add(one+"/test", methods{http.MethodPost: h.test})
	add(one+"/replay", methods{http.MethodPost: h.replay})
	add(one+"/replays", methods{http.MethodGet: h.replays})
	add(one+"/replays/"+webui.ReplayParameter, methods{http.MethodGet: plain(h.replayStatus)})
	add(one+"/replays/"+webui.ReplayParameter+"/stop", methods{http.MethodPost: plain(h.stopReplay)})
	add(one+"/cancel", methods{http.MethodPost: plain(h.cancelPending)})
	add(one+"/secret/rotate", methods{http.MethodPost: plain(h.rotate)})
	add(one+"/public-key", methods{http.MethodGet: plain(h.publicKey)})
	add(one+"/changes", methods{http.MethodGet: plain(h.changes)})
	add(one+"/deliveries", methods{http.MethodGet: h.deliveries})
	add(one+"/deliveries/"+webui.DeliveryParameter, methods{http.MethodGet: plain(h.delivery)})
	add(one+"/deliveries/"+webui.DeliveryParameter+"/redeliver", methods{http.MethodPost: plain(h.redeliver)})
	add(one+"/deliveries/"+webui.DeliveryParameter+"/cancel", methods{http.MethodPost: plain(h.cancelDelivery)})
	events := methods{http.MethodGet: h.events}
	if h.opts.EnablePublish {
		events[http.MethodPost] = plain(h.publish)
	}
	add("events", events)
	add("events/"+webui.EventParameter, methods{http.MethodGet: plain(h.event)})
	return routes
}

// plain is for what takes no parameters in the query.
func plain(serve endpoint) endpoint {
	return func(x *exchange) (answer, error) {
		if err := invalidIf(x.query().done()); err != nil {
			return answer{}, err
		}
		return serve(x)
	}
}

// match finds the route of a request and takes the ids out of its path. No id holds a
// slash, escaped or not.
func (h *Handler) match(x *exchange) *route {
	escaped := x.R.URL.EscapedPath()
	if !strings.HasPrefix(escaped, "/") {
		escaped = "/" + escaped // StripPrefix with a trailing slash takes it along.
	}
	if strings.Contains(escaped, "//") {
		return nil
	}
	rest := h.unprefixed(escaped)
	if h.opts.Operator != nil && strings.HasPrefix(rest, operatorSegment) {
		x.Operator = true
		return matchOf(x, h.operator, rest, 0)
	}
	rest, found := strings.CutPrefix(rest, h.segment())
	if !found {
		return h.publicRoute(rest)
	}
	return matchOf(x, h.routes, rest, 1)
}

// matchOf finds the route of a path, of which the first segments before those of routes are
// a merchant's.
func matchOf(x *exchange, routes []route, path string, before int) *route {
	segments, ok := webui.Split(path, maxSegments)
	if !ok {
		return nil
	}
	if before > 0 {
		x.MerchantID = segments[0]
	}
	for i := range routes {
		if x.Match(routes[i].path, segments[before:]) {
			return &routes[i]
		}
	}
	return nil
}

// unprefixed returns what of a path follows the prefix and its slash, and nothing
// if it has another prefix. Where any prefix will do, it ends before the first
// segment called as merchants are, or the last one called operator, or before the last segment
// of a path without either.
func (h *Handler) unprefixed(escaped string) string {
	if h.root != "" {
		rest, found := strings.CutPrefix(escaped, h.root)
		if !found {
			return ""
		}
		return rest
	}
	at := strings.Index(escaped, "/"+h.segment())
	if at < 0 && h.opts.Operator != nil {
		at = strings.LastIndex(escaped, "/"+operatorSegment)
	}
	if at < 0 {
		at = strings.LastIndexByte(escaped, '/')
	}
	return escaped[at+1:]
}

// publicRoute returns the route of a path that names no merchant.
func (h *Handler) publicRoute(name string) *route {
	if name != documentJSON && name != documentYAML {
		return nil
	}
	return &route{public: true, methods: map[string]endpoint{http.MethodGet: func(x *exchange) (answer, error) {
		docs, err := h.docs()
		if err != nil {
			return answer{}, err
		}
		return docs[name].serve(x)
	}}}
}

// maxSegments is the length of the longest path, from the merchant's id on.
const maxSegments = 6

// endpoint returns nil if the method is not allowed. HEAD is GET; write leaves
// the body out.
func (rt *route) endpoint(method string) endpoint {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return rt.methods[method]
}

// allow lists the methods for the header Allow.
func (rt *route) allow() string {
	allowed := []string{http.MethodOptions}
	for m := range rt.methods {
		allowed = append(allowed, m)
		if m == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	return strings.Join(allowed, ", ")
}
