package verifier_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
)

// pipes is a listener in memory, so that time is synctest's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// servePipes runs f with a server in a synctest bubble.
func servePipes(t *testing.T, server *http.Server, f func(ctx context.Context, dial func() net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		done := make(chan error)
		go func() { done <- server.Serve(p) }()
		defer func() {
			assert.NoError(t, server.Close())
			assert.ErrorIs(t, <-done, http.ErrServerClosed)
			time.Sleep(time.Second) // The server leaves clients half a second to read an answer, in the bubble's time.
		}()
		f(t.Context(), p.dial)
	})
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	length := "Content-Length: " + strconv.Itoa(len(eventBody))
	for _, tt := range []struct {
		name   string
		opts   verifier.Options
		server time.Duration
		raw    string // sent a byte a second
		start  string // sent before it
		status int
		after  time.Duration
	}{
		{"by default", verifier.Options{}, 0, eventBody, request("", length), 408, 10 * time.Second},
		{"as set", verifier.Options{BodyTimeout: 3 * time.Second}, 0, eventBody, request("", length), 408, 3 * time.Second},
		{"of a server that has more patience", verifier.Options{}, time.Minute, eventBody, request("", length), 408, 10 * time.Second},
		{"of a server that has less patience", verifier.Options{}, 2 * time.Second, eventBody, request("", length), 408, 2 * time.Second},
		{"in chunks", verifier.Options{}, 0, "5\r\nxxxxx\r\n5\r\nxxxxx\r\n", request("", "-Content-Length", "Transfer-Encoding: chunked"), 408, 10 * time.Second},
		{"of a request that is refused anyway", verifier.Options{}, 0, eventBody, request("", length, "Content-Type: text/plain", "-Connection"), 415, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, secretA, &tt.opts)
			next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler is called") })
			server := &http.Server{Handler: v.Middleware(next), ReadTimeout: tt.server}
			servePipes(t, server, func(_ context.Context, dial func() net.Conn) {
				conn, start := dial(), time.Now()
				var writer sync.WaitGroup
				defer writer.Wait()
				defer conn.Close()
				writer.Go(func() {
					_, err := io.WriteString(conn, tt.start)
					for i := 0; err == nil && i < len(tt.raw); i++ {
						time.Sleep(time.Second)
						_, err = conn.Write([]byte{tt.raw[i]})
					}
				})
				a := read(t, conn, "POST")
				require.Equal(t, tt.status, a.status)
				require.Equal(t, tt.after, time.Since(start))
			})
		})
	}
}

// patient returns a server whose handler takes an hour.
func patient(t *testing.T) *http.Server {
	t.Helper()
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Hour)
		assert.NoError(t, r.Context().Err(), "the client is still there")
	})
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: newVerifier(t, secretA, &verifier.Options{AcceptUntimed: true}).Middleware(next), Protocols: protocols}
}

// TestHandlerOutlivesBodyTimeout: the deadline is for the body and nothing after.
func TestHandlerOutlivesBodyTimeout(t *testing.T) {
	t.Parallel()
	server := patient(t)
	servePipes(t, server, func(_ context.Context, dial func() net.Conn) {
		conn := dial()
		defer conn.Close()
		for range 2 { // And none for the next request on the connection.
			_, err := io.WriteString(conn, request(eventBody, "-Connection"))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, read(t, conn, "POST").status)
			time.Sleep(time.Hour)
		}
	})
}

func TestHandlerOutlivesBodyTimeoutOfHTTP2(t *testing.T) {
	t.Parallel()
	servePipes(t, patient(t), func(ctx context.Context, dial func() net.Conn) {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		client := &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(), nil },
			Protocols:   protocols,
		}
		defer client.CloseIdleConnections()
		for range 2 {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://receiver.example/", strings.NewReader(eventBody))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set(signer.HeaderSignature, untimedHeader(secretA, eventBody))
			resp, err := client.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 2, resp.ProtoMajor)
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
	})
}
