package portable

import (
	"fmt"
	"strings"
)

// Severity is what an [Issue] leads to. A greater one is worse.
type Severity int

const (
	// NeedsEncoding says that the receiver verifies it, but not under every
	// payloadEncoding.
	NeedsEncoding Severity = iota + 1

	// Altered says that it verifies, but that the receiver reads another value than
	// was published.
	Altered

	// Unverifiable says that the receiver cannot verify it under any
	// payloadEncoding, or not even parse it.
	Unverifiable

	// Refused says that it cannot be published.
	Refused
)

// String returns the name of the constant.
func (s Severity) String() string {
	switch s {
	case NeedsEncoding:
		return "NeedsEncoding"
	case Altered:
		return "Altered"
	case Unverifiable:
		return "Unverifiable"
	case Refused:
		return "Refused"
	}
	return fmt.Sprintf("Severity(%d)", int(s))
}

// Issue is something in an event that a receiver cannot take as it is. It holds
// names of the event, but no value.
type Issue struct {
	Severity Severity

	// Receiver is that of "Node.js" (with Express and its default limit of 100 KiB),
	// "Python", "PHP", "Ruby" or "Go", or "every receiver".
	Receiver string

	// Path leads to it, as in data.items[2].price. It is empty if the event as a
	// whole is meant.
	Path string

	// Reason is a predicate to the path, as in "is an empty object".
	Reason string

	// Remedy says what helps, as in "leave it out".
	Remedy string

	// Encodings are the values of payloadEncoding under which the receiver verifies
	// it, with NeedsEncoding: some of "standard", "ascii" and "html".
	Encodings []string
}

// String is the whole issue in a line.
func (i Issue) String() string {
	subject := i.Path
	if subject == "" {
		subject = "the event"
	}
	var effect string
	switch i.Severity {
	case NeedsEncoding:
		effect = fmt.Sprintf("%s verifies it under payloadEncoding %s only", i.Receiver, strings.Join(i.Encodings, " or "))
	case Altered:
		effect = fmt.Sprintf("%s reads another value", i.Receiver)
	case Unverifiable:
		effect = fmt.Sprintf("%s cannot verify it", i.Receiver)
	case Refused:
		effect = "it cannot be published"
	}
	return fmt.Sprintf("%s %s: %s; %s", subject, i.Reason, effect, i.Remedy)
}

// Check lists what in an event those receivers cannot verify as it would be sent
// under the standard encoding: the worst first, then by receiver, then in the
// order of the text. Of a kind and a receiver, it lists the first ten. If it cannot
// be published at all, that may be all that is listed.
//
// The body is the JSON of a whole event, as [event.Event.MarshalJSON] or a receiver
// has it, in any form.
//
// [event.Event.MarshalJSON]: https://pkg.go.dev/github.com/rag-assistant/webhooks/webhook/event#Event.MarshalJSON
func Check(body []byte) []Issue {
	return examine(body).sorted()
}

// Encodings returns, by the name of each receiver, the values of payloadEncoding under
// which it verifies an event: some of "standard", "ascii" and "html", in this order. A
// receiver that verifies it under none is left out.
func Encodings(body []byte) map[string][]string {
	report := examine(body)
	out := map[string][]string{}
	for i, name := range receivers {
		if verified := report.verified[i]; verified != none && !report.refused {
			out[name] = verified.names()
		}
	}
	return out
}
