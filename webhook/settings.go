package webhook

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

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
		bad.add("description", fmt.Sprintf("must be at most %d characters, and none of them a control character", maxDescription))
	}
	return s
}

// isText says if s is valid UTF-8 of so many characters at most.
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
		bad.add("metadata", fmt.Sprintf("at most %d pairs", maxMetadata))
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		field := strictjson.Member("metadata", key)
		if key == "" || !isText(key, maxMetadataKey) {
			bad.add(field, fmt.Sprintf("the key must be 1 to %d characters", maxMetadataKey))
		}
		if !isText(m[key], maxMetadataValue) {
			bad.add(field, fmt.Sprintf("the value must be at most %d characters", maxMetadataValue))
		}
	}
	return m
}

// checkRate accepts 0, which is no limit.
func checkRate(bad *faults, n int, message string) int {
	if n < 0 || n > MaxRateLimit {
		bad.add("rateLimit", message)
	}
	return n
}

// maxHeaders is how many headers a webhook may have.
const maxHeaders = 20

// checkHeaders returns h as it is to be sealed.
func checkHeaders(bad *faults, h Headers) Headers {
	if len(h) > maxHeaders {
		bad.add("headers", fmt.Sprintf("at most %d headers", maxHeaders))
		return nil
	}
	seen := make(map[string]bool, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		field := strictjson.Member("headers", name)
		if reason := vault.RefuseHeaderName(name); reason != "" {
			bad.add(field, reason)
		}
		if lower := strings.ToLower(name); seen[lower] {
			bad.add(field, "is there twice; upper and lower case are the same")
		} else {
			seen[lower] = true
		}
		if !vault.ValidHeaderValue(h[name]) {
			bad.add(field, vault.HeaderValueRule)
		}
	}
	return h
}
