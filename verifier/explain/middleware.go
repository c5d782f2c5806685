package explain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/verifier"
)

var errSetup = errors.New("explain: the receiver does not start")

// verify asks package verifier, with the first secret. It notes how the middleware
// answers, and returns whether the signature and the event alone would do.
func (x *explanation) verify() error {
	secret, opts := "", x.opts
	if len(x.ring.texts) > 0 {
		secret = x.ring.texts[0]
	}
	if strings.HasPrefix(secret, "whpk_") {
		secret, opts.PublicKeys = "", append([]string{secret}, opts.PublicKeys...)
	}
	v, err := verifier.New(secret, &opts)
	if err != nil {
		return fmt.Errorf("%w: %w", errSetup, err)
	}
	length, err := strconv.ParseInt(x.header.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 || x.lost != "" {
		length = int64(len(x.body))
	}
	a := &answer{header: http.Header{}, status: http.StatusOK}
	v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(a, &http.Request{
		Method: x.method, Header: x.header, Body: io.NopCloser(bytes.NewReader(x.body)), ContentLength: length,
	})
	x.report.Status, x.answer = a.status, a.String()
	x.signed = v.Check(x.header, x.body) == nil
	_, err = v.Verify(x.header, x.body)
	return err
}

// answer is a ResponseWriter that keeps the status and the text.
type answer struct {
	strings.Builder

	header http.Header
	status int
}

// Header returns headers that nobody reads.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps status.
func (a *answer) WriteHeader(status int) { a.status = status }

// refused says why the middleware does not look at the signature.
func (x *explanation) refused() {
	var f Finding
	switch status := x.report.Status; {
	case status == http.StatusMethodNotAllowed:
		f = Finding{Method, true, "The method is not POST, so the middleware answers 405.", "Webhooks are sent as POST: look for a redirect on the way."}
	case status == http.StatusRequestEntityTooLarge:
		f = Finding{BodyLong, true, "The body is longer than the middleware reads, so it answers 413.", "See Options.MaxBody of package verifier."}
	case status == http.StatusInternalServerError:
		f = Finding{
			BodyTruncated, true, fmt.Sprintf("The body is shorter than its Content-Length, so the middleware answers 500: there are %d bytes of it.", len(x.body)),
			"Look for what reads or changes it before it is verified, for a limit on the size of bodies, and for a connection that broke off.",
		}
	case status == http.StatusUnsupportedMediaType && strings.Contains(x.answer, "encoding"):
		f = Finding{
			ContentCoding, true, "There is a Content-Encoding, so the middleware answers 415.", "Webhooks are not compressed: look what does it on the way.",
		}
	case status == http.StatusUnsupportedMediaType:
		f = Finding{
			ContentType, true, "The Content-Type is missing, or not one that the middleware lets in, so it answers 415.",
			"It is application/json in UTF-8, unless Options.ContentTypes of package verifier says otherwise.",
		}
	default:
		return
	}
	x.add(true, f)
}
