package mailnotify

import (
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// sayer says the package's own texts in the words of the host.
type sayer struct{ *words.Words }

// funcs are what the package's templates call. A text may stress a part of itself: it stands
// between two *.
func (w sayer) funcs() map[string]any {
	return map[string]any{
		"t":     w.Say,
		"tn":    func(n int, one, many words.Text) string { return w.Count(int64(n), one, many) },
		"time":  w.time,
		"began": w.began,
		"steps": w.steps,
		"parts": func(s string) []string { return strings.Split(s, "*") },
		"flat":  func(s string) string { return strings.ReplaceAll(s, "\n", " ") },
		"inc":   func(i int) int { return i + 1 },
	}
}

func (w sayer) text(files ...string) *texttemplate.Template {
	return texttemplate.Must(texttemplate.New(files[0]).Funcs(w.funcs()).ParseFS(templates, paths(files)...))
}

func (w sayer) html(files ...string) *htmltemplate.Template {
	return htmltemplate.Must(htmltemplate.New(files[0]).Funcs(w.funcs()).ParseFS(templates, paths(files)...))
}

func paths(files []string) (out []string) {
	for _, f := range files {
		out = append(out, "templates/"+f)
	}
	return out
}

// time writes a time in the layout that the host's words have, as package time reads it.
func (w sayer) time(at time.Time) string { return w.Time("2 January 2006, 15:04 UTC", at) }

// began says what began at Data.Since, or nothing where that is said already.
func (w sayer) began(d Data) string {
	switch d.Kind {
	case webhook.NoticeMoved, webhook.NoticeCrowded:
		return ""
	case webhook.NoticeEnabled:
		return w.Say("Disabled since")
	default:
		return w.Say("Failing since")
	}
}

// steps says what the owner has to do.
func (w sayer) steps(d Data) []string {
	var steps []words.Text
	switch d.Kind {
	case webhook.NoticeDisabled:
		steps = []words.Text{
			"Mend the endpoint. It has to answer each delivery with a 2xx status in time.",
			"Enable the webhook again. What was waiting is then delivered.",
			"Replay the events that were published in between. They were kept, but not delivered.",
		}
	case webhook.NoticeWarning:
		steps = []words.Text{"Mend the endpoint. It has to answer each delivery with a 2xx status in time. One success is enough to start over."}
	case webhook.NoticeCrowded:
		steps = []words.Text{
			"Let your endpoint take what waits: mend it, or answer faster. Or cancel what is of no use any more.",
			"Replay the events that it missed, as soon as there is room.",
		}
	case webhook.NoticeMoved:
		steps = []words.Text{"Nothing, if that was you. Otherwise set the URL back, and find out who can change your webhooks. The headers of before were not\nsent to the new host."}
	case webhook.NoticeEnabled:
		steps = []words.Text{"Nothing."}
		if d.Missed > 0 || d.MissedMore {
			steps = []words.Text{"Replay the events that it missed. They were kept, but not delivered."}
		}
	default:
		steps = []words.Text{"Nothing, unless the webhook was disabled: then replay the events that were published in between."}
	}
	var out []string
	for _, step := range steps {
		out = append(out, w.Say(step))
	}
	return out
}

// inWords says what the code of a failure means to the owner of the endpoint.
func (w sayer) inWords(code webhook.Code, status int) string {
	switch code {
	case webhook.CodeTimeout:
		return w.Say("no answer in time")
	case webhook.CodeDNS:
		return w.Say("the host name does not resolve")
	case webhook.CodeBlockedAddress:
		return w.Say("the host has no public address")
	case webhook.CodeConnect:
		return w.Say("nothing accepts connections there")
	case webhook.CodeConnection:
		return w.Say("the connection broke off")
	case webhook.CodeTLS:
		return w.Say("the certificate or TLS version is not accepted")
	case webhook.CodeBadResponse:
		return w.Say("the answer was not HTTP")
	case webhook.CodeStatus:
		return w.Say("answered with status %d", status)
	case webhook.CodeRedirect:
		return w.Say("answered with a redirect (status %d)", status)
	default:
		return w.Say("not delivered")
	}
}

// write executes the templates.
func (o *Options) write(d Data) (content, error) {
	var subject, text, html strings.Builder
	if err := o.Subject.Execute(&subject, d); err != nil {
		return content{}, fmt.Errorf("subject: %w", err)
	}
	if err := o.Text.Execute(&text, d); err != nil {
		return content{}, fmt.Errorf("text: %w", err)
	}
	if err := o.HTML.Execute(&html, d); err != nil {
		return content{}, fmt.Errorf("html: %w", err)
	}
	return content{subject: oneLine(subject.String()), text: text.String(), html: html.String()}, nil
}
