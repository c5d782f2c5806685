package vault

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/internal/token"
	"github.com/rag-assistant/webhooks/webhook/words"
)

const (
	maxHeaderName  = 64
	maxHeaderValue = 1024
)

// Reserved are the headers of the sender's own, which no webhook may choose. Those of
// the zero [signer.Wire] and of Standard Webhooks are always among them.
type Reserved struct {
	names []string // folded
}

// NewReserved returns those of w. What else begins with its prefix is left to webhooks.
func NewReserved(w signer.Wire) Reserved {
	var r Reserved
	for _, name := range w.Own() {
		r.names = append(r.names, fold(name))
	}
	if w.Svix {
		r.names = append(r.names, "svix-id", "svix-timestamp", "svix-signature")
	}
	return r
}

// Refuse says why a webhook cannot have a header of this name, with an empty text if it
// can.
func (r Reserved) Refuse(name string) words.Message {
	switch {
	case !validHeaderName(name):
		return words.Message{Text: "the name must be 1 to %d letters, digits or any of %s", Args: []any{maxHeaderName, token.Marks}}
	case r.has(name):
		return words.Message{Text: "this header is set by the sender, by HTTP or by what is between sender and receiver"}
	}
	return words.Message{}
}

// validHeaderName says if name is a token of a length that all servers take.
func validHeaderName(name string) bool { return token.Valid(name) && len(name) <= maxHeaderName }

// HeaderValueRule says what [ValidHeaderValue] takes.
const HeaderValueRule words.Text = "the value must be 1 to 1024 visible ASCII characters, with spaces and tabs only between them"

// ValidHeaderValue is narrower than RFC 9110, section 5.5, by what receivers read
// in different ways.
func ValidHeaderValue(v string) bool {
	for i := range len(v) {
		c := v[i]
		between := (c == ' ' || c == '\t') && i > 0 && i < len(v)-1
		if !between && (c <= ' ' || c > '~') {
			return false
		}
	}
	return len(v) >= 1 && len(v) <= maxHeaderValue
}

// SameHeader says if a program may get two headers under one name.
func SameHeader(a, b string) bool { return fold(a) == fold(b) }

// has says if a webhook must not choose a header of its own by this name.
func (r Reserved) has(name string) bool {
	folded := fold(name)
	begins := func(prefix string) bool { return strings.HasPrefix(folded, prefix) }
	return slices.Contains(reservedHeaders, folded) || slices.Contains(r.names, folded) ||
		slices.ContainsFunc(reservedPrefixes, begins)
}

// fold makes lower case of a name, and '-' of every character but letters and digits,
// since CGI, and all that is built like it, hands X_Webhook_Signature and
// X-Webhook-Signature to a program under one name.
func fold(name string) string {
	folded := []byte(strings.ToLower(name))
	for i, c := range folded {
		if !token.Alphanumeric(c) {
			folded[i] = '-'
		}
	}
	return string(folded)
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

// TraceHeader says if a name that webhooks cannot choose is there for traces.
func TraceHeader(name string) bool {
	lower := strings.ToLower(name)
	return slices.Contains(traceHeaders, lower) || strings.HasPrefix(lower, "x-b3-") && validHeaderName(name)
}

//nolint:gochecknoglobals // a constant list
var traceHeaders = []string{"traceparent", "tracestate", "baggage", "b3"}

// Header is one of a webhook's headers as http.Header holds it.
type Header struct {
	Name  string
	Value []string
}

// Origin returns scheme, host and port of a webhook's URL, where the port of the
// scheme is the same as none.
func Origin(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return rawURL
	}
	port := u.Port()
	switch {
	case port != "":
	case strings.EqualFold(u.Scheme, "http"):
		port = "80"
	default:
		port = "443"
	}
	return strings.ToLower(u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port))
}

// Sealed headers are their names, sorted and separated by commas, a colon, and
// the sealed values, a line each. The names and the origin are bound to the values,
// which the text's version says. Text of the version before has no origin.

const boundPrefix = "v2."

// headersOf is the associated data of headers with these names, at an origin or, for
// text of the version before, anywhere. No origin holds a '|'; a name may.
func headersOf(merchantID, webhookID, origin, names string) []byte {
	if origin == "" {
		return []byte(merchantID + "|" + webhookID + "|headers|" + names)
	}
	return []byte(merchantID + "|" + webhookID + "|headers at|" + origin + "|" + names)
}

// HeaderNames returns the names of sealed headers, sorted.
func HeaderNames(sealed string) []string {
	if sealed == "" {
		return nil
	}
	names, _, _ := strings.Cut(sealed, ":")
	return strings.Split(names, ",")
}

// SealHeaders seals the headers of a webhook for the origin of its URL: no headers, no
// text.
func (v *Vault) SealHeaders(merchantID, webhookID, rawURL string, h map[string]string) (string, error) {
	if len(h) == 0 {
		return "", nil
	}
	names := slices.Sorted(maps.Keys(h))
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = h[name]
	}
	joined := strings.Join(names, ",")
	text, err := v.sealText(headersOf(merchantID, webhookID, Origin(rawURL), joined), strings.Join(values, "\n"))
	if err != nil {
		return "", err
	}
	if rest, ok := strings.CutPrefix(text, sealedPrefix); ok { // Plain text is bound to nothing.
		text = boundPrefix + rest
	}
	return joined + ":" + text, nil
}

// openHeaders fails as open does.
func (v *Vault) openHeaders(merchantID, webhookID, rawURL, sealed string) ([]Header, error) {
	if sealed == "" {
		return nil, nil
	}
	joined, text, _ := strings.Cut(sealed, ":")
	origin := ""
	if rest, bound := strings.CutPrefix(text, boundPrefix); bound {
		origin, text = Origin(rawURL), sealedPrefix+rest
	}
	plain, err := v.openText(headersOf(merchantID, webhookID, origin, joined), text)
	if err != nil {
		return nil, err
	}
	names, values := strings.Split(joined, ","), strings.Split(plain, "\n")
	if len(names) != len(values) {
		return nil, ErrUnsealed
	}
	out := make([]Header, len(names))
	for i, name := range names {
		out[i] = Header{Name: name, Value: values[i : i+1 : i+1]}
	}
	return out, nil
}

// RewrapHeaders returns text that the first key has sealed for an origin as it is.
func (v *Vault) RewrapHeaders(merchantID, webhookID, rawURL, sealed string) (string, error) {
	_, text, _ := strings.Cut(sealed, ":")
	if sealed == "" || v.first == "" && v.current(text) || v.first != "" && strings.HasPrefix(text, boundPrefix+v.first+".") {
		return sealed, nil
	}
	opened, err := v.openHeaders(merchantID, webhookID, rawURL, sealed)
	if err != nil {
		return "", err
	}
	h := make(map[string]string, len(opened))
	for _, o := range opened {
		h[o.Name] = o.Value[0]
	}
	return v.SealHeaders(merchantID, webhookID, rawURL, h)
}
