package portal

import (
	"embed"
	"html/template"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/words"
)

//go:embed templates
var templateFiles embed.FS

// parseTemplates returns a set for each page: the layout, the parts, and itself.
func parseTemplates(o Options, s speech) (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(template.FuncMap{
		"t": s.text, "tn": s.number, "part": part(nil),
		"stamp": s.stamp, "iso": iso, "ago": func(t time.Time) string { return s.ago(time.Since(t)) },
		"wild": wild, "beside": s.beside(o.TimeZone), "zoned": func() bool { return o.TimeZone != nil },
		"count": count, "explain": s.explain, "statusWord": s.statusWord,
		"took": s.took, "short": short, "host": host, "hours": s.hours,
		"moments": moments, "standing": newStanding,
		"list":  func(v ...any) []any { return v },
		"int64": func(n int) int64 { return int64(n) },
	}).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templateFiles, "templates/pages/*.html")
	if err != nil {
		return nil, err
	}
	out := map[string]*template.Template{}
	for _, name := range names {
		set, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if set, err = set.Funcs(template.FuncMap{"part": part(set)}).ParseFS(templateFiles, name); err != nil {
			return nil, err
		}
		out[strings.TrimSuffix(path.Base(name), ".html")] = set
	}
	return out, nil
}

// part makes a piece of a sentence that is more than text: {{t "It began %s." (part "when" .Since)}}.
func part(set *template.Template) func(name string, data any) (template.HTML, error) {
	return func(name string, data any) (template.HTML, error) {
		var out strings.Builder
		err := set.ExecuteTemplate(&out, name, data)
		return template.HTML(out.String()), err //nolint:gosec // A template has made it.
	}
}

// view is what every template gets.
type view struct {
	Site, Title, Nav string
	Assets           string // path of the portal's files
	HasLogo          bool
	Base, Root       string
	Hook             string // path of the webhook that the page is about
	MerchantID       string
	WebhookID        string
	DeliveryID       string
	Operator         bool   // somebody who may act for any merchant
	Merchants        string // path of where operators find merchants
	Jobs             bool   // operators have pages of their own
	CanWrite         bool
	Done             string // what has just been done
	Links            Links
	Data             any
}

func (p *Portal) render(w io.Writer, x *exchange, out answer) error {
	v := view{
		Site: p.opts.Title, Title: out.title, Nav: out.nav, Data: out.data,
		Assets: x.base + assetsSegment + "/" + p.assets.digest + "/", HasLogo: len(p.opts.Logo) > 0,
		Base: x.base, Root: x.root, Hook: x.hook(),
		MerchantID: x.MerchantID, WebhookID: x.WebhookID, DeliveryID: x.DeliveryID,
		Operator: x.Who.AnyMerchant, Merchants: x.base, Jobs: p.opts.Operator != nil, CanWrite: x.Who.May(webhook.ScopeWrite), Done: x.done(x.R.URL.Query()),
		Links: p.opts.Links,
	}
	if v.Jobs {
		v.Merchants += operatorSegment
	}
	name := "layout"
	if out.fragment != "" {
		name = out.fragment
	}
	return p.templates[out.template].ExecuteTemplate(w, name, v)
}

// hook is the path of the webhook that the request is about.
func (x *exchange) hook() string { return x.root + "webhooks/" + url.PathEscape(x.WebhookID) }

// done says what the form that led here did. The link names one of our texts, because
// anybody can make a link.
func (s speech) done(q url.Values) string {
	texts := map[string]words.Text{
		"saved":       "Your changes are saved.",
		"enabled":     "The webhook is active again. Deliveries that waited go on now.",
		"disabled":    "The webhook is disabled. Pending deliveries wait until you enable it.",
		"encoded":     "The payload encoding is set. Send a test event to see that it suits your endpoint.",
		"deleted":     "The webhook is deleted.",
		"tested":      "A test event was sent.",
		"redelivered": "The event is being sent again. This is the new delivery.",
		"forward":     "The delivery is brought forward: it is due now.",
		"cancelled":   "The delivery is cancelled. If it was being sent at this moment, it may still arrive.",
		"again":       "This form was sent before. Nothing was done a second time.",
		"replaying":   "A replay of this webhook was running already. This is it.",
	}
	told := q.Get("done")
	if text, ok := texts[told]; ok {
		return s.Say(text)
	}
	n, err := strconv.ParseInt(q.Get("n"), 10, 64)
	switch {
	case err != nil || n < 0:
	case told == "gaveup":
		return s.count(n, "1 delivery will not be sent any more.", "%d deliveries will not be sent any more.")
	case told == "gaveupsome":
		return s.count(n, "1 delivery will not be sent any more. There are more: cancel again for the rest.",
			"%d deliveries will not be sent any more. There are more: cancel again for the rest.")
	}
	return ""
}

func (s speech) stamp(t time.Time) string { return s.Time("2 Jan 2006, 15:04:05 UTC", t.UTC()) }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// count writes a number with commas between thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short cuts the middle out of an id. What is left tells it from its neighbours.
func short(id string) string {
	if len(id) <= 20 {
		return id
	}
	return id[:9] + "…" + id[len(id)-6:]
}

// host is the part of a URL by which people know an endpoint.
func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}
