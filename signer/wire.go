package signer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
)

// Wire is the names and forms of a sender's requests: what it calls its headers, and how
// it writes the signature that has no time in it. Sender and receivers share one value.
// The zero Wire is the one that this package documents: X-Webhook-Signature and so on,
// beside the three headers of Standard Webhooks, which are always sent under their own
// names.
type Wire struct {
	// Prefix begins the names of the sender's own headers: with "X-Acme-" they are
	// X-Acme-Signature, X-Acme-Event, X-Acme-ID and X-Acme-Delivery-ID. Defaults to
	// "X-Webhook-".
	Prefix string

	// Signature, Event, WebhookID and DeliveryID are whole names in place of those that
	// Prefix makes. Default to none.
	Signature, Event, WebhookID, DeliveryID string

	// Untimed is the form of the signature that has no time in it.
	Untimed Untimed

	// OmitUntimed leaves that signature out. Receivers then verify Standard Webhooks
	// alone, which a new product should want: it has a time, and several secrets.
	OmitUntimed bool

	// StandardOnly leaves out all headers of the sender's own: only Content-Type,
	// User-Agent and those of Standard Webhooks are sent.
	StandardOnly bool

	// Svix sends the headers of Standard Webhooks a second time under the names
	// svix-id, svix-timestamp and svix-signature, for receivers that moved from there.
	Svix bool

	// UserAgent is the header of that name. Defaults to [DefaultUserAgent], or to
	// "Webhooks/1.0" with a Prefix or with StandardOnly.
	UserAgent string
}

// Untimed is the form of a signature over the body alone. The zero Untimed is "sha256="
// and lower-case hex, made with the whole text of the secret.
type Untimed struct {
	// Prefix stands before the digits. Defaults to "sha256=".
	Prefix string

	// NoPrefix writes the digits alone.
	NoPrefix bool

	// Base64 writes standard base64, with padding, instead of hex.
	Base64 bool

	// DecodedKey signs with the bytes that a "whsec_" secret holds in base64, as
	// Standard Webhooks does, and not with its text.
	DecodedKey bool
}

// prefix returns what stands before the digits.
func (u Untimed) prefix() string {
	switch {
	case u.NoPrefix:
		return ""
	case u.Prefix == "":
		return untimedPrefix
	}
	return u.Prefix
}

// decode reads the digits behind the prefix. It reports false if they are not in the form.
func (u Untimed) decode(mac *[sha256.Size]byte, digits string) bool {
	if !u.Base64 {
		if len(digits) != 2*sha256.Size {
			return false
		}
		_, err := hex.Decode(mac[:], []byte(digits))
		return err == nil
	}
	if len(digits) != standardSize {
		return false
	}
	var raw [standardSize]byte
	n, err := base64.StdEncoding.Decode(raw[:], []byte(digits))
	copy(mac[:], raw[:])
	// The last byte has several spellings, and the decoder skips line breaks.
	var again [standardSize]byte
	base64.StdEncoding.Encode(again[:], mac[:])
	return err == nil && n == len(mac) && subtle.ConstantTimeCompare([]byte(digits), again[:]) == 1
}

// DefaultUserAgent is the User-Agent of the zero [Wire].
const DefaultUserAgent = "RAG-Assistant-Webhooks/1.0"

// WithDefaults returns w with every name and text filled in. A header that is not sent has
// an empty name then.
func (w Wire) WithDefaults() Wire {
	if w.UserAgent == "" {
		w.UserAgent = DefaultUserAgent
		if w.Prefix != "" || w.StandardOnly {
			w.UserAgent = "Webhooks/1.0"
		}
	}
	if w.Prefix == "" {
		w.Prefix = "X-Webhook-"
	}
	for _, f := range []struct {
		name *string
		end  string
		omit bool
	}{
		{&w.Signature, "Signature", w.OmitUntimed}, {&w.Event, "Event", false}, {&w.WebhookID, "ID", false}, {&w.DeliveryID, "Delivery-ID", false},
	} {
		switch {
		case f.omit || w.StandardOnly:
			*f.name = ""
		case *f.name == "":
			*f.name = w.Prefix + f.end
		}
	}
	w.Untimed.Prefix = w.Untimed.prefix()
	return w
}

// Own returns the names of the headers that the sender writes beside those of Standard
// Webhooks, in the order of the fields.
func (w Wire) Own() []string {
	w = w.WithDefaults()
	var out []string
	for _, name := range []string{w.Signature, w.Event, w.WebhookID, w.DeliveryID} {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Validate reports all that is wrong with w: names that HTTP cannot carry, that are there
// twice, or that HTTP, traces or Standard Webhooks have already, and texts that a header
// cannot hold.
func (w Wire) Validate() error {
	var bad []error
	var keys []string
	for _, name := range w.Own() {
		key := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case len(name) > 64 || !token(name):
			bad = append(bad, fmt.Errorf("%q is not the name of a header: 1 to 64 letters, digits and -", name))
		case taken(key):
			bad = append(bad, fmt.Errorf("%s is a header of HTTP, of traces or of Standard Webhooks already", key))
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if n := len(keys); len(slices.Compact(slices.Clone(keys))) != n {
		bad = append(bad, fmt.Errorf("two headers have one name: %s", strings.Join(keys, ", ")))
	}
	full := w.WithDefaults()
	agent := full.UserAgent
	if !visible(agent, true) || agent[0] == ' ' || agent[len(agent)-1] == ' ' || len(agent) > 256 {
		bad = append(bad, errors.New("user agent is not 1 to 256 visible ASCII characters"))
	}
	if !visible(full.Untimed.Prefix, false) || len(full.Untimed.Prefix) > 32 {
		bad = append(bad, errors.New("prefix of the untimed signature is longer than 32 characters or not visible ASCII"))
	}
	if err := errors.Join(bad...); err != nil {
		return fmt.Errorf("signer: wire: %w", err)
	}
	return nil
}

func token(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		default:
			return false
		}
	}
	return name != ""
}

// taken reports whether the sender, HTTP or a trace writes a header by itself.
func taken(key string) bool {
	switch key {
	case "Transfer-Encoding", "Host", "Connection", "User-Agent", "Authorization", "Cookie", "Date", "Expect", "Te", "Trailer",
		"Upgrade", "Keep-Alive", "Accept-Encoding", "Idempotency-Key", "X-Idempotency-Key", "Traceparent", "Tracestate", "Baggage":
		return true
	}
	return strings.HasPrefix(key, "Content-") || strings.HasPrefix(key, "Webhook-") ||
		strings.HasPrefix(key, "Svix-") || strings.HasPrefix(key, "Proxy-")
}

func visible(s string, spaces bool) bool {
	for i := range len(s) {
		if s[i] > '~' || s[i] < ' ' || s[i] == ' ' && !spaces {
			return false
		}
	}
	return true
}
