package api

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// bodyLimits are for what a merchant sends to manage webhooks.
func bodyLimits() strictjson.Limits { return strictjson.Limits{Size: 64 << 10, Depth: 16} }

// eventLimits leave room for spaces in an event that fits without.
func eventLimits() strictjson.Limits {
	return strictjson.Limits{Size: webhook.MaxBody + 4<<10, Depth: jcs.MaxDepth}
}

// members are those of the object in a request's body. Its methods take them out
// one by one and collect what is wrong with them.
type members struct {
	all   strictjson.Fields
	taken map[string]bool
	bad   faults
}

// body reads the request's JSON object.
func (x *exchange) body(limits strictjson.Limits) (*members, error) {
	text, err := x.read(limits.Size)
	if err != nil {
		return nil, err
	}
	return parseMembers(text, limits)
}

// optionalBody is like body, but no body at all is an empty object.
func (x *exchange) optionalBody() (*members, error) {
	text, err := x.read(bodyLimits().Size)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 {
		text = []byte("{}")
	}
	return parseMembers(text, bodyLimits())
}

func parseMembers(text []byte, limits strictjson.Limits) (*members, error) {
	all, err := strictjson.Object(text, limits)
	if err != nil {
		if wrong, ok := errors.AsType[*strictjson.Error](err); ok {
			if wrong.Field == "" {
				return nil, invalid("", "the body %s", words.Message{Text: words.Text(wrong.Text), Args: wrong.Args})
			}
			return nil, invalid(wrong.Field, words.Text(wrong.Text), wrong.Args...)
		}
		return nil, err
	}
	return &members{all: all, taken: make(map[string]bool, 4)}, nil
}

// read returns the bytes of the body, which need a type only if there are any. It
// may be called again with a lower limit.
func (x *exchange) read(limit int) ([]byte, error) {
	if x.R.Body == nil {
		return nil, nil
	}
	if x.wasRead {
		if len(x.text) > limit {
			return nil, errTooLarge
		}
		return x.text, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(x.W, x.R.Body, int64(limit)))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, errTooLarge
	}
	switch {
	case err != nil:
		return nil, invalid("", "the body cannot be read to its end")
	case len(text) > 0 && !isJSON(x.R.Header):
		return nil, errMediaType
	}
	x.text, x.wasRead = text, true
	return text, nil
}

func isJSON(header http.Header) bool {
	for _, encoding := range header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return false
		}
	}
	types := header.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	mediaType, parameters, err := mime.ParseMediaType(types[0])
	if err != nil || mediaType != "application/json" {
		return false
	}
	charset, given := parameters["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// take returns the JSON text of a member, nil if it is absent.
func (m *members) take(name string) []byte {
	m.taken[name] = true
	return m.all.Get(name)
}

func (m *members) require(names ...string) {
	for _, name := range names {
		if m.all.Get(name) == nil {
			m.bad.add(name, "is required")
		}
	}
}

// text returns a string member, nil if it is absent.
func (m *members) text(name string) *string {
	raw := m.take(name)
	if raw == nil {
		return nil
	}
	s, ok := strictjson.String(raw)
	if !ok {
		m.bad.add(name, "must be a string")
		return nil
	}
	return &s
}

// texts returns an array of strings, nil if it is absent.
func (m *members) texts(name string) []string {
	raw := m.take(name)
	if raw == nil {
		return nil
	}
	all, others, ok := strictjson.Strings(raw)
	if !ok {
		m.bad.add(name, "must be an array of strings")
	}
	for _, i := range others {
		m.bad.add(fmt.Sprintf("%s[%d]", name, i), "must be a string")
	}
	return all
}

// pairs returns an object of strings, nil if it is absent.
func (m *members) pairs(name string) map[string]string {
	raw := m.take(name)
	if raw == nil {
		return nil
	}
	fields, err := strictjson.Object(raw, bodyLimits())
	if err != nil {
		m.bad.add(name, "must be an object whose members are strings")
		return nil
	}
	out := make(map[string]string, len(fields))
	for _, f := range fields {
		s, ok := strictjson.String(f.Value)
		if !ok {
			m.bad.add(strictjson.Member(name, string(f.Name)), "must be a string")
		}
		out[string(f.Name)] = s
	}
	return out
}

// number returns an integer member, nil if it is absent. One that an int cannot
// hold becomes the closest that it can.
func (m *members) number(name string) *int {
	raw := m.take(name)
	if raw == nil {
		return nil
	}
	n, err := strconv.Atoi(string(raw))
	if errors.Is(err, strconv.ErrSyntax) {
		m.bad.add(name, wantsWhole)
		return nil
	}
	return &n
}

// whole returns an integer member, fallback if it is absent.
func (m *members) whole(name string, fallback int64) int64 {
	raw := m.take(name)
	if raw == nil {
		return fallback
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		m.bad.add(name, wantsWhole)
	}
	return n
}

const wantsWhole = "must be a whole number"

// flag returns a boolean member, false if it is absent.
func (m *members) flag(name string) bool {
	switch raw := string(m.take(name)); raw {
	case "", "false":
	case "true":
		return true
	default:
		m.bad.add(name, "must be true or false")
	}
	return false
}

// moment returns a time, zero if it is absent.
func (m *members) moment(name string) time.Time {
	s := m.text(name)
	if s == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, *s)
	if err != nil {
		m.bad.add(name, wantsMoment)
	}
	return t
}

// done adds members that nobody took to the faults and returns all of them.
func (m *members) done() faults {
	for _, f := range m.all {
		if name := string(f.Name); !m.taken[name] {
			m.bad.add(shorten(name), "is not a field of this request")
		}
	}
	return m.bad
}

// shorten keeps a stranger's name for a field from filling the answer.
func shorten(name string) string {
	if len(name) > 64 {
		name = name[:64] + "…"
	}
	return strings.ToValidUTF8(name, "")
}

// query reads the parameters behind the question mark and collects what is wrong
// with them.
type query struct {
	values url.Values // those that nobody has asked for yet
	bad    faults
}

func (x *exchange) query() *query {
	values, err := url.ParseQuery(x.R.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.bad.add("", "the query is not well-formed")
	}
	return q
}

// one returns a parameter and whether it is there.
func (q *query) one(name string) (string, bool) {
	given := q.values[name]
	delete(q.values, name)
	if len(given) > 1 {
		q.bad.add(name, "must be given once")
	}
	if len(given) != 1 {
		return "", false
	}
	return given[0], true
}

// whole accepts digits alone: no sign, no leading zero, no exponent.
func (q *query) whole(name string, fallback, low, high int) int {
	s, given := q.one(name)
	if !given {
		return fallback
	}
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s || n < low || n > high {
		q.bad.add(name, "must be a whole number from %d to %d", low, high)
	}
	return n
}

func (q *query) flag(name string) bool {
	s, given := q.one(name)
	if given && s != "true" && s != "false" {
		q.bad.add(name, "must be true or false")
	}
	return s == "true"
}

// done adds parameters that nobody asked for to the faults, for a misspelt
// filter would answer another question, and returns all of them.
func (q *query) done() faults {
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		q.bad.add(shorten(name), "is not a parameter of this request")
	}
	return q.bad
}

func (q *query) moment(name string) time.Time {
	s, given := q.one(name)
	if !given {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		q.bad.add(name, wantsMoment)
	}
	return t
}

// span returns the times that a list is asked for. Zero is no bound.
func (q *query) span() (since, until time.Time) {
	since, until = q.moment("since"), q.moment("until")
	if !until.IsZero() && !since.Before(until) {
		q.bad.add("until", "must be after since")
	}
	return since, until
}

// eventType returns a type that a list is asked for. One that the catalog has lost may
// still be in the log.
func (q *query) eventType(name string) string {
	s, given := q.one(name)
	if given && !event.Type(s).Valid() {
		q.bad.add(name, "is not an event type")
	}
	return s
}

func (q *query) eventID(name string) string {
	s, given := q.one(name)
	if given && !id.Valid(s) {
		q.bad.add(name, "is not an event id")
	}
	return s
}

const wantsMoment = "must be a time as in RFC 3339, such as 2025-11-04T12:00:00Z"

// faults are what is wrong with a request.
type faults []webhook.Fault

func (f *faults) add(path string, text words.Text, args ...any) {
	*f = append(*f, webhook.NewFault(path, webhook.FaultWrong, text, args...))
}

// with adds those of more that concern other fields.
func (f *faults) with(more []webhook.Fault) faults {
	out := slices.Clone(*f)
	for _, m := range more {
		known := func(g webhook.Fault) bool { return g.Path == m.Path }
		if m.Path != "" && !slices.ContainsFunc(*f, known) {
			out = append(out, m)
		}
	}
	return out
}

// invalidIf returns an InvalidError if there are faults.
func invalidIf(f faults) error {
	if len(f) == 0 {
		return nil
	}
	return &webhook.InvalidError{Faults: f}
}

func invalid(path string, text words.Text, args ...any) error {
	return invalidIf(faults{webhook.NewFault(path, webhook.FaultWrong, text, args...)})
}
