package portal

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

//go:embed templates
var templateFiles embed.FS

// parseTemplates returns a set for each page: the layout, the parts, and itself.
func parseTemplates(o Options) (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(template.FuncMap{
		"stamp": stamp, "iso": iso, "ago": func(t time.Time) string { return ago(time.Since(t)) },
		"wild": wild, "beside": beside(o.TimeZone), "zoned": func() bool { return o.TimeZone != nil },
		"t": say, "part": part(nil),
		"count": count, "plural": plural, "explain": explain, "statusWord": statusWord,
		"took": took, "short": short, "host": host, "hours": hours,
		"moments": moments, "standing": newStanding,
		"list":  func(v ...any) []any { return v },
		"int64": func(n int) int64 { return int64(n) },
		"len64": func(s []string) int64 { return int64(len(s)) },
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

// say says a text. Its arguments are texts, or parts that are HTML.
func say(text string, args ...any) template.HTML {
	for i, arg := range args {
		if _, ok := arg.(template.HTML); !ok {
			args[i] = template.HTMLEscaper(arg)
		}
	}
	return template.HTML(fmt.Sprintf(template.HTMLEscapeString(text), args...)) //nolint:gosec // It is escaped.
}

// part makes a piece of a sentence that is more than text: {{t "See %s." (part "code" .Name)}}.
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
		Operator: x.Who.AnyMerchant, Merchants: x.base, Jobs: p.opts.Operator != nil, CanWrite: x.Who.May(webhook.ScopeWrite), Done: done(x.R.URL.Query()),
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
func done(q url.Values) string {
	switch q.Get("done") {
	case "saved":
		return "Your changes are saved."
	case "enabled":
		return "The webhook is active again. Deliveries that waited go on now."
	case "disabled":
		return "The webhook is disabled. Pending deliveries wait until you enable it."
	case "encoded":
		return "The payload encoding is set. Send a test event to see that it suits your endpoint."
	case "deleted":
		return "The webhook is deleted."
	case "tested":
		return "A test event was sent."
	case "redelivered":
		return "The event is being sent again. This is the new delivery."
	case "forward":
		return "The delivery is brought forward: it is due now."
	case "cancelled":
		return "The delivery is cancelled. If it was being sent at this moment, it may still arrive."
	case "gaveup":
		if n, err := strconv.ParseInt(q.Get("n"), 10, 64); err == nil && n >= 0 {
			return plural(n, "delivery") + " will not be sent any more."
		}
	case "gaveupsome":
		if n, err := strconv.ParseInt(q.Get("n"), 10, 64); err == nil && n >= 0 {
			return plural(n, "delivery") + " will not be sent any more. There are more: cancel again for the rest."
		}
	case "again":
		return "This form was sent before. Nothing was done a second time."
	case "replaying":
		return "A replay of this webhook was running already. This is it."
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ago says how long ago or ahead a moment is, in one unit.
func ago(d time.Duration) string {
	form := "%s ago"
	if d < 0 {
		d, form = -d, "in %s"
	}
	unit := func(n time.Duration, name string) string { return fmt.Sprintf(form, plural(int64(d/n), name)) }
	switch {
	case d < 5*time.Second:
		return "just now"
	case d < time.Minute:
		return unit(time.Second, "second")
	case d < time.Hour:
		return unit(time.Minute, "minute")
	case d < 48*time.Hour:
		return unit(time.Hour, "hour")
	}
	return unit(24*time.Hour, "day")
}

// took writes a duration for people.
func took(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	switch {
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Hour:
		return strconv.FormatFloat(d.Minutes(), 'f', 0, 64) + " min"
	}
	return strconv.FormatFloat(d.Hours(), 'f', 1, 64) + " h"
}

// hours writes a whole number of hours or days.
func hours(d time.Duration) string {
	if n := int64(d / time.Hour); n < 48 {
		return plural(n, "hour")
	}
	return plural(int64(d/(24*time.Hour)), "day")
}

// count writes a number with commas between thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, what string) string {
	if n != 1 {
		if stem, y := strings.CutSuffix(what, "ry"); y {
			what = stem + "rie" // delivery
		}
		what += "s"
	}
	return count(n) + " " + what
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
