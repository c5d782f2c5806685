package portal

import (
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// speech says the texts of pages.
type speech struct {
	*words.Words

	sent string // the content types of what is sent; empty: application/json
}

// newSpeech returns the speech of the pages of svc. Of a shape, the examples of the catalog
// say as what it is sent.
func newSpeech(w *words.Words, svc *webhook.Service) speech {
	s := speech{Words: w}
	if !isShaped(svc) {
		return s
	}
	var types []string
	for e := range svc.Catalog().All() {
		if sent := svc.Example(e.Type).ContentType; sent != "" && !slices.Contains(types, sent) {
			types = append(types, sent)
		}
	}
	s.sent = s.list(types)
	return s
}

// fault says what is wrong with what was asked for.
func (s speech) fault(f webhook.Fault) string {
	if f.Text.Text == "" { // It is an id.
		return f.Message
	}
	return s.Message(f.Text)
}

// found says what a detection has found.
func (s speech) found(d webhook.Detection, w webhook.Webhook) string {
	return s.Message(webui.Explain(d, w))
}

// unknown says why nothing is known of an event.
func (s speech) unknown(e webhook.Explanation) string { return s.Message(e.Message) }

// count says a text with a number, which has commas between thousands.
func (s speech) count(n int64, one, many words.Text) string {
	return strings.Replace(s.Count(n, one, many), strconv.FormatInt(n, 10), count(n), 1)
}

// list joins names.
func (s speech) list(names []string) string {
	switch n := len(names) - 1; {
	case n < 0:
		return ""
	case n == 0:
		return names[0]
	default:
		return s.Say("%s and %s", strings.Join(names[:n], ", "), names[n])
	}
}

// text says a text in a template, where it is {{t "text" args…}}. What an argument has of
// HTML stays, as it does for [template.HTML] everywhere.
func (s speech) text(text words.Text, args ...any) template.HTML {
	marked := make([]any, len(args))
	var marks []string
	for i, arg := range args {
		var inner string
		switch v := arg.(type) {
		case int, int64:
			marked[i] = v
			continue
		case template.HTML:
			inner = string(v)
		case words.Message:
			inner = escapedArg.Replace(s.Message(v))
		default:
			inner = escapedArg.Replace(fmt.Sprint(v))
		}
		mark := string(rune(firstMark + i))
		marked[i] = mark
		marks = append(marks, mark, inner)
	}
	said := escapedText.Replace(s.Say(text, marked...))
	return template.HTML(strings.NewReplacer(marks...).Replace(said)) //nolint:gosec // It is escaped.
}

// firstMark begins the characters that stand for arguments while the text around them is
// escaped. Unicode leaves them to private use.
const firstMark = '\ue000'

//nolint:gochecknoglobals // constants
var (
	escapedText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	// escapedArg does as html/template does.
	escapedArg = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "+", "&#43;", "\x00", "\uFFFD")
)

// number says a text with a number in a template, where it is {{tn n "one" "%d many"}}.
func (s speech) number(n any, one, many words.Text) template.HTML {
	return template.HTML(escapedText.Replace(s.count(reflect.ValueOf(n).Int(), one, many))) //nolint:gosec // It is escaped.
}

// ago says how long ago or ahead a moment is, in one unit.
func (s speech) ago(d time.Duration) string {
	ahead := d < 0
	if ahead {
		d = -d
	}
	say := func(unit time.Duration, before, beforeMany, after, afterMany words.Text) string {
		if ahead {
			return s.count(int64(d/unit), after, afterMany)
		}
		return s.count(int64(d/unit), before, beforeMany)
	}
	switch {
	case d < 5*time.Second:
		return s.Say("just now")
	case d < time.Minute:
		return say(time.Second, "1 second ago", "%d seconds ago", "in 1 second", "in %d seconds")
	case d < time.Hour:
		return say(time.Minute, "1 minute ago", "%d minutes ago", "in 1 minute", "in %d minutes")
	case d < 48*time.Hour:
		return say(time.Hour, "1 hour ago", "%d hours ago", "in 1 hour", "in %d hours")
	}
	return say(24*time.Hour, "1 day ago", "%d days ago", "in 1 day", "in %d days")
}

// took writes a duration for people.
func (s speech) took(d time.Duration) string {
	switch {
	case d < time.Second:
		return s.Say("%s ms", strconv.FormatInt(d.Milliseconds(), 10))
	case d < 2*time.Minute:
		return s.Say("%s s", strconv.FormatFloat(d.Seconds(), 'f', 1, 64))
	case d < 2*time.Hour:
		return s.Say("%s min", strconv.FormatFloat(d.Minutes(), 'f', 0, 64))
	}
	return s.Say("%s h", strconv.FormatFloat(d.Hours(), 'f', 1, 64))
}

// hours writes a whole number of hours or days.
func (s speech) hours(d time.Duration) string {
	if n := int64(d / time.Hour); n < 48 {
		return s.count(n, "1 hour", "%d hours")
	}
	return s.count(int64(d/(24*time.Hour)), "1 day", "%d days")
}

// seconds writes a whole number of seconds.
func (s speech) seconds(d time.Duration) string {
	return s.count(int64(d/time.Second), "1 second", "%d seconds")
}
