package provider

import (
	"crypto"
	_ "crypto/sha1" //nolint:gosec // G505: Twilio signs with HMAC-SHA1, which is not broken.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// Scheme is how a sender signs, and where in its requests is what. It is a table row:
// [New] makes a [Verifier] of it. Where a list of places is asked for, the first one
// that is there counts.
type Scheme struct {
	// Name is the sender's, in lower case. It is in errors and in ids that are made.
	Name string

	// Hash is that of the HMAC: SHA-1, SHA-256 or SHA-512. No request can choose
	// another. Defaults to [crypto.SHA256].
	Hash crypto.Hash

	// Base64 says that signatures are in standard base64, with padding, and not in hex.
	Base64 bool

	// Signature is the header with the signature, and what stands before its digits.
	Signature []Field

	// Separator stands between the entries of that header, if it is a list, such as
	// "t=1,v1=…,v1=…". Each entry with the prefix of Signature may match. Defaults to
	// none: there is one signature, and nothing else.
	Separator string

	// Signed is the text that is signed, with {body}, {timestamp}, {id}, {url} and {form}
	// in it. {url} is [Options.URL]. {form} is each field of a form, its name and its value,
	// sorted, each value once, with nothing between; it is empty if the body is no form.
	// Defaults to "{body}".
	Signed string

	// BodyHash is the parameter that the sender adds to the end of {url} if the body is
	// no form: the SHA-256 of the body in hex. Defaults to none.
	BodyHash string

	// Key returns the key of the HMAC that a secret stands for. Its error must not quote
	// the secret. Defaults to the bytes of the secret.
	Key func(secret string) ([]byte, error)

	// PublicKeys says that a secret may also be a "whpk_…" of Standard Webhooks, with
	// which "v1a," entries are verified. Signed and Separator must be those of the standard.
	PublicKeys bool

	// Timestamp is a header with the time of {timestamp}: Unix seconds or milliseconds,
	// or as in RFC 3339.
	Timestamp []Field

	// Tolerance is how far {timestamp} may be from now, either way. Defaults to
	// [verifier.DefaultTolerance].
	//
	// [verifier.DefaultTolerance]: https://pkg.go.dev/github.com/rag-assistant/webhooks/verifier#DefaultTolerance
	Tolerance time.Duration

	// ID is the message's id, the same on each repeat. An event that has none gets one
	// made of its content, so two events with the same content are one. With {id} in Signed
	// it must be a header. Defaults to none.
	ID []Field

	// Type is the event's type, and Untyped that of an event that has none. A type is
	// required if Untyped is empty.
	Type    []Field
	Untyped event.Type

	// Created is when it happened: as Timestamp, which is the default. Else it is now.
	Created []Field

	// Payload is the field of a form that holds JSON, which then is the content. Defaults to
	// none, and a form without it is an object of its fields.
	Payload string

	// Data is the member of the content that is the event's data. Defaults to all.
	Data string

	// Challenge returns the answer to a request with which the sender asks whether this
	// is the right receiver, and nil to any other. It is called before anything is verified,
	// and its answer is sent if the request verifies: it must do nothing else. sign returns
	// the HMAC of a text with the secret that matched, or nil if none does. Defaults to nil.
	Challenge func(header http.Header, body []byte, sign func(text []byte) []byte) []byte

	// ContentTypes are the media types that the sender sends. Defaults to application/json.
	ContentTypes []string

	// MaxBody is the most bytes of a body that the sender sends. Defaults to 0:
	// [verifier.DefaultMaxBody] is enough.
	//
	// [verifier.DefaultMaxBody]: https://pkg.go.dev/github.com/rag-assistant/webhooks/verifier#DefaultMaxBody
	MaxBody int64

	// Repeats is for how long the sender may send an event again, by itself or when it is
	// asked to. Defaults to 0: unknown.
	Repeats time.Duration
}

// Field is a place in a request: a header or a member, not both.
type Field struct {
	// Header is the name of a header. Prefix stands before the value in it, or in an
	// entry of it if it is a list.
	Header, Prefix string

	// Member is a member of the JSON in the body, by its path: "event.type". Of a form,
	// it is a field.
	Member string
}

// The form in which browsers, and some senders, write fields.
const formType = "application/x-www-form-urlencoded"

// part is one of a Signed: a text, or the name of what stands for it.
type part struct {
	text string
	name bool
}

// readSigned splits text at its names. It fails if one is unknown.
func readSigned(text string) ([]part, error) {
	var out []part
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		if before != "" {
			out = append(out, part{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !slices.Contains([]string{"body", "timestamp", "id", "url", "form"}, name) {
			return nil, fmt.Errorf("what is signed has {%s in it", rest)
		}
		out = append(out, part{name, true})
		text = after
	}
	return out, nil
}

func (s *Scheme) setDefaults() {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	if s.Signed == "" {
		s.Signed = "{body}"
	}
	if s.Key == nil {
		s.Key = func(secret string) ([]byte, error) { return []byte(secret), nil }
	}
	if len(s.Created) == 0 {
		s.Created = s.Timestamp
	}
	if len(s.ContentTypes) == 0 {
		s.ContentTypes = []string{"application/json"}
	}
	for _, fields := range []*[]Field{&s.Signature, &s.Timestamp, &s.ID, &s.Type, &s.Created} {
		*fields = slices.Clone(*fields)
		for i := range *fields {
			(*fields)[i].Header = textproto.CanonicalMIMEHeaderKey((*fields)[i].Header)
		}
	}
	s.ContentTypes = slices.Clone(s.ContentTypes)
}

// validate reports all that is wrong with a Scheme that has its defaults.
func (s *Scheme) validate() error {
	signed, err := readSigned(s.Signed)
	bad := []error{err}
	has := func(name string) bool { return slices.Contains(signed, part{name, true}) }
	complain := func(wrong bool, text string) {
		if wrong {
			bad = append(bad, errors.New(text))
		}
	}
	complain(s.Name == "" || strings.ToLower(s.Name) != s.Name, "name is empty or not in lower case")
	complain(!slices.Contains([]crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512}, s.Hash), "hash is none of SHA-1, SHA-256 and SHA-512")
	complain(!has("body") && (!has("form") || !has("url") || s.BodyHash == ""), "the body is not signed")
	complain(!headers(s.Signature) || len(s.Signature) == 0, "there is no header with the signature")
	complain(!headers(s.Timestamp) || has("timestamp") != (len(s.Timestamp) > 0), "Timestamp is not a header, or it is not signed")
	complain(has("id") && (!headers(s.ID) || len(s.ID) == 0), "{id} is signed, and ID is not a header")
	complain(s.Tolerance < 0 || s.Tolerance > 0 && !has("timestamp"), "tolerance is negative, or there is no time")
	complain(len(s.Type) == 0 && s.Untyped == "", "there is no type")
	complain(s.Repeats < 0 || s.MaxBody < 0, "repeats or the longest body is negative")
	complain(s.PublicKeys && s.Challenge != nil, "a public key answers no challenge")
	complain(s.PublicKeys && (s.Signed != standardSigned || s.Separator != " "), "public keys are for what is signed as Standard Webhooks says")
	for _, f := range slices.Concat(s.ID, s.Type, s.Created) {
		complain((f.Header == "") == (f.Member == ""), "a field is not either a header or a member")
	}
	for _, t := range s.ContentTypes {
		parsed, params, err := mime.ParseMediaType(t)
		complain(err != nil || parsed != t || len(params) > 0, "a content type is not a media type in lower case without parameters")
	}
	return errors.Join(bad...)
}

// headers reports whether all of fields are headers.
func headers(fields []Field) bool {
	return !slices.ContainsFunc(fields, func(f Field) bool { return f.Header == "" || f.Member != "" })
}

// entries returns the values of f in header, without the prefix.
func (s *Scheme) entries(header http.Header, f Field) []string {
	values := header[f.Header]
	list := slices.ContainsFunc(s.Signature, func(of Field) bool { return of.Header == f.Header })
	if s.Separator != "" && list {
		values = split(values, s.Separator)
	}
	var out []string
	for _, value := range values {
		if value, ok := strings.CutPrefix(strings.Trim(value, " \t"), f.Prefix); ok {
			out = append(out, value)
		}
	}
	return out
}

// split returns the entries of a list that may have been cut into several values.
// Adapters of AWS Lambda cut it at its commas or spaces.
func split(values []string, separator string) []string {
	if len(values) == 0 {
		return nil
	}
	joint := separator
	if separator == " " && !strings.Contains(values[0], ",") {
		joint = ","
	}
	return strings.Split(strings.Join(values, joint), separator)
}
