package webhook

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
	"github.com/rag-assistant/webhooks/webhook/internal/token"
)

// Headers go along with every request to a webhook, such as a token that the
// receiver asks for, by name. They are kept as secrets are: sealed in the store,
// and never shown. Whatever prints Headers prints their names only.
type Headers map[string]string

// String returns the names.
func (h Headers) String() string {
	return "Headers(" + strings.Join(slices.Sorted(maps.Keys(h)), ", ") + ")"
}

// Format writes the names whatever the verb and its flags.
func (h Headers) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, h.String()) }

// MarshalText returns the names, also inside JSON.
func (h Headers) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// LogValue returns the names.
func (h Headers) LogValue() slog.Value { return slog.StringValue(h.String()) }

const (
	maxHeaders     = 20
	maxHeaderName  = 64
	maxHeaderValue = 1024
)

// checkHeaders returns h as it is to be sealed.
func checkHeaders(bad *faults, h Headers) Headers {
	if len(h) > maxHeaders {
		bad.add("headers", fmt.Sprintf("at most %d headers", maxHeaders))
		return nil
	}
	seen := make(map[string]bool, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		field := strictjson.Member("headers", name)
		if reason := refuseHeaderName(name); reason != "" {
			bad.add(field, reason)
		}
		if lower := strings.ToLower(name); seen[lower] {
			bad.add(field, "is there twice; upper and lower case are the same")
		} else {
			seen[lower] = true
		}
		if !validExtraValue(h[name]) {
			bad.add(field, fmt.Sprintf("the value must be 1 to %d visible ASCII characters, with spaces and tabs only between them", maxHeaderValue))
		}
	}
	return h
}

// refuseHeaderName says why a webhook cannot have a header of this name, empty if
// it can.
func refuseHeaderName(name string) string {
	switch {
	case !validHeaderName(name):
		return fmt.Sprintf("the name must be 1 to %d letters, digits or any of %s", maxHeaderName, token.Marks)
	case reservedHeader(name):
		return "this header is set by the sender, by HTTP or by what is between sender and receiver"
	}
	return ""
}

// validHeaderName says if name is a token of a length that all servers take.
func validHeaderName(name string) bool { return token.Valid(name) && len(name) <= maxHeaderName }

// validExtraValue is narrower than RFC 9110, section 5.5, by what receivers read
// in different ways.
func validExtraValue(v string) bool {
	for i := range len(v) {
		c := v[i]
		between := (c == ' ' || c == '\t') && i > 0 && i < len(v)-1
		if !between && (c <= ' ' || c > '~') {
			return false
		}
	}
	return len(v) >= 1 && len(v) <= maxHeaderValue
}

// reservedHeader says if a webhook must not choose a header of its own by this
// name. Every character but letters and digits counts as '-', since CGI, and all
// that is built like it, hands X_Webhook_Signature and X-Webhook-Signature to a
// program under one name.
func reservedHeader(name string) bool {
	folded := []byte(strings.ToLower(name))
	for i, c := range folded {
		if !token.Alphanumeric(c) {
			folded[i] = '-'
		}
	}
	if slices.Contains(reservedHeaders, string(folded)) {
		return true
	}
	return slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(string(folded), p) })
}

//nolint:gochecknoglobals // constant lists
var (
	reservedPrefixes = []string{
		"webhook-", "x-webhook-", // the sender's
		"content-",                // what is said of the body
		"proxy-",                  // the connection's
		"x-forwarded-", "x-real-", // who asks, as proxies tell
		"x-b3-", // traces
	}
	reservedHeaders = []string{
		"user-agent",
		// The connection (RFC 9110, section 7.6.1; RFC 9113) and what net/http writes
		// or acts upon.
		"host", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "http2-settings",
		"expect", "accept-encoding", "date", "idempotency-key", "x-idempotency-key",
		// Who asks, as proxies tell, and what else they would act upon.
		"forwarded", "via", "client-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip",
		"x-original-url", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override",
		// Traces.
		"traceparent", "tracestate", "baggage", "b3",
	}
)

// extraHeader is one of a webhook's headers as http.Header holds it.
type extraHeader struct {
	name  string
	value []string
}

// Sealed headers are their names, sorted and separated by commas, a colon, and
// the sealed values, a line each. The names are bound to the values.

// headerNames returns the names of sealed headers, sorted.
func headerNames(sealed string) []string {
	if sealed == "" {
		return nil
	}
	names, _, _ := strings.Cut(sealed, ":")
	return strings.Split(names, ",")
}

// sealHeaders returns nothing for no headers.
func (s *sealer) sealHeaders(merchantID, webhookID string, h Headers) (string, error) {
	if len(h) == 0 {
		return "", nil
	}
	names := slices.Sorted(maps.Keys(h))
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = h[name]
	}
	joined := strings.Join(names, ",")
	text, err := s.sealText(headersOf(merchantID, webhookID, joined), strings.Join(values, "\n"))
	if err != nil {
		return "", err
	}
	return joined + ":" + text, nil
}

// openHeaders fails as open does.
func (s *sealer) openHeaders(merchantID, webhookID, sealed string) ([]extraHeader, error) {
	if sealed == "" {
		return nil, nil
	}
	joined, text, _ := strings.Cut(sealed, ":")
	plain, err := s.openText(headersOf(merchantID, webhookID, joined), text)
	if err != nil {
		return nil, err
	}
	names, values := strings.Split(joined, ","), strings.Split(plain, "\n")
	if len(names) != len(values) {
		return nil, errUnsealed
	}
	out := make([]extraHeader, len(names))
	for i, name := range names {
		out[i] = extraHeader{name: name, value: values[i : i+1 : i+1]}
	}
	return out, nil
}

// rewrapHeaders returns text that the first key has sealed as it is.
func (s *sealer) rewrapHeaders(merchantID, webhookID, sealed string) (string, error) {
	if _, text, _ := strings.Cut(sealed, ":"); sealed == "" || s.current(text) {
		return sealed, nil
	}
	opened, err := s.openHeaders(merchantID, webhookID, sealed)
	if err != nil {
		return "", err
	}
	h := make(Headers, len(opened))
	for _, o := range opened {
		h[o.name] = o.value[0]
	}
	return s.sealHeaders(merchantID, webhookID, h)
}
