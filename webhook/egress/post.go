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

// DefaultTimeout bounds a [Post] whose context has no deadline. Receivers are
// promised these ten seconds.
const DefaultTimeout = 10 * time.Second

// How much of a body is read and kept.
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

	Header http.Header // not to be changed; as large as the receiver, and the transport's bound, had it
}

// Post sends body to target, an http or https URL, over rt and returns the answer,
// whatever its status. A redirect is an answer too. The keys of header are sent as
// they are written. Neither header nor body may be changed afterwards, not even when
// Post has returned.
//
// Ctx bounds the whole request; if it has no deadline, [DefaultTimeout] does. Once
// the status has arrived, Post cannot fail any more. It then reads up to 4 KiB of the
// body for up to two seconds, or until ctx ends. If the body ends within these
// limits, the next request can use the connection.
//
// An [*Error] means that the receiver, or the way to it, failed. Any other error is
// this side's:
//
//   - ctx was cancelled: errors.Is finds context.Canceled,
//   - target is no URL,
//   - header cannot be sent, or would smuggle in another header,
//   - the proxy failed,
//   - there was no client certificate,
//   - the machine has no free sockets.
//
// Post adds an entry to header that is not sent. It makes net/http send a request
// again if the kept connection that it was written to turns out to be closed. Rt may
// be anything that keeps the contract of http.RoundTripper.
func Post(
	ctx context.Context, rt http.RoundTripper, target string, header http.Header, body []byte,
) (Response, error) {
	timeout := time.Duration(0)
	if _, ok := ctx.Deadline(); !ok {
		timeout = DefaultTimeout
	}
	return PostWithin(ctx, timeout, rt, target, header, body)
}

// PostWithin is [Post] bounded by a time, too: 0 leaves the bound to ctx. It costs less than
// a context that has the time as its deadline.
func PostWithin(
	ctx context.Context, timeout time.Duration, rt http.RoundTripper, target string, header http.Header, body []byte,
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
	limited, cancel := within(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, target, bytes.NewReader(body))
	if err != nil || req.URL.Host == "" || req.URL.Scheme != "https" && req.URL.Scheme != "http" {
		return Response{}, errors.New("egress: post: target is not an absolute http or https URL")
	}
	req.Header = header
	sendAgainOnce(req)
	// This key tells http.Transport that the request can be repeated. Without a value
	// it is not sent.
	const mark = "X-Idempotency-Key"
	if _, ok := header[mark]; !ok {
		header[mark] = nil
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return Response{}, failure(ctx, limited, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		// The body of a 101 is the connection itself, whose reads ignore the context.
		closeBody(resp)
		return Response{}, &Error{
			Code:  CodeBadResponse,
			cause: fmt.Errorf("status %d", resp.StatusCode),
		}
	}
	r := Response{StatusCode: resp.StatusCode, RetryAfter: resp.Header.Get("Retry-After"), Header: resp.Header}
	if len(r.RetryAfter) > 64 {
		r.RetryAfter = ""
	}
	r.Body = readBody(limited, cancel, resp)
	return r, nil
}

// sendAgainOnce lets a transport send the request once more when a kept connection
// turns out to be closed. Without this limit, a receiver that reads a request and
// hangs up would get it over every kept connection.
func sendAgainOnce(req *http.Request) {
	rewind, left := req.GetBody, 1
	req.GetBody = func() (io.ReadCloser, error) {
		if left--; left < 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return rewind()
	}
}

func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

// failure turns an error of a round trip under limited, a context within ctx, into Post's.
func failure(ctx, limited context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("egress: post: %w", ctx.Err())
	}
	if limit := localFault(err); limit != nil { // Not err itself, which may wrap an *Error.
		return fmt.Errorf("egress: post: %w", limit)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if limited.Err() != nil { // Whatever err says, the reason is that the time was over.
		return &Error{Code: CodeTimeout, cause: err}
	}
	return &Error{Code: Classify(err), cause: err}
}

// readBody reads the beginning of a body and closes it. After bodyTimeout it cancels
// ctx, the context of the request.
func readBody(ctx context.Context, cancel context.CancelFunc, resp *http.Response) string {
	defer closeBody(resp)
	if resp.Body == nil || resp.Body == http.NoBody || resp.ContentLength == 0 {
		return ""
	}
	timer := time.AfterFunc(bodyTimeout, cancel)
	defer timer.Stop()
	// There is room for one byte more than is kept, so that Read can report the end of
	// the body. Only then does net/http keep the connection.
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
	return Excerpt(string(buf))
}

// Excerpt returns what is kept of an answer: its first 1,000 characters, in valid UTF-8.
func Excerpt(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxBodyBytes)], "\uFFFD")
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

// checkHeader does what http.Transport does, for round trippers that do not.
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
