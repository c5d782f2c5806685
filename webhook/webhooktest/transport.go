package webhooktest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// Transport returns a transport that reaches this endpoint without a network, for
// webhook.DispatcherOptions.Transport. Without others, all requests come to this
// endpoint, whatever their URL. With others, each goes to the endpoint of its host,
// and is refused if there is none.
func (ep *Endpoint) Transport(others ...*Endpoint) http.RoundTripper {
	if len(others) == 0 {
		return roundTripper(func(string) *Endpoint { return ep })
	}
	hosts := map[string]*Endpoint{}
	for _, e := range append([]*Endpoint{ep}, others...) {
		if u, err := url.Parse(e.url); err == nil {
			hosts[u.Host] = e
		}
	}
	return roundTripper(func(host string) *Endpoint { return hosts[host] })
}

// newHost makes up the URL of an endpoint InProcess, with a host that nobody has.
func newHost() string { return "https://" + strings.ToLower(rand.Text()[:8]) + ".example.com/" }

// roundTripper finds the endpoint of a host.
type roundTripper func(host string) *Endpoint

// RoundTrip makes roundTripper an [http.RoundTripper].
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ep := f(req.URL.Host)
	if ep == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	a := ep.record(req.Method, req.URL.String(), arrived(req.Header), body)
	if !ep.pause(ctx, a.delay) {
		return nil, ep.abandoned(ctx)
	}
	switch a.end {
	case reset:
		return nil, errReset()
	case silence:
		ep.hang(ctx)
		return nil, ep.abandoned(ctx)
	}
	return a.response(ep, req), nil
}

// arrived returns a header as a server sees it: with canonical names, and without
// keys that have no value, which are never sent.
func arrived(sent http.Header) http.Header {
	h := make(http.Header, len(sent))
	for key, values := range sent {
		for _, value := range values {
			h.Add(key, value)
		}
	}
	return h
}

// abandoned is the error of a request that is not answered, because the sender has
// given up or the test is over.
func (ep *Endpoint) abandoned(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return errReset()
}

func errReset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

func (a Answer) response(ep *Endpoint, req *http.Request) *http.Response {
	resp := &http.Response{
		Status:     fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header.Clone(), Request: req, ContentLength: -1,
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	text := strings.NewReader(a.body)
	if a.end == open {
		ctx, cancel := context.WithCancel(req.Context())
		resp.Body = &endless{text: text, ctx: ctx, cancel: cancel, ep: ep}
		return resp
	}
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		text.Reset("")
	}
	resp.Body, resp.ContentLength = io.NopCloser(text), text.Size()
	return resp
}

// endless is a body that stops in the middle.
type endless struct {
	text   *strings.Reader
	ctx    context.Context //nolint:containedctx // the request's, which ends the body as it does on a connection
	cancel context.CancelFunc
	ep     *Endpoint
}

// Read returns the text and then waits for the end of the request.
func (e *endless) Read(p []byte) (int, error) {
	if e.text.Len() > 0 {
		return e.text.Read(p)
	}
	e.ep.hang(e.ctx)
	return 0, e.ep.abandoned(e.ctx)
}

// Close ends a Read that waits.
func (e *endless) Close() error {
	e.cancel()
	return nil
}
