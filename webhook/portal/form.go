package portal

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// webhookForm holds what a merchant typed about a webhook, unchecked.
type webhookForm struct {
	New         bool
	URL         string
	Description string
	Encoding    string
	RateLimit   string
	Signature   string // of a new one
	All         bool   // event types
	Types       []typeChoice
	depth       int // segments by which types are grouped; 0: they are not
	Metadata    []pair
	Headers     []pair

	// HeaderNames are the headers that the webhook has. Their values are never shown,
	// so a merchant keeps all of them or types all of them again.
	HeaderNames    []string
	ReplaceHeaders bool

	Token   string // of a new one
	Version string // of the one that is edited
	Faults  map[string][]string
	Stale   []difference
	Changed bool // by somebody else, since the form was made

	speech
}

type typeChoice struct {
	Type        string
	Description string
	Frequency   event.Frequency
	Checked     bool
	Wildcard    bool
	Apart       bool // the wildcard of its group does not cover it, as order.* does not cover order
	Unknown     bool // the catalog does not have it any more
}

type pair struct{ Key, Value string }

// difference is a field that somebody else has changed.
type difference struct{ Name, Theirs, Yours string }

// A form that edits has spareRows empty rows. A new form, and a request for more
// rows, adds moreRows. There are at most maxRows.
const (
	spareRows = 1
	moreRows  = 3
	maxRows   = 20
)

func newForm(s speech, c *event.Catalog) *webhookForm {
	f := &webhookForm{New: true, Faults: map[string][]string{}, speech: s}
	for e := range c.All() {
		if e.Subscribable() {
			f.Types = append(f.Types, typeChoice{Type: string(e.Type), Description: e.Description, Frequency: e.Frequency})
		}
	}
	f.group()
	return f
}

func (f *webhookForm) answer(status int) answer {
	title := f.Say("Edit webhook")
	if f.New {
		title = f.Say("New webhook")
	}
	if status != http.StatusOK {
		title = f.Say("Not saved: %s", title)
	}
	return answer{status: status, template: "form", title: title, nav: "webhooks", data: f}
}

// addRows adds empty rows.
func (f *webhookForm) addRows() {
	f.Metadata, f.Headers = spare(f.Metadata, moreRows), spare(f.Headers, moreRows)
}

func spare(pairs []pair, rows int) []pair {
	for range rows {
		if len(pairs) < maxRows {
			pairs = append(pairs, pair{})
		}
	}
	return pairs
}

func (f *webhookForm) check(types []string) {
	f.All = slices.Contains(types, webhook.EveryType)
	for _, t := range types {
		i := slices.IndexFunc(f.Types, func(c typeChoice) bool { return c.Type == t })
		switch {
		case i >= 0:
			f.Types[i].Checked = true
		case t != webhook.EveryType:
			fits := slices.ContainsFunc(f.Types, func(c typeChoice) bool { return !c.Unknown && covers(t, c.Type) })
			f.Types = append(f.Types, typeChoice{Type: t, Checked: true, Wildcard: fits, Unknown: !fits})
		}
	}
}

// formOf returns the form that edits w.
func (p *Portal) formOf(x *exchange, w webhook.Webhook) *webhookForm {
	f := newForm(x.speech, p.svc.Catalog())
	f.New = false
	f.URL, f.Description, f.Encoding, f.HeaderNames = w.URL, w.Description, string(w.Encoding), w.HeaderNames
	if w.RateLimit > 0 {
		f.RateLimit = strconv.Itoa(w.RateLimit)
	}
	f.check(w.Events)
	for _, key := range slices.Sorted(maps.Keys(w.Metadata)) {
		f.Metadata = append(f.Metadata, pair{key, w.Metadata[key]})
	}
	f.Version = strconv.FormatInt(w.Version, 10)
	return f
}

// readWebhookForm reads a form that was sent.
func (p *Portal) readWebhookForm(x *exchange) *webhookForm {
	sent := x.form
	f := newForm(x.speech, p.svc.Catalog())
	f.URL = strings.TrimSpace(sent.Get("url"))
	f.Description = strings.TrimSpace(sent.Get("description"))
	f.Encoding = sent.Get("encoding")
	f.RateLimit = strings.TrimSpace(sent.Get("rate"))
	f.Signature = sent.Get("signature")
	types := sent["events"]
	if sent.Get("all") != "" {
		types = append(types, webhook.EveryType)
	}
	f.check(types)
	f.Metadata = readPairs(sent["metadata-key"], sent["metadata-value"])
	f.Headers = readPairs(sent["header-name"], sent["header-value"])
	f.ReplaceHeaders = sent.Get("headers") == "replace"
	return f
}

// readPairs joins the list of keys with that of values, without empty rows.
func readPairs(keys, values []string) []pair {
	var out []pair
	for i, key := range keys {
		p := pair{Key: strings.TrimSpace(key)}
		if i < len(values) {
			p.Value = strings.ReplaceAll(values[i], "\r\n", "\n") // As browsers send lines.
		}
		if p != (pair{}) {
			out = append(out, p)
		}
	}
	return out
}

// values are the typed settings, parsed.
type values struct {
	events   []string
	metadata map[string]string
	headers  webhook.Headers
	rate     int
}

// values parses what was typed. It notes the mistakes that only a form can have.
func (f *webhookForm) values() (values, bool) {
	v := values{metadata: f.unique("metadata", f.Metadata), headers: f.unique("headers", f.Headers), events: f.chosen()}
	if f.All {
		v.events = []string{webhook.EveryType}
	}
	if f.RateLimit != "" {
		n, err := strconv.Atoi(f.RateLimit)
		if err != nil || n < 1 {
			f.wrong("rateLimit", f.Say("must be a whole number from 1 to 10000, or nothing for no limit"))
		}
		v.rate = n
	}
	if f.Encoding == "" {
		f.wrong("payloadEncoding", f.Say("choose one"))
	}
	return v, len(f.Faults) == 0
}

func (f *webhookForm) unique(field string, pairs []pair) map[string]string {
	out := make(map[string]string, len(pairs))
	for _, p := range pairs {
		if _, twice := out[p.Key]; twice {
			f.wrong(field, f.Say("%s is there twice", p.Key))
		}
		out[p.Key] = p.Value
	}
	return out
}

func (f *webhookForm) registration() (webhook.Registration, bool) {
	v, ok := f.values()
	return webhook.Registration{
		URL: f.URL, Events: v.events, Encoding: webhook.Encoding(f.Encoding), Description: f.Description,
		Metadata: v.metadata, Headers: v.headers, RateLimit: v.rate, Signature: webhook.Scheme(f.Signature),
	}, ok
}

func (f *webhookForm) update() (webhook.Update, bool) {
	v, ok := f.values()
	encoding := webhook.Encoding(f.Encoding)
	u := webhook.Update{
		URL: &f.URL, Events: v.events, Encoding: &encoding, Description: &f.Description,
		Metadata: v.metadata, RateLimit: &v.rate,
	}
	if f.ReplaceHeaders {
		u.Headers = v.headers
	}
	return u, ok
}

func (f *webhookForm) wrong(field, message string) {
	f.Faults[field] = append(f.Faults[field], message)
}

// refused notes the faults of an [webhook.InvalidError] beside their fields. It
// reports whether err was one.
func (f *webhookForm) refused(err error) bool {
	var invalid *webhook.InvalidError
	if !errors.As(err, &invalid) {
		return false
	}
	checked := f.chosen()
	for _, fault := range invalid.Faults {
		field, member := fault.Path, ""
		if i := strings.IndexAny(field, ".["); i > 0 {
			field, member = field[:i], strings.Trim(field[i:], `.[]"`)
		}
		if n, err := strconv.Atoi(member); field == "events" && err == nil && n < len(checked) {
			member = checked[n]
		}
		message := f.fault(fault)
		if member != "" {
			message = f.Say("%s: %s", member, message)
		}
		f.wrong(field, message)
	}
	return true
}

// Fields lists what is wrong, in the order of the form.
func (f *webhookForm) Fields() []fieldFaults {
	var out []fieldFaults
	for _, name := range []struct {
		field string
		text  words.Text
	}{
		{"url", "Endpoint URL"},
		{"description", "Description"},
		{"events", "Events"},
		{"payloadEncoding", "Payload encoding"},
		{"signature", "Signature"},
		{"rateLimit", "Rate limit"},
		{"headers", "Headers"},
		{"metadata", "Metadata"},
		{"", "Form"},
	} {
		for _, message := range f.Faults[name.field] {
			out = append(out, fieldFaults{name.field, f.Say(name.text), message})
		}
	}
	return out
}

// Further reports whether the rarer settings are in use, and so have to be shown.
func (f *webhookForm) Further() bool {
	filled := func(p pair) bool { return p != (pair{}) }
	return f.RateLimit != "" || f.Signature == string(webhook.SchemeAsymmetric) || len(f.HeaderNames) > 0 ||
		slices.ContainsFunc(f.Headers, filled) || slices.ContainsFunc(f.Metadata, filled) ||
		len(f.Faults["rateLimit"])+len(f.Faults["headers"])+len(f.Faults["metadata"])+len(f.Faults["payloadEncoding"])+len(f.Faults["signature"]) > 0
}

type fieldFaults struct{ Field, Name, Message string }
