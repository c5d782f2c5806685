package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook/internal/token"
)

// DefaultTimeout bounds a [Post] whose context has no deadline: the ten seconds of
// the guide, Endpoint Requirements.
const DefaultTimeout = 10 * time.Second

// How much of a body is looked at.
const (
	maxBodyBytes = 4 << 10
	maxBodyRunes = 1000
	bodyTimeout  = 2 * time.Second
)

// Response is what is kept of an answer.
type Response struct {
	StatusCode int    // 200 to 599
	Body       string // the first 1,000 characters at most, valid UTF-8
	RetryAfter string // the header of that name as sent, "" if it is absent or absurdly long
}

// Post sends body to target, an http or https URL, over rt and returns the
// answer, whatever its status: a redirect is an answer too. Header goes out with
// the keys as they are written. Header and body must not be changed afterwards,
// not even once Post has returned; Post itself adds an entry to header, which is
// not sent.
//
// Ctx bounds all of it, [DefaultTimeout] if it has no deadline. The status
// decides: once it is there, Post does not fail any more, but reads up to 4 KiB
// of the body for up to two seconds, and less if ctx ends. A body that ends
// within them leaves the connection to the next request.
//
// An [*Error] means that the receiver, or the way to it, failed. Any other error
// is this side's: a cancelled ctx, for which errors.Is finds context.Canceled, a
// target that is no URL, a header that net/http could not send or that would
// smuggle in another one, a proxy that fails, a client certificate that cannot be
// had, a machine without free sockets.
//
// The entry in header makes net/http send a request again if it was written to a
// kept connection that turns out to be closed. Rt gets the usual request with
// GetBody, and may be anything that keeps the contract of http.RoundTripper.
func Post(
	ctx context.Context, rt http.RoundTripper, target string, header http.Header, body []byte,
) (Response, error) {
	if rt == nil {
		return Response{}, errors.New("egress: post: round tripper is nil")
	}
	if header == nil {
		header = make(http.Header, 1)
	}
	if err := checkHeader(header); err != nil {
		return Response{}, err
	}
	limited, cancel := withDefaultTimeout(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, target, bytes.NewReader(body))
	if err != nil || req.URL.Host == "" || req.URL.Scheme != "https" && req.URL.Scheme != "http" {
		return Response{}, errors.New("egress: post: target is not an absolute http or https URL")
	}
	req.Header = header
	sendAgainOnce(req)
	// Marks the request as one that can be repeated (http.Transport). A key
	// without a value writes no line.
	const mark = "X-Idempotency-Key"
	if _, ok := header[mark]; !ok {
		header[mark] = nil
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return Response{}, failure(ctx, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		// The body of a 101 is the bare connection, whose reads no context ends.
		closeBody(resp)
		return Response{}, &Error{
			Code:  CodeBadResponse,
			cause: fmt.Errorf("status %d", resp.StatusCode),
		}
	}
	r := Response{StatusCode: resp.StatusCode, RetryAfter: resp.Header.Get("Retry-After")}
	if len(r.RetryAfter) > 64 {
		r.RetryAfter = ""
	}
	r.Body = readBody(limited, cancel, resp)
	return r, nil
}

// sendAgainOnce lets a transport that found a kept connection closed send the
// request again, but not for each of many such connections: a receiver that
// breaks off after it has read a request would get it once for every one of them.
func sendAgainOnce(req *http.Request) {
	rewind, left := req.GetBody, 1
	req.GetBody = func() (io.ReadCloser, error) {
		if left--; left < 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return rewind()
	}
}

func withDefaultTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}

// failure turns an error of a round trip under ctx into Post's.
func failure(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("egress: post: %w", ctx.Err())
	}
	if limit := ours(err); limit != nil { // Without err, in which an *Error may be.
		return fmt.Errorf("egress: post: %w", limit)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if ctx.Err() != nil { // Whatever broke, it broke because the time was over.
		return &Error{Code: CodeTimeout, cause: err}
	}
	return &Error{Code: Classify(err), cause: err}
}

// readBody reads the beginning of a body and closes it. It cancels ctx, that of
// the request, when it has read for long enough.
func readBody(ctx context.Context, cancel context.CancelFunc, resp *http.Response) string {
	defer closeBody(resp)
	if resp.Body == nil || resp.Body == http.NoBody || resp.ContentLength == 0 {
		return ""
	}
	timer := time.AfterFunc(bodyTimeout, cancel)
	defer timer.Stop()
	// One byte more than is kept, so that the end of a body can be seen: only
	// then is the connection used again.
	size := 512
	if resp.ContentLength > 0 {
		size = int(min(resp.ContentLength, maxBodyBytes)) + 1
	}
	buf := make([]byte, 0, size)
	for len(buf) <= maxBodyBytes && ctx.Err() == nil {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), min(4*cap(buf), maxBodyBytes+1))
			copy(grown, buf)
			buf = grown
		}
		n, err := resp.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			break
		}
	}
	return text(buf[:min(len(buf), maxBodyBytes)])
}

// text cuts b to maxBodyRunes characters of valid UTF-8.
func text(b []byte) string {
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	n := 0
	for i := range s {
		if n == maxBodyRunes {
			return strings.Clone(s[:i])
		}
		n++
	}
	return s
}

func closeBody(resp *http.Response) {
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
}

// checkHeader does what http.Transport does too, for transports that do not.
func checkHeader(h http.Header) error {
	for key, values := range h {
		if !token.Valid(key) {
			return fmt.Errorf("egress: post: header name %q is not valid", key)
		}
		for _, v := range values {
			for i := range len(v) {
				if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
					return fmt.Errorf("egress: post: header %s holds a control character", key)
				}
			}
		}
	}
	return nil
}
