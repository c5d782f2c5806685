package serve

import (
	"html"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	netmail "net/mail"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// walkAPI asks each route of the OpenAPI document rightly and wrongly. What deletes comes last.
func (a *acme) walkAPI() {
	a.t.Helper()
	for _, name := range []string{"openapi.json", "openapi.yaml"} {
		status, text := a.send(http.MethodGet, "/api/"+name, "", "")
		require.Equal(a.t, http.StatusOK, status)
		a.leaves("OpenAPI", name, text)
	}
	ids := a.ids()
	paths := a.document()
	for _, deletes := range []bool{false, true} {
		for _, template := range slices.Sorted(maps.Keys(paths)) {
			for _, method := range slices.Sorted(maps.Keys(paths[template])) {
				if method = strings.ToUpper(method); method == strings.ToLower(method) || !slices.Contains(methods, method) || deletes != (method == http.MethodDelete) {
					continue
				}
				a.walkRoute(method, template, ids)
			}
		}
	}
	a.ask(http.MethodGet, "/nowhere", a.shop, "")
	a.ask(http.MethodGet, "/merchant"+"s/shop_1/webhooks", a.shop, "") // There is nobody of that name.
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

// walkRoute asks a route as its owner, as nobody and as somebody else, for what there is and
// for what there is not.
func (a *acme) walkRoute(method, template string, ids map[string]string) {
	a.t.Helper()
	if strings.HasPrefix(template, "/openapi.") {
		return
	}
	bearer, body := a.shop, a.body(method, template)
	if strings.HasPrefix(template, "/operator/") {
		bearer = a.operator
		a.ask(method, template, a.shop, body)
	}
	fill := func(ids map[string]string, other string) string {
		return parameter.ReplaceAllStringFunc(template, func(name string) string {
			if id := ids[strings.Trim(name, "{}")]; id != "" {
				return id
			}
			return other
		})
	}
	own := fill(ids, "shop_1")
	if strings.HasSuffix(template, "/search") {
		own += "?q=shop_1"
	}
	a.ask(method, own, "", body)
	a.ask(method, fill(ids, "shop_2"), a.shop, body)
	a.ask(method, fill(nil, "shop_1"), bearer, body)
	a.ask(method, own+"?nope=1", bearer, `{"nope":1,"selection":{"nope":1}}`)
	a.ask(http.MethodPatch, own, bearer, body)
	if status, _ := a.ask(method, own, bearer, body); !strings.HasSuffix(template, "/public-key") {
		require.Less(a.t, status, 500, "%s %s", method, own)
	}
}

// body is what a route wants.
func (a *acme) body(method, template string) string {
	switch last := path.Base(template); {
	case method == http.MethodGet || method == http.MethodDelete:
		return ""
	case last == "webhooks":
		return `{"url":"` + a.receiver.URL + `/up","events":["order.paid"]}`
	case method == http.MethodPut:
		return `{"description":"Orders"}`
	case last == "events":
		return `{"type":"order.paid","data":{"orderId":"order_8"}}`
	case last == "jobs":
		return `{"kind":"replay","selection":{"all":true},"since":"2026-11-30T08:00:00Z","dryRun":true}`
	case last == "replay":
		return `{"since":"2026-11-30T08:00:00Z"}`
	default:
		return "{}"
	}
}

// ids returns what the parameters of paths stand for.
func (a *acme) ids() map[string]string {
	a.t.Helper()
	own := "/" + a.segment() + "/shop_1"
	first := func(of, list, member, bearer string) string {
		_, data := a.ask(http.MethodGet, of, bearer, "")
		all, _ := data[list].([]any)
		if len(all) == 0 {
			return ""
		}
		one, _ := all[0].(map[string]any)
		id, _ := one[member].(string)
		return id
	}
	ids := map[string]string{"eventId": "evt_1"}
	ids["webhookId"] = first(own+"/webhooks", "webhooks", "webhookId", a.shop)
	require.NotEmpty(a.t, ids["webhookId"])
	ids["deliveryId"] = first(own+"/webhooks/"+ids["webhookId"]+"/deliveries", "deliveries", "id", a.shop)
	require.NotEmpty(a.t, ids["deliveryId"])
	_, replay := a.ask(http.MethodPost, own+"/webhooks/"+ids["webhookId"]+"/replay", a.shop, `{"since":"2026-11-30T08:00:00Z"}`)
	ids["replayId"], _ = replay["id"].(string)
	_, job := a.ask(http.MethodPost, "/operator/jobs", a.operator, a.body(http.MethodPost, "jobs"))
	ids["jobId"], _ = job["id"].(string)
	require.NotEmpty(a.t, ids["jobId"])
	return ids
}

// maxPages ends a walk that finds new pages for ever.
const maxPages = 500

var (
	links  = regexp.MustCompile(`\s(?:href|src|hx-get)="([^"]*)"`)
	forms  = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	action = regexp.MustCompile(`\saction="([^"]*)"`)
	inputs = regexp.MustCompile(`<(?:input|button)[^>]*>`)
	ofType = regexp.MustCompile(`\s(name|value|type)="([^"]*)"`)
	ids    = regexp.MustCompile(`\b(?:whk|whdel|evt|rpl|job)_[\w-]+`)
)

// walkPortal follows every link of the portal from its root, sends each kind of form once, and
// reads each page. Forms that delete come last.
func (a *acme) walkPortal(who, bearer string) {
	a.t.Helper()
	w := &walk{acme: a, who: who, client: browser(a.t), seen: map[string]bool{}, sent: map[string]bool{}}
	w.post(a.base+"/login", url.Values{"token": {"wrong"}})
	w.post(a.base+"/login", url.Values{"token": {bearer}})
	for _, nowhere := range []string{"nowhere", "shops/shop_2/webhooks", "shops/shop_1/webhooks/whk_nope"} {
		w.pages = append(w.pages, a.base+"/portal/"+nowhere)
	}
	w.pages = append(w.pages, a.base+"/login", a.base+"/portal/")
	w.all()
	slices.SortStableFunc(w.forms, func(a, b form) int { return strings.Count(a.to, "delete") - strings.Count(b.to, "delete") })
	for len(w.forms) > 0 {
		next := w.forms[0]
		w.forms = w.forms[1:]
		w.post(next.to, nil)
		w.post(next.to, next.fields)
		w.all()
	}
	require.Greater(a.t, len(w.seen), 10, "a portal has more pages for %s", who)
	require.Greater(a.t, len(w.sent), 3, "a portal has more forms for %s", who)
}

// walk is somebody's way through the portal.
type walk struct {
	*acme

	who    string
	client *http.Client
	pages  []string // to be read
	forms  []form   // to be sent
	seen   map[string]bool
	sent   map[string]bool
}

type form struct {
	to     string
	fields url.Values
}

// all reads pages until there are no new ones.
func (w *walk) all() {
	w.t.Helper()
	for len(w.pages) > 0 {
		next := w.pages[0]
		w.pages = w.pages[1:]
		w.read(w.client.Get(next)) //nolint:bodyclose // read does
		require.Less(w.t, len(w.seen), maxPages)
	}
}

func (w *walk) post(to string, fields url.Values) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, to, strings.NewReader(fields.Encode()))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", w.base)
	w.read(w.client.Do(req)) //nolint:bodyclose // read does
}

// read keeps a page, and notes what it leads to.
func (w *walk) read(resp *http.Response, err error) {
	w.t.Helper()
	_, page := text(w.t, resp, err)
	at := resp.Request.URL
	w.leaves("portal", w.who+" at "+at.RequestURI(), page)
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return
	}
	for _, m := range links.FindAllStringSubmatch(page, -1) {
		if to, ok := w.within(at, m[1]); ok && !w.seen[kind(to)] {
			w.seen[kind(to)] = true
			w.pages = append(w.pages, to.String())
		}
	}
	for _, m := range forms.FindAllStringSubmatch(page, -1) {
		to := at
		if found := action.FindStringSubmatch(m[1]); found != nil {
			var ok bool
			if to, ok = w.within(at, found[1]); !ok {
				continue
			}
		}
		if !strings.Contains(m[1], `method="post"`) || w.sent[kind(to)] {
			continue
		}
		w.sent[kind(to)] = true
		w.forms = append(w.forms, form{to.String(), values(m[2])})
	}
}

// within resolves a link, and reports whether it leads into the portal.
func (w *walk) within(from *url.URL, link string) (*url.URL, bool) {
	to, err := from.Parse(html.UnescapeString(link))
	if err != nil || to.Host != from.Host || !strings.HasPrefix(to.Path, "/portal/") {
		return nil, false
	}
	to.Fragment = ""
	return to, true
}

// kind is the same for addresses that differ in ids and in values of parameters only.
func kind(u *url.URL) string {
	return ids.ReplaceAllString(u.Path, "*") + "?" + strings.Join(slices.Sorted(maps.Keys(u.Query())), "&")
}

// values are what a form sends if nobody changes it.
func values(inside string) url.Values {
	out := url.Values{}
	for _, field := range inputs.FindAllString(inside, -1) {
		has := map[string]string{}
		for _, m := range ofType.FindAllStringSubmatch(field, -1) {
			has[m[1]] = html.UnescapeString(m[2])
		}
		if has["name"] != "" && (has["type"] != "checkbox" && has["type"] != "radio" || strings.Contains(field, " checked")) {
			out.Add(has["name"], has["value"])
		}
	}
	return out
}

// decoded returns a mail as its reader sees it: the headers, then all parts.
func decoded(t *testing.T, raw string) string {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	require.NoError(t, err)
	var out strings.Builder
	for name, values := range m.Header {
		value, err := new(mime.WordDecoder).DecodeHeader(strings.Join(values, ", "))
		require.NoError(t, err)
		out.WriteString(name + ": " + value + "\n")
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextPart()
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			return out.String()
		}
		body, err := io.ReadAll(part)
		require.NoError(t, err)
		out.Write(body)
	}
}
