package egress_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// printed is what reached the standard logger in all tests, which must be nothing: see
// TestMain.
var printed lines

type lines struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestTooMuchCostsItsConnection has receivers that answer each request with more than one
// response has. Each request gets its own answer, by its number.
func TestTooMuchCostsItsConnection(t *testing.T) {
	t.Parallel()
	const again = "HTTP/1.1 222 Forged\r\nContent-Length: 0\r\n\r\n"
	for _, tt := range []struct {
		name   string
		answer string // 200: the status that is asked for
		kept   bool
	}{
		{"nothing too much", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true},
		{"an early hint", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", true},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n3\r\nok!\r\n0\r\n\r\n", true},
		{"trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n2\r\nok\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n", true},
		{"a longer body than announced", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + again, false},
		{"a body where there is none", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + again, false},
		{"more chunks than the last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + again, false},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n" + again, false},
		{"204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 42\r\n\r\n" + again, false},
		{"letters after it", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok...", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { tooMuch(t, tt.answer, tt.kept) })
		})
	}
}

// tooMuch lets three requests wait for one connection, whose peer answers each in one
// piece, as in one packet, with the status that the request asks for. Another connection
// takes a minute.
func tooMuch(t *testing.T, text string, kept bool) {
	t.Helper()
	e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, Resolver: answer("8.8.8.8"), DialTimeout: time.Hour})
	var dialled atomic.Int32
	var peers, requests sync.WaitGroup
	defer peers.Wait()
	defer e.Transport().CloseIdleConnections()
	e.SetConnect(func(context.Context, string, string) (net.Conn, error) {
		if dialled.Add(1) > 1 {
			time.Sleep(time.Minute)
		}
		near, far := net.Pipe()
		peers.Go(func() {
			defer func() { _ = far.Close() }()
			p := &peer{Conn: far, in: bufio.NewReader(far)}
			for {
				r, _, err := p.request()
				if err != nil {
					return
				}
				time.Sleep(time.Second)
				if _, err := fmt.Fprintf(far, strings.Replace(text, "200", "%s", 1), r.Header.Get("Want")); err != nil {
					return
				}
			}
		})
		return near, nil
	})
	for i := range 3 {
		requests.Go(func() {
			want := 200 + i
			if strings.Contains(text, "204") {
				want = 204
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			resp, err := egress.Post(ctx, e.Transport(), "http://hooks.example.com/", http.Header{"Want": {fmt.Sprint(want)}}, []byte("{}"))
			require.NoError(t, err)
			require.Equal(t, want, resp.StatusCode, "the answer of another request")
		})
		synctest.Wait()
	}
	began := time.Now()
	requests.Wait()
	require.Equal(t, kept, time.Since(began) < time.Minute, "the connection is used again")
	time.Sleep(time.Minute) // The dials of those that were served meanwhile.
	synctest.Wait()
}

// TestNobodyGetsAnothersAnswer posts from many goroutines to a receiver that answers twice.
func TestNobodyGetsAnothersAnswer(t *testing.T) {
	t.Parallel()
	for _, first := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	} {
		r := receive(t, nil, func(p *peer) {
			for {
				if _, _, err := p.request(); err != nil {
					return
				}
				if _, err := io.WriteString(p, first+strings.Repeat("HTTP/1.1 222 Forged\r\nContent-Length: 0\r\n\r\n", 3)); err != nil {
					return
				}
			}
		})
		e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true})
		var forged atomic.Int32
		var posts sync.WaitGroup
		for range 8 {
			posts.Go(func() {
				for range 100 {
					resp, err := post(t, e, "http://"+r.address+"/")
					assert.NoError(t, err)
					if resp.StatusCode == 222 {
						forged.Add(1)
					}
				}
			})
		}
		posts.Wait()
		require.Zero(t, forged.Load(), first)
	}
}

// TestOwnersShareNoConnection posts for two owners by turns to one host.
func TestOwnersShareNoConnection(t *testing.T) {
	t.Parallel()
	r := receive(t, nil, func(p *peer) {
		for {
			req, _, err := p.request()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(p, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(req.Host), req.Host)
		}
	})
	e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true})
	for range 10 {
		for _, owner := range []string{"merchant_1", "merchant_2"} {
			resp, err := egress.Post(egress.WithOwner(t.Context(), owner), e.Transport(), "http://"+r.address+"/", nil, nil)
			require.NoError(t, err)
			require.Equal(t, r.address, resp.Body, "the Host that is sent")
		}
	}
	require.EqualValues(t, 2, r.accepted.Load())
}

// TestOtherMethods says at once what it cannot do.
func TestOtherMethods(t *testing.T) {
	t.Parallel()
	e := newEgress(t, nil)
	for _, method := range []string{http.MethodPut, http.MethodHead, http.MethodDelete} {
		req, err := http.NewRequestWithContext(t.Context(), method, "https://hooks.example.com/", nil)
		require.NoError(t, err)
		_, err = e.Transport().RoundTrip(req) //nolint:bodyclose // there is no response
		require.ErrorContains(t, err, "only GET and POST")
	}
}

// TestConnectionsEnd lets connections get old, and an owner have too many idle ones.
func TestConnectionsEnd(t *testing.T) {
	t.Parallel()
	serve := func(p *peer) {
		for {
			if _, _, err := p.request(); err != nil {
				return
			}
			_, _ = io.WriteString(p, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	}
	for _, tt := range []struct {
		name    string
		options egress.Options
		hosts   int
		dials   int // of ten rounds
	}{
		{"kept", egress.Options{}, 2, 2},
		{"too old", egress.Options{MaxConnAge: time.Nanosecond}, 2, 20},
		{"one idle connection for an owner", egress.Options{MaxIdleConns: 8}, 2, 11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, nil, serve)
			o := tt.options
			o.InsecureAllowHTTP, o.Resolver = true, answer("8.8.8.8")
			e := newEgress(t, &o)
			e.SetConnect(func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, r.address)
			})
			for range 10 {
				for host := range tt.hosts {
					_, err := egress.Post(t.Context(), e.Transport(), fmt.Sprintf("http://h%d.example.com/", host), nil, nil)
					require.NoError(t, err)
				}
			}
			require.EqualValues(t, tt.dials, r.accepted.Load())
		})
	}
}

// TestFamiliesTakeTurns has a host with eight dead IPv6 addresses and one of IPv4 that
// works, and then the same again.
func TestFamiliesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var addrs []string
		for i := range 8 {
			addrs = append(addrs, fmt.Sprintf("2606:4700::%d", i+1))
		}
		e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, Resolver: answer(append(addrs, "8.8.8.8")...)})
		var mu sync.Mutex
		var tried []string
		e.SetConnect(func(ctx context.Context, _, address string) (net.Conn, error) {
			mu.Lock()
			tried = append(tried, address)
			mu.Unlock()
			if address != "8.8.8.8:80" {
				<-ctx.Done() // Packets are dropped.
				return nil, ctx.Err()
			}
			near, far := net.Pipe()
			go func() {
				p := &peer{Conn: far, in: bufio.NewReader(far)}
				p.say("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
				p.untilClosed()
			}()
			return near, nil
		})
		for _, want := range []struct {
			took  time.Duration
			tried []string
		}{
			{300 * time.Millisecond, []string{"[2606:4700::1]:80", "8.8.8.8:80"}},
			{0, []string{"8.8.8.8:80"}}, // What worked goes first.
		} {
			began := time.Now()
			tried = nil
			resp, err := egress.Post(t.Context(), e.Transport(), "http://hooks.example.com/", nil, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusNoContent, resp.StatusCode)
			require.Equal(t, want.took, time.Since(began))
			require.Equal(t, want.tried, tried)
			synctest.Wait()
		}
	})
}

// TestSuspect holds which failures may be this side's.
func TestSuspect(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, tt := range []struct {
		code  egress.Code
		cause error
		want  bool
	}{
		{egress.CodeDNS, &net.DNSError{Err: "server misbehaving", IsTemporary: true}, true},
		{egress.CodeDNS, &net.DNSError{Err: "no such host", IsNotFound: true}, false},
		{egress.CodeDNS, context.DeadlineExceeded, true},
		{egress.CodeConnect, dial(syscall.ENETUNREACH), true},
		{egress.CodeConnect, dial(syscall.EHOSTUNREACH), true},
		{egress.CodeConnect, dial(syscall.ENETDOWN), true},
		{egress.CodeConnect, errors.Join(dial(context.DeadlineExceeded), dial(syscall.ENETUNREACH)), true},
		{egress.CodeConnect, dial(syscall.ECONNREFUSED), false},
		{egress.CodeConnect, errors.Join(dial(syscall.ENETUNREACH), dial(syscall.ECONNREFUSED)), false},
		{egress.CodeTLS, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, true},
		{egress.CodeTLS, &tls.CertificateVerificationError{Err: x509.SystemRootsError{}}, true},
		{egress.CodeTLS, &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, false},
		{egress.CodeTLS, &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}}}, false},
		{egress.CodeTimeout, context.DeadlineExceeded, false},
	} {
		require.Equal(t, tt.want, egress.Failed(tt.code, tt.cause).Suspect(), "%s: %v", tt.code, tt.cause)
	}
	// And they get there.
	e := newEgress(t, &egress.Options{Resolver: resolverFunc(func(context.Context, string) ([]netip.Addr, error) {
		return nil, context.DeadlineExceeded
	})})
	_, err := post(t, e, "https://hooks.example.com/")
	failed, ok := errors.AsType[*egress.Error](err)
	require.True(t, ok)
	require.True(t, failed.Suspect())
}

// TestAClosedConnectionIsNotIdle closes one while its response arrives.
func TestAClosedConnectionIsNotIdle(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1, egress.IdleAfter(false))
	require.Zero(t, egress.IdleAfter(true))
}
