package portable

import (
	"cmp"
	"slices"
)

// encodings is a set of values of payloadEncoding.
type encodings uint8

const (
	standard encodings = 1 << iota
	ascii
	html

	none encodings = 0
	all            = standard | ascii | html
)

func (e encodings) names() []string {
	var out []string
	for i, name := range []string{"standard", "ascii", "html"} {
		if e&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// receivers are RAG Assistant's samples, by language. Where there is a value for each of
// them, as in [verdict], it is in this order.
//
//nolint:gochecknoglobals // a constant list
var receivers = [...]string{"Node.js", "Python", "PHP", "Ruby", "Go"}

const every = "every receiver"

const (
	node = iota
	python
	php
	ruby
	golang
)

// verdict holds, for each receiver, under which encodings it verifies something.
type verdict [len(receivers)]encodings

// fine is the verdict on what makes no difference.
//
//nolint:gochecknoglobals // a constant
var fine = verdict{all, all, all, all, all}

// rule is a kind of thing that makes a difference.
type rule struct {
	reason, remedy string
	verified       verdict
}

const (
	prefixNames = "begin the names with a letter"
	otherNumber = "round it, count in a smaller unit, or send it as a string"
	otherPHP    = `set payloadEncoding to "ascii" for such a receiver`
)

//nolint:gochecknoglobals // constant tables
var (
	// Texts. The encodings change nothing else.
	nonASCII = &rule{
		"has characters beyond ASCII", otherPHP,
		verdict{standard | html, ascii, ascii, standard | html, standard | html},
	}
	separator = &rule{
		"has a line or paragraph separator, U+2028 or U+2029", `leave it out, or set payloadEncoding to "ascii" for such a receiver`,
		verdict{standard, ascii | html, ascii | html, standard, ascii | html},
	}
	del = &rule{
		"has the control character DEL, U+007F", "leave it out",
		verdict{standard | html, ascii, standard | html, standard | html, standard | html},
	}
	markup = &rule{
		"has one of < > &", `set payloadEncoding to "html" for such a receiver`,
		verdict{standard | ascii, standard | ascii, standard | ascii, standard | ascii, html},
	}

	// Shapes.
	emptyObject = &rule{
		"is an empty object, which PHP reads as an empty array", "leave it out, or send null",
		verdict{all, all, none, all, all},
	}
	listNames = &rule{
		"is an object with the names 0, 1 and so on alone, which PHP reads as an array", prefixNames,
		verdict{all, all, none, all, all},
	}
	integerNames = &rule{
		"is an object with names that are integers, which JavaScript puts first and in numeric order", prefixNames,
		verdict{none, all, all, all, all},
	}
	astralNames = &rule{
		"is an object whose names sort differently as UTF-8 and as UTF-16", "use ASCII in names",
		verdict{all, all, all, all, none},
	}

	// Numbers.
	beyondInt64 = &rule{
		"is an integer beyond 64 bits, which PHP turns into a float", "send it as a string",
		verdict{all, all, none, all, all},
	}
	smallNumber = &rule{
		"is a fraction below 0.0001, which Python, PHP and Ruby write with an exponent", otherNumber,
		verdict{all, none, none, none, all},
	}
	exponent = &rule{
		reason: "is a number with an exponent, which Python, PHP and Ruby each write in their own way", remedy: otherNumber,
	}

	// The event as a whole.
	tooBigForNode = &rule{
		reason: "is larger than 102,400 bytes, the default limit of Express",
		remedy: "send less, or let the receiver raise its limit",
	}
	textsAtOdds = &rule{
		"holds texts that no single encoding suits", "leave DEL, U+007F, out",
		verdict{},
	}
	minusZero   = &rule{reason: "is minus zero, which is sent as 0", remedy: "send 0"}
	longInteger = &rule{
		reason: "is an integer beyond 2^53, which is sent as the shortest one that is the same double",
		remedy: "send it as a string",
	}
)

// maxListed is how many issues of a rule are listed for each receiver.
const maxListed = 10

// report is what is known about an event.
type report struct {
	refused  bool
	verified verdict
	issues   []Issue
	listed   map[listing]int // issues so far
}

type listing struct {
	rule     *rule
	receiver string
}

// refuse notes that the event cannot be published.
func (r *report) refuse(path, reason, remedy string) {
	r.refused = true
	r.issues = append(r.issues, Issue{Severity: Refused, Receiver: every, Path: path, Reason: reason, Remedy: remedy})
}

// find notes that a rule concerns what is at a path.
func (r *report) find(k *rule, path func() string) { r.findAs(k, k.verified, path) }

// findAs is find with the verdict of the case at hand.
func (r *report) findAs(k *rule, verified verdict, path func() string) {
	for i, e := range verified {
		r.verified[i] &= e
		if e == all || e&standard != 0 && k != tooBigForNode {
			continue
		}
		issue := Issue{Severity: Unverifiable, Receiver: receivers[i], Reason: k.reason, Remedy: k.remedy}
		if e != none {
			issue.Severity, issue.Encodings = NeedsEncoding, e.names()
		}
		r.list(k, issue, path)
	}
}

// alter notes that a receiver reads another value than the one at a path.
func (r *report) alter(k *rule, by string, path func() string) {
	r.list(k, Issue{Severity: Altered, Receiver: by, Reason: k.reason, Remedy: k.remedy}, path)
}

func (r *report) list(k *rule, issue Issue, path func() string) {
	key := listing{k, issue.Receiver}
	if r.listed[key] == maxListed {
		return
	}
	r.listed[key]++
	issue.Path = path()
	r.issues = append(r.issues, issue)
}

// conclude notes for which receivers each part has its encoding, and the whole none.
func (r *report) conclude() {
	for i, e := range r.verified {
		known := slices.ContainsFunc(r.issues, func(issue Issue) bool {
			return issue.Receiver == receivers[i] && issue.Severity == Unverifiable
		})
		if e == none && !known {
			verified := fine
			verified[i] = none
			r.findAs(textsAtOdds, verified, func() string { return "" })
		}
	}
}

// sorted returns the issues in the order that Check promises.
func (r *report) sorted() []Issue {
	slices.SortStableFunc(r.issues, func(a, b Issue) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(slices.Index(receivers[:], a.Receiver), slices.Index(receivers[:], b.Receiver)))
	})
	return r.issues
}
