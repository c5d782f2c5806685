package portal

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/internal/webui"
)

// page makes the answer to a request of an authenticated principal.
type page func(*exchange) (answer, error)

// route is a path and what can be done there.
type route struct {
	path []string // {…} holds an id
	all  bool     // about all merchants, for operators
	get  page
	post page
}

const (
	assetsSegment = "assets"
	maxSegments   = 8

	operatorSegment = "operator"
)

func (p *Portal) table() []route {
	const (
		one      = "webhooks/" + webui.WebhookParameter
		delivery = one + "/deliveries/" + webui.DeliveryParameter
	)
	var routes []route
	add := func(at string, get, post page) {
		routes = append(routes, route{path: strings.Split(at, "/"), get: get, post: post})
	}
	add("", p.list, nil)
	add("new", p.newForm, p.create)
	add("catalog", p.catalog, nil)
	add("events", p.events, nil)
	add("events/"+webui.EventParameter, p.event, nil)
	add(one, p.show, nil)
	add(one+"/edit", p.editForm, p.edit)
	add(one+"/changes", p.changes, nil)
	add(one+"/performance", p.performance, nil)
	add(one+"/status", nil, p.setStatus)
	add(one+"/rotate", p.rotateForm, p.rotate)
	add(one+"/delete", p.deleteForm, p.remove)
	add(one+"/test", nil, p.test)
	add(one+"/detect", nil, p.detect)
	add(one+"/encoding", nil, p.setEncoding)
	add(one+"/verify", p.verify, nil)
	add(one+"/replay", p.replayForm, p.replay)
	add(one+"/replays/"+webui.ReplayParameter, p.replaying, nil)
	add(one+"/replays/"+webui.ReplayParameter+"/stop", nil, p.stopReplay)
	add(one+"/cancel", p.cancelForm, p.cancelPending)
	add(one+"/deliveries", p.deliveries, nil)
	add(delivery, p.delivery, nil)
	add(delivery+"/outcome", p.outcome, nil)
	add(delivery+"/redeliver", nil, p.redeliver)
	add(delivery+"/cancel", nil, p.cancelDelivery)
	addAll := func(at string, get, post page) {
		add(at, p.forOperator(get), p.forOperator(post))
		routes[len(routes)-1].all = true
	}
	addAll(operatorSegment, p.merchants, nil)
	addAll(operatorSegment+"/webhooks", p.trouble, nil)
	addAll(operatorSegment+"/jobs", p.jobs, nil)
	addAll(operatorSegment+"/new", p.newJobForm, p.newJob)
	addAll(operatorSegment+"/jobs/"+webui.JobParameter, p.job, nil)
	addAll(operatorSegment+"/jobs/"+webui.JobParameter+"/begin", nil, p.beginJob)
	addAll(operatorSegment+"/jobs/"+webui.JobParameter+"/stop", nil, p.stopJob)
	return routes
}

// find returns the route of a request, if there is one, and sets its paths and ids.
// The path is split before each segment is unescaped, once. A segment that then holds
// a slash fits no route.
func (p *Portal) find(x *exchange) *route {
	escaped := strings.TrimPrefix(x.R.URL.EscapedPath(), "/")
	x.base = up(strings.Count(escaped, "/") + 1)
	x.root = x.base
	segments, ok := webui.Split(escaped, maxSegments)
	if !ok {
		return nil
	}
	if segments[0] == x.Segment() && len(segments) > 2 {
		x.MerchantID, x.named = segments[1], true
		segments = segments[2:]
		x.root = up(len(segments))
	}
	for i := range p.routes {
		if x.Match(p.routes[i].path, segments) {
			return &p.routes[i]
		}
	}
	return nil
}

// taken reports whether paths of the portal itself begin with a segment.
func (p *Portal) taken(segment string) bool {
	return segment == assetsSegment || slices.ContainsFunc(p.routes, func(r route) bool { return r.path[0] == segment })
}

// up leads from a path of n segments to where they begin.
func up(n int) string {
	if n <= 1 {
		return "./"
	}
	return strings.Repeat("../", n-1)
}

// formPage leads to the page with the form of x. That is the path itself or, where
// the path only takes forms, the one above.
func (x *exchange) formPage() string {
	at := x.R.URL.EscapedPath()
	if x.route.get != nil {
		return "./" + path.Base(at)
	}
	return "../" + path.Base(path.Dir(at))
}

// page returns nil if the method is not allowed. HEAD is GET.
func (rt *route) page(method string) page {
	switch method {
	case http.MethodGet, http.MethodHead:
		return rt.get
	case http.MethodPost:
		return rt.post
	}
	return nil
}

func (rt *route) allow() string {
	var out []string
	if rt.get != nil {
		out = append(out, http.MethodGet, http.MethodHead)
	}
	if rt.post != nil {
		out = append(out, http.MethodPost)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
