package verifier

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/signer"
)

// missing is the error of a request without the header that it names, as every
// Standard Webhooks header is required.
type missing string

// Error names the header.
func (m missing) Error() string { return "verifier: " + string(m) + " is missing" }

// Unwrap makes it an [ErrMissingSignature].
func (missing) Unwrap() error { return ErrMissingSignature }

// absent is the error of a request without the header key. It does not allocate, for
// those who only want to know that something is wrong.
func absent(key string) error {
	switch key {
	case keyStandardID:
		return missing(signer.HeaderStandardID)
	case keyStandardTimestamp:
		return missing(signer.HeaderStandardTimestamp)
	case keyStandardSignature:
		return missing(signer.HeaderStandardSignature)
	}
	return ErrMissingSignature
}

// names are the sender's own headers in canonical form, in which a map look-up does not
// allocate. Those that it does not send are empty.
type names struct {
	signature, event string
	alone            error // of a request that has the untimed signature and no other
}

// readWire returns the names of a wire that has its defaults.
func (o Options) readWire() (names, error) {
	err := o.Wire.Validate()
	n := names{
		signature: textproto.CanonicalMIMEHeaderKey(o.Wire.Signature),
		event:     textproto.CanonicalMIMEHeaderKey(o.Wire.Event),
		alone: fmt.Errorf("%w: there is %s alone, which has no time in it and needs Options.AcceptUntimed",
			ErrMissingSignature, o.Wire.Signature),
	}
	if o.AcceptUntimed && n.signature == "" {
		err = errors.Join(err, errors.New("AcceptUntimed is set, and the wire has no untimed signature"))
	}
	return n, err
}

// The headers of Standard Webhooks in canonical form.
const (
	keyStandardID        = "Webhook-Id"
	keyStandardTimestamp = "Webhook-Timestamp"
	keyStandardSignature = "Webhook-Signature"
)

// single returns the value of a header that must come exactly once.
func single(values []string, key string) (string, error) {
	switch len(values) {
	case 0:
		return "", absent(key)
	case 1:
		return trim(values[0]), nil
	default:
		return "", fmt.Errorf("%w: %s comes %d times", ErrMismatch, key, len(values))
	}
}

// rejoin returns what a webhook-signature was before it was cut into several values.
// Neither versions nor signatures have commas or spaces in them.
func rejoin(values []string) string {
	words := strings.FieldsFunc(strings.Join(values, " "), func(c rune) bool { return c == ' ' || c == '\t' || c == ',' })
	var b strings.Builder
	for pair := range slices.Chunk(words, 2) {
		b.WriteString(strings.Join(pair, ",") + " ")
	}
	return trim(b.String())
}

// trim removes the optional white space around a value (RFC 9110, section 5.6.3).
func trim(value string) string {
	for value != "" && (value[0] == ' ' || value[0] == '\t') {
		value = value[1:]
	}
	for value != "" && (value[len(value)-1] == ' ' || value[len(value)-1] == '\t') {
		value = value[:len(value)-1]
	}
	return value
}

// parseTimestamp reads whole seconds since 1970 in decimal. It accepts one spelling
// per time, because the signature covers the number and not its spelling.
func parseTimestamp(value string) (time.Time, bool) {
	seconds, err := strconv.ParseUint(value, 10, 40) // Until the year 36812.
	if err != nil || value[0] == '0' {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// standard has the values of the three Standard Webhooks headers.
type standard struct{ id, timestamp, signature []string }

// standardHeaders returns those under webhook-, or, if there is none of them, those
// under svix-, the names that the standard's forerunner has for them.
func standardHeaders(header http.Header) standard {
	h := standard{header[keyStandardID], header[keyStandardTimestamp], header[keyStandardSignature]}
	if !h.present() {
		h = standard{header["Svix-Id"], header["Svix-Timestamp"], header["Svix-Signature"]}
	}
	return h
}

func (h standard) present() bool { return len(h.id)+len(h.timestamp)+len(h.signature) > 0 }
