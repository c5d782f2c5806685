package explain

import (
	"fmt"
	"slices"
	"strings"
)

// Code names what was found. Codes stay the same; the words may change.
type Code string

// About the headers.
const (
	HeaderMissing  Code = "header_missing"  // no signature, or a header of Standard Webhooks is not there
	Untimed        Code = "untimed"         // the untimed signature alone, which has no time in it
	HeaderMoved    Code = "header_moved"    // the signature is under another name
	HeaderRepeated Code = "header_repeated" // more than one line of a kind
	HeaderJoined   Code = "header_joined"   // several values in one line
	SchemeOther    Code = "scheme_other"    // another algorithm, as in "sha1="
	SchemeSwapped  Code = "scheme_swapped"  // the signature of one scheme in the header of the other
	Malformed      Code = "malformed"       // not in the form of a signature: prefix, length, alphabet
	VersionUnknown Code = "version_unknown" // neither v1 nor v1a
	IDMalformed    Code = "id_malformed"    // a webhook-id that is empty or has a dot
	TimeMalformed  Code = "time_malformed"  // a webhook-timestamp that is not in whole seconds
	Stale          Code = "stale"           // out of time
	SignedOther    Code = "signed_other"    // neither the body nor "id.timestamp.body" was signed
	ContentType    Code = "content_type"    // one that the middleware does not let in
	ContentCoding  Code = "content_coding"  // a Content-Encoding, which it does not let in
	EventType      Code = "event_type"      // the header of the event is not the body's type
	Method         Code = "method"          // another than POST
	SchemeVendor   Code = "scheme_vendor"   // a known scheme of another sender
	CaptureLost    Code = "capture_lost"    // the capture does not have the bytes of the body
	Setup          Code = "options"         // options with which the receiver does not start
)

// About the secrets.
const (
	SecretMissing   Code = "secret_missing"   // none was given, or an empty one
	SecretSpace     Code = "secret_space"     // white space around it
	SecretQuoted    Code = "secret_quoted"    // quotes around it
	SecretMalformed Code = "secret_malformed" // not "whsec_" and base64
	SecretPrivate   Code = "secret_private"   // the sender's private key
	SecretOther     Code = "secret_other"     // another one than the first matches
	SecretKey       Code = "secret_key"       // the right secret, but made into a wrong key: decoded or not, without its prefix
)

// Unmatched says that no secret matches, whatever is undone. Whether the secret is
// another or the body has changed cannot be told.
const Unmatched Code = "unmatched"

// About the body.
const (
	BodyLong        Code = "body_long"    // longer than the middleware reads
	BodyDump        Code = "body_dump"    // what a program prints of bytes or an object
	BodyChunked     Code = "body_chunked" // with the framing of its chunks
	BodyEmpty       Code = "body_empty"
	BodyTruncated   Code = "body_truncated"
	BodyRewritten   Code = "body_rewritten"  // the same JSON, written again
	BodyLineBreak   Code = "body_line_break" // a line break added, lost or converted
	BodySpace       Code = "body_space"      // other white space around it
	BodyCharset     Code = "body_charset"    // another character set, or a byte order mark
	BodyForm        Code = "body_form"       // form encoding
	BodyEncodedJSON Code = "body_string"     // a JSON string that holds the JSON
	BodyBase64      Code = "body_base64"     // base64
	BodyCompressed  Code = "body_compressed" // gzip
	EventMalformed  Code = "event_malformed" // signed, but not an event
)

// Finding is one thing that was found.
type Finding struct {
	Code Code

	// Cause is true if the signature matches when all causes are undone, or if the
	// request is refused for this alone.
	Cause bool

	// Text says what was found, in a sentence or two.
	Text string

	// Advice says what to do about it. It may be empty.
	Advice string
}

// Report is the result of [Explain].
type Report struct {
	// Verified is true if the middleware of package verifier accepts the request
	// with the first of the secrets and the options that were given.
	Verified bool

	// Status is what the middleware answers: 200 if it lets the request in, and 0 if the
	// receiver does not start with these secrets and options.
	Status int

	// Findings are the causes, if there are any, and then the observations.
	Findings []Finding
}

// Has reports whether one of the findings has the code.
func (r Report) Has(code Code) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == code })
}

// String returns the report as lines of text.
func (r Report) String() string {
	var b strings.Builder
	if r.Verified {
		b.WriteString("The request verifies.\n")
	} else {
		b.WriteString("The request does not verify")
		if r.Status != 0 {
			fmt.Fprintf(&b, ": the middleware answers %d", r.Status)
		}
		b.WriteString(".\n")
	}
	r.write(&b, "\nWhy:\n", true)
	r.write(&b, "\nAlso seen:\n", false)
	return b.String()
}

func (r Report) write(b *strings.Builder, title string, cause bool) {
	for _, f := range r.Findings {
		if f.Cause != cause {
			continue
		}
		fmt.Fprintf(b, "%s  - %s: %s\n", title, f.Code, f.Text)
		title = ""
		if f.Advice != "" {
			fmt.Fprintf(b, "    %s\n", f.Advice)
		}
	}
}
