package webhook

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// CheckRegistration reports what [Service.Register] would refuse.
func (s *Service) CheckRegistration(r Registration) []Fault {
	var bad faults
	s.checkRegistration(&bad, r)
	return bad
}

// CheckUpdate reports what [Service.Update] would refuse for any webhook.
func (s *Service) CheckUpdate(u Update) []Fault {
	var bad faults
	s.checkUpdate(&bad, u)
	return bad
}

// checkRegistration returns r as it is to be stored.
func (s *Service) checkRegistration(bad *faults, r Registration) Registration {
	if !r.Secret.IsZero() && r.Signature == SchemeAsymmetric {
		bad.add("secret", FaultWrong, `must not be given with signature "v1a", which has a pair of keys in its place`)
	}
	return Registration{
		URL:         s.checkURL(bad, r.URL),
		Events:      s.checkEvents(bad, r.Events),
		Encoding:    checkEncoding(bad, r.Encoding),
		Signature:   checkScheme(bad, r.Signature),
		Secret:      r.Secret,
		Description: checkDescription(bad, r.Description),
		Metadata:    checkMetadata(bad, r.Metadata),
		Headers:     s.checkHeaders(bad, r.Headers),
		RateLimit:   checkRate(bad, r.RateLimit, "must be a whole number from 1 to 10000"),
	}
}

// checkUpdate returns u as the store takes it, without the headers, which are sealed
// later.
func (s *Service) checkUpdate(bad *faults, u Update) store.WebhookUpdate {
	change := store.WebhookUpdate{IfVersion: u.IfVersion, Status: (*store.Status)(u.Status), Reason: string(ReasonRequest)}
	if u.URL == nil && u.Events == nil && u.Status == nil && u.Encoding == nil &&
		u.Description == nil && u.Metadata == nil && u.Headers == nil && u.RateLimit == nil {
		bad.add("", FaultMissing, "give at least one of url, events, status, payloadEncoding, description, metadata, headers, rateLimit")
	}
	if u.URL != nil {
		checked := s.checkURL(bad, *u.URL)
		change.URL = &checked
	}
	if u.Events != nil {
		change.Events = s.checkEvents(bad, u.Events)
	}
	if u.Status != nil && *u.Status != Active && *u.Status != Disabled {
		bad.add("status", FaultWrong, `must be "active" or "disabled"`)
	}
	if u.Encoding != nil {
		encoding := string(checkEncoding(bad, *u.Encoding))
		change.Encoding = &encoding
	}
	if u.Description != nil {
		description := checkDescription(bad, *u.Description)
		change.Description = &description
	}
	change.Metadata = checkMetadata(bad, u.Metadata)
	s.checkHeaders(bad, u.Headers)
	if u.RateLimit != nil {
		rate := checkRate(bad, *u.RateLimit, "must be a whole number from 1 to 10000, or 0 for no limit")
		change.RateLimit = &rate
	}
	return change
}

func (s *Service) checkURL(bad *faults, raw string) string {
	if raw == "" {
		bad.add("url", FaultMissing, "is required")
		return ""
	}
	u, err := s.rules.CheckURL(raw)
	if err != nil {
		reason := words.Message{Text: "is not a valid URL"}
		if refused, ok := errors.AsType[*egress.URLError](err); ok {
			reason = refused.Text
		}
		bad.add("url", FaultWrong, reason.Text, reason.Args...)
	}
	return u
}

// checkEvents returns the types and patterns without repeats, in the order given.
func (s *Service) checkEvents(bad *faults, types []string) []string {
	if len(types) == 0 {
		bad.add("events", FaultMissing, "give at least one event type")
		return nil
	}
	if len(types) > s.limits.Events {
		bad.add("events", FaultTooMany, "at most %d event types", s.limits.Events)
		return nil
	}
	if slices.Equal(types, []string{store.EveryType}) {
		return slices.Clone(types)
	}
	out := make([]string, 0, len(types))
	for i, name := range types {
		entry, known := s.catalog.Lookup(event.Type(name))
		pattern := strings.HasSuffix(name, ".*")
		switch {
		case name == store.EveryType:
			bad.add(fmt.Sprintf("events[%d]", i), FaultWrong, `"*" takes in every type and must stand alone`)
		case pattern && !s.subscribable(name):
			bad.add(fmt.Sprintf("events[%d]", i), FaultUnknownType, "takes in no event type that can be subscribed to")
		case !known && !pattern:
			bad.add(fmt.Sprintf("events[%d]", i), FaultUnknownType, "is not in the catalog of event types")
		case known && !entry.Subscribable():
			bad.add(fmt.Sprintf("events[%d]", i), FaultWrong, "is sent on request only and cannot be subscribed to")
		case !slices.Contains(out, name):
			out = append(out, name)
		}
	}
	return out
}

// subscribable says that a pattern takes in a type that a webhook can subscribe to.
func (s *Service) subscribable(pattern string) bool {
	for e := range s.catalog.All() {
		if e.Subscribable() && store.Matches([]string{pattern}, string(e.Type)) {
			return true
		}
	}
	return false
}

func checkEncoding(bad *faults, e Encoding) Encoding {
	switch e {
	case "":
		return EncodingStandard
	case EncodingStandard, EncodingASCII, EncodingHTML:
		return e
	}
	bad.add("payloadEncoding", FaultWrong, `must be "standard", "ascii" or "html"`)
	return ""
}

func checkScheme(bad *faults, s Scheme) Scheme {
	switch s {
	case "":
		return SchemeSecret
	case SchemeSecret, SchemeAsymmetric:
		return s
	}
	bad.add("signature", FaultWrong, `must be "v1" or "v1a"`)
	return ""
}

// Bounds of what a merchant notes about a webhook, in characters.
const (
	maxDescription   = 512
	maxMetadata      = 20 // pairs
	maxMetadataKey   = 64
	maxMetadataValue = 512
)

// MaxRateLimit is the highest [Registration.RateLimit].
const MaxRateLimit = 10_000

func checkDescription(bad *faults, s string) string {
	if !isText(s, maxDescription) || containsControl(s) {
		bad.add("description", FaultWrong, "must be at most %d characters, and none of them a control character", maxDescription)
	}
	return s
}

// isText reports whether s is valid UTF-8 of at most that many characters.
func isText(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most
}

func containsControl(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return true
		}
	}
	return false
}

func checkMetadata(bad *faults, m map[string]string) map[string]string {
	if len(m) > maxMetadata {
		bad.add("metadata", FaultTooMany, "at most %d pairs", maxMetadata)
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		field := strictjson.Member("metadata", key)
		if key == "" || !isText(key, maxMetadataKey) {
			bad.add(field, FaultWrong, "the key must be 1 to %d characters", maxMetadataKey)
		}
		if !isText(m[key], maxMetadataValue) {
			bad.add(field, FaultWrong, "the value must be at most %d characters", maxMetadataValue)
		}
	}
	return m
}

// checkRate accepts 0, which is no limit.
func checkRate(bad *faults, n int, rule words.Text) int {
	if n < 0 || n > MaxRateLimit {
		bad.add("rateLimit", FaultWrong, rule)
	}
	return n
}

// maxHeaders is how many headers a webhook may have.
const maxHeaders = 20

// checkHeaders returns h as it is to be sealed.
func (s *Service) checkHeaders(bad *faults, h Headers) Headers {
	if len(h) > maxHeaders {
		bad.add("headers", FaultTooMany, "at most %d headers", maxHeaders)
		return nil
	}
	seen := make(map[string]bool, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		field := strictjson.Member("headers", name)
		if reason := s.reserved.Refuse(name); reason.Text != "" {
			bad.add(field, FaultWrong, reason.Text, reason.Args...)
		}
		if lower := strings.ToLower(name); seen[lower] {
			bad.add(field, FaultWrong, "is there twice; upper and lower case are the same")
		} else {
			seen[lower] = true
		}
		if !vault.ValidHeaderValue(h[name]) {
			bad.add(field, FaultWrong, vault.HeaderValueRule)
		}
	}
	return h
}

// Matches reports whether a webhook with these [Registration].Events gets events of a type, or
// all that a pattern of types takes in: see [store.Patterns].
func Matches(events []string, eventType string) bool { return store.Matches(events, eventType) }
