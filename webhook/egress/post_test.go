package egress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// roundTripper is a transport of a user, in the same process.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body io.ReadCloser) roundTripper {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: body, ContentLength: -1}, nil
	}
}

func TestPostSendsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	type got struct {
		line, host string
		header     string
		body       []byte
	}
	requests := make(chan got, 1)
	r := receive(t, ca.issue(t, nil), func(p *peer) {
		// The bytes on the wire: net/http's server would spell header names its own way.
		var raw bytes.Buffer
		p.in.Reset(io.TeeReader(p.Conn, &raw))
		req, body, err := p.request()
		if err != nil {
			return
		}
		head, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
		requests <- got{req.Method + " " + req.RequestURI + " " + req.Proto, req.Host, head, body}
		_, _ = io.WriteString(p, "HTTP/1.1 429 Slow Down\r\nRetry-After: 120\r\nContent-Length: 4\r\n\r\nwait")
	})
	e, _ := ca.sender(t, r, egress.Options{})
	header := http.Header{"X-Webhook-ID": {"whk_1"}, "User-Agent": {"RAG-Assistant-Webhooks/1.0"}, "X-Latin": {"é"}}
	resp, err := egress.Post(t.Context(), e.Transport(), "https://hooks.example.com/a/../b?c=%20", header, []byte("body"))
	require.NoError(t, err)
	require.Equal(t, "120", resp.Header.Get("Retry-After"))
	resp.Header = nil
	require.Equal(t, egress.Response{StatusCode: 429, Body: "wait", RetryAfter: "120"}, resp)
	g := <-requests
	require.Equal(t, "POST /a/../b?c=%20 HTTP/1.1", g.line)
	require.Equal(t, "hooks.example.com", g.host)
	require.Equal(t, "body", string(g.body))
	lines := strings.Split(g.header, "\r\n")[1:]
	require.ElementsMatch(t, []string{
		"Host: hooks.example.com", "User-Agent: RAG-Assistant-Webhooks/1.0", "Content-Length: 4", "X-Webhook-ID: whk_1", "X-Latin: é",
	}, lines, "nothing is added, in particular no idempotency key and no Accept-Encoding")
}

func TestLongBodyCostsItsConnectionOnly(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 5000)
	for name, text := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + body,
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + body + "\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t)
			r := receive(t, ca.issue(t, nil), func(p *peer) {
				for { // From Go 1.27 on, a body that is not too long is read to its end after all.
					if _, _, err := p.request(); err != nil {
						return
					}
					_, _ = io.WriteString(p, text)
				}
			})
			e, target := ca.sender(t, r, egress.Options{})
			for range 3 {
				_, err := post(t, e, target)
				require.NoError(t, err)
			}
			require.LessOrEqual(t, int(r.accepted.Load()), 3)
		})
	}
}

// TestClosedConnectionIsNoFailure answers once on each connection and hangs up
// when the next request arrives, as a server does whose keep-alive has ended.
func TestClosedConnectionIsNoFailure(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	type got struct {
		header http.Header
		body   string
	}
	var mu sync.Mutex
	var requests []got
	for _, reset := range []bool{false, true} {
		r := receive(t, ca.issue(t, nil), func(p *peer) {
			for i := range 2 {
				req, body, err := p.request()
				if err != nil {
					return
				}
				mu.Lock()
				requests = append(requests, got{req.Header, string(body)})
				mu.Unlock()
				if i == 0 {
					_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				} else if reset {
					p.reset()
				}
			}
		})
		e, target := ca.sender(t, r, egress.Options{})
		for range 4 {
			resp, err := post(t, e, target)
			require.NoError(t, err)
			require.Equal(t, 200, resp.StatusCode)
		}
		require.EqualValues(t, 4, r.accepted.Load(), "no connection serves two requests")
	}
	// Usually 14: all but the first of each receiver are sent twice. On a machine
	// that is busy enough, net/http gives a connection up by itself.
	require.Greater(t, len(requests), 8, "some were sent twice")
	for _, g := range requests {
		require.Equal(t, `{"id":"evt_1"}`, g.body, "sent again whole")
		for key := range g.header {
			require.NotContains(t, strings.ToLower(key), "idempotency")
		}
	}
}

func TestHeaderInjectionIsRefused(t *testing.T) {
	t.Parallel()
	called := false
	rt := roundTripper(func(*http.Request) (*http.Response, error) {
		called = true
		return nil, errors.New("called")
	})
	for _, h := range []http.Header{
		{"X-A": {"a\r\nX-Evil: 1"}},
		{"X-A": {"a\nb"}},
		{"X-A": {"a\rb"}},
		{"X-A": {"a\x00b"}},
		{"X-A": {"a\x7fb"}},
		{"X-A": {"good", "a\x01b"}},
		{"X-A\r\nX-Evil": {"1"}},
		{"X A": {"1"}},
		{"X:A": {"1"}},
		{"": {"1"}},
		{"Xé": {"1"}},
	} {
		_, err := egress.Post(t.Context(), rt, "https://hooks.example.com/", h, nil)
		require.Error(t, err)
		require.False(t, called)
		var failed *egress.Error
		require.NotErrorAs(t, err, &failed, "not the receiver's fault")
		require.NotContains(t, err.Error(), "Evil: 1")
	}
	for _, v := range []string{"", "é", "a\tb", "a b", "日本"} {
		_, err := egress.Post(t.Context(), respond(204, http.NoBody), "https://hooks.example.com/", http.Header{"X-A": {v}}, nil)
		require.NoError(t, err, "%q", v)
	}
}

func TestPostNeedsATarget(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "/hook", "hooks.example.com", "https://", "https:///x", "https:example.com", "ftp://example.com/", "https://%zz/?secret", "\x00"} {
		_, err := egress.Post(t.Context(), respond(200, http.NoBody), target, nil, nil)
		require.ErrorContains(t, err, "not an absolute http or https URL")
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := egress.Post(t.Context(), nil, "https://hooks.example.com/", nil, nil)
	require.ErrorContains(t, err, "round tripper is nil")
}

func TestPostOverAnyRoundTripper(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("日", 2000)
	for _, tt := range []struct {
		name string
		body io.ReadCloser
		want string
	}{
		{"nil body", nil, ""},
		{"none", http.NoBody, ""},
		{"text", io.NopCloser(strings.NewReader("ok")), "ok"},
		{"1,000 characters, not bytes", io.NopCloser(strings.NewReader(long)), strings.Repeat("日", 1000)},
		{"cut in a character", io.NopCloser(strings.NewReader("\xe6\x97")), "\uFFFD"},
		{"one byte at a time", io.NopCloser(iotest(strings.NewReader(long))), strings.Repeat("日", 1000)},
		{"fails", io.NopCloser(io.MultiReader(strings.NewReader("ok"), failing{})), "ok"},
		{"fails to close", badCloser{strings.NewReader("ok")}, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, err := egress.Post(t.Context(), respond(201, tt.body), "https://hooks.example.com/", nil, nil)
			require.NoError(t, err)
			require.Equal(t, 201, resp.StatusCode)
			require.Equal(t, tt.want, resp.Body)
		})
	}
}

// iotest reads one byte at a time.
func iotest(r io.Reader) io.Reader { return oneByte{r} }

type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:1]) }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("peer says " + mark) }

type badCloser struct{ io.Reader }

func (badCloser) Close() error { return errors.New("close") }

func TestUnusableStatusIsNotRead(t *testing.T) {
	t.Parallel()
	for _, status := range []int{-1, 0, 100, 101, 199, 600, 999} {
		body := &watched{}
		_, err := egress.Post(t.Context(), respond(status, body), "https://hooks.example.com/", nil, nil)
		requireCode(t, egress.CodeBadResponse, err)
		require.False(t, body.read)
		require.True(t, body.closed)
	}
}

type watched struct{ read, closed bool }

func (w *watched) Read([]byte) (int, error) { w.read = true; return 0, io.EOF }
func (w *watched) Close() error             { w.closed = true; return nil }

func TestRetryAfterIsBounded(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"120": "120", strings.Repeat("1", 65): ""} {
		rt := roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {value, "9"}}, Body: http.NoBody}, nil
		})
		resp, err := egress.Post(t.Context(), rt, "https://hooks.example.com/", nil, nil)
		require.NoError(t, err)
		require.Equal(t, want, resp.RetryAfter)
	}
}

func TestCancelIsNobodysFault(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := receive(t, ca.issue(t, nil), func(p *peer) {
		_, _, _ = p.request()
		cancel()
		p.untilClosed()
	})
	e, target := ca.sender(t, r, egress.Options{})
	_, err := egress.Post(ctx, e.Transport(), target, nil, nil)
	require.ErrorIs(t, err, context.Canceled)
	var failed *egress.Error
	require.NotErrorAs(t, err, &failed)
}

func TestErrorsTellTheirCodeOnly(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r := receive(t, ca.issue(t, nil), func(p *peer) { p.say("SSH-2.0-" + mark + "\r\n") })
	e, target := ca.sender(t, r, egress.Options{})
	_, err := post(t, e, target)
	requireCode(t, egress.CodeBadResponse, err)
	wrapped := fmt.Errorf("attempt: %w", err)
	encoded, jsonErr := json.Marshal(err)
	require.NoError(t, jsonErr)
	for _, text := range []string{
		fmt.Sprint(err), fmt.Sprintf("%+v", err), fmt.Sprintf("%q", err), fmt.Sprintf("%s", wrapped), fmt.Sprintf("%+v", wrapped), string(encoded),
	} {
		require.NotContains(t, text, mark)
	}
	require.ErrorContains(t, errors.Unwrap(err), mark, "an operator can ask for the cause")
}
