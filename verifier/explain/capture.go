package explain

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/verifier"
)

// Capture is a request as a tool has written it down.
type Capture struct {
	Method string // empty: POST
	Header http.Header
	Body   []byte

	// From is what the capture was read as, such as "curl --trace-ascii".
	From string

	// Lost says, in a sentence, why Body may not be what was sent. It is empty if the tool
	// writes every byte down.
	Lost string
}

// formats are what [Read] knows. A reader returns nil for what is of another format.
// The last takes everything.
func formats() []func(raw []byte) (*Capture, error) {
	return []func([]byte) (*Capture, error){readJSON, readTrace, readVerbose, readRaw}
}

// Read reads a request out of what a tool has written down:
//
//   - the request itself: headers, an empty line, and the body to the last byte, with or
//     without a request line, pseudo headers of HTTP/2, the framing of chunks
//   - the output of curl with --trace, --trace-ascii or -v, which leaves the body out
//   - a HAR file, of which the newest POST counts, or one entry of it
//   - the event of an AWS API gateway (1.0, 2.0), a function URL or an ALB
//   - a request of ngrok's inspector
//
// It fails if there is none. Its errors hold nothing of raw.
func Read(raw []byte) (*Capture, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, errors.New("there is no request: it is empty")
	}
	for _, read := range formats() {
		if c, err := read(raw); c != nil || err != nil {
			return c, err
		}
	}
	return nil, errors.New("there is no request") // readRaw has said why.
}

// Explain is [With] for a capture. Of one that has lost bytes, it claims no more than
// that if the signature does not match.
func (c *Capture) Explain(o *verifier.Options, secrets ...string) Report {
	return explain(o, c, secrets)
}

// readRaw reads a request as it is on the wire.
func readRaw(raw []byte) (*Capture, error) {
	at, gap := -1, 0
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(raw, []byte(end)); i >= 0 && (at < 0 || i < at) {
			at, gap = i, len(end)
		}
	}
	if at < 0 {
		return nil, errors.New("there is no empty line between headers and body; if the capture has lost its line ends, nothing can be read of it")
	}
	c := &Capture{From: "a request as it is on the wire"}
	var fields []byte
	for i, line := range strings.Split(string(raw[:at]), "\n") {
		line = strings.TrimSuffix(line, "\r")
		name, value, found := strings.Cut(strings.TrimPrefix(line, ":"), ":")
		switch words := strings.Fields(line); {
		case strings.HasPrefix(line, ":") && found: // A pseudo header of HTTP/2 (RFC 9113, section 8.3).
			if name == "method" {
				c.Method = strings.TrimSpace(value)
			}
		case i == 0 && (!found || strings.Contains(line, " HTTP/")):
			if len(words) > 1 {
				c.Method = words[0]
			}
		default:
			fields = append(append(fields, line...), "\r\n"...)
		}
	}
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(fields, "\r\n"...)))).ReadMIMEHeader()
	if err != nil {
		return nil, errors.New("the headers are not \"Name: value\", one a line") // The error would quote them.
	}
	c.Header, c.Body = http.Header(header), raw[at+gap:]
	c.frame()
	return c, nil
}

// frame takes the body out of its framing: chunks, or the length that the header says.
func (c *Capture) frame() {
	chunked := slices.ContainsFunc(c.Header["Transfer-Encoding"], func(v string) bool { return strings.EqualFold(v, "chunked") })
	if chunked {
		if body, ok := unchunk(c.Body); ok {
			c.Body, c.From = body, c.From+", in chunks"
		}
		return
	}
	length, err := strconv.Atoi(c.Header.Get("Content-Length"))
	if err != nil || length < 0 {
		return
	}
	unix := bytes.ReplaceAll(c.Body, []byte("\r\n"), []byte("\n"))
	crlf := bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n"))
	switch {
	case len(c.Body) == 0 && length > 0:
		c.Lost = "The capture has nothing of the body, as of a request that was refused before its body was read, so nothing of it is proven."
	case len(c.Body) > length && len(bytes.Trim(c.Body[length:], "\r\n")) == 0:
		c.Body, c.From = c.Body[:length], c.From+", without the line break that was added behind it"
	case len(c.Body) < length && len(crlf) == length:
		c.Body, c.From = crlf, c.From+", with its lost CRs put back"
	}
}

// unchunk undoes the framing of chunks. Its end may have been left out with the trailers.
func unchunk(body []byte) ([]byte, bool) {
	plain, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(append(bytes.Clone(body), "\r\n"...))))
	return plain, err == nil
}
