package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// pipes is a listener in memory. Its connections take no files, and synctest knows
// which goroutines wait for them.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

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

// serve runs the server of this program on ln until the test has ended.
func serve(t *testing.T, srv *http.Server, ln net.Listener) (stop func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	return func() {
		assert.NoError(t, srv.Close())
		assert.ErrorIs(t, <-done, http.ErrServerClosed)
	}
}

func ownServer(t *testing.T) *http.Server {
	t.Helper()
	c, err := parse([]string{"-jwt-secret", secret}, io.Discard)
	require.NoError(t, err)
	svc, err := webhook.NewService(memstore.New(nil), &c.service)
	require.NoError(t, err)
	mux := http.NewServeMux()
	require.NoError(t, c.routes(mux, svc, nil, c.jwtKeys, slog.New(slog.DiscardHandler)))
	return newServer(mux)
}

const (
	hooksPath = "/api/merchants/merchant_42/webhooks"
	hookBody  = `{"url":"https://example.com/hook","events":["document.created"]}`
)

// head is the head of a request that registers a webhook.
func head(t *testing.T, more ...string) string {
	t.Helper()
	lines := append([]string{
		"POST " + hooksPath + " HTTP/1.1", "Host: api.example.com", "Content-Type: application/json",
		"Authorization: Bearer " + token(t, secret, "merchant_42", time.Hour),
	}, more...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// A client that is slow, or does not read, is cut off. Until then, all others are
// served at once.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	const clients = 100
	full := func(t *testing.T) string {
		t.Helper()
		return head(t, fmt.Sprint("Content-Length: ", len(hookBody))) + hookBody
	}
	slowly := func(conn net.Conn, text string) {
		for i := range len(text) {
			time.Sleep(time.Second)
			if _, err := conn.Write([]byte{text[i]}); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		client func(t *testing.T, conn net.Conn)
		after  time.Duration
	}{
		"sends nothing": {func(*testing.T, net.Conn) {}, 5 * time.Second},
		"sends its head slowly": {func(t *testing.T, conn net.Conn) {
			t.Helper()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			slowly(conn, full(t))
		}, 5 * time.Second},
		"sends its body slowly": {func(t *testing.T, conn net.Conn) {
			t.Helper()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			_, _ = io.WriteString(conn, head(t, "Content-Length: 1000"))
			slowly(conn, strings.Repeat(" ", 1000))
		}, 30 * time.Second},
		"sends a body slowly that nobody reads": {func(_ *testing.T, conn net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			_, _ = io.WriteString(conn, "POST "+hooksPath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
			slowly(conn, strings.Repeat(" ", 1000))
		}, 30 * time.Second},
		"does not read its answer": {func(t *testing.T, conn net.Conn) {
			t.Helper()
			_, _ = io.WriteString(conn, full(t))
		}, time.Minute},
		"asks for nothing more": {func(t *testing.T, conn net.Conn) {
			t.Helper()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			_, _ = io.WriteString(conn, full(t))
		}, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv, ln := ownServer(t), newPipes()
				began := time.Now()
				var mu sync.Mutex
				cut := map[time.Duration]int{} // How many connections were closed when.
				srv.ConnState = func(_ net.Conn, s http.ConnState) {
					mu.Lock()
					defer mu.Unlock()
					if s == http.StateClosed {
						cut[time.Since(began).Truncate(time.Second)]++ // From Go 1.27 on, a moment for the client to read the answer.
					}
				}
				defer serve(t, srv, ln)()
				var all sync.WaitGroup
				for range clients {
					conn := ln.dial()
					defer conn.Close()
					all.Go(func() { c.client(t, conn) })
				}
				healthy := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.dial(), nil }}
				defer healthy.CloseIdleConnections()
				for time.Since(began) < c.after-time.Second {
					time.Sleep(time.Second)
					asked := time.Now()
					req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example.com"+hooksPath, nil)
					require.NoError(t, err)
					req.Header.Set("Authorization", "Bearer "+token(t, secret, "merchant_42", time.Hour))
					resp, err := healthy.RoundTrip(req)
					require.NoError(t, err)
					_, _ = io.Copy(io.Discard, resp.Body)
					require.NoError(t, resp.Body.Close())
					require.Equal(t, http.StatusOK, resp.StatusCode)
					require.Zero(t, time.Since(asked))
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				all.Wait()
				mu.Lock()
				got := maps.Clone(cut)
				mu.Unlock()
				require.Equal(t, map[time.Duration]int{c.after: clients}, got, "and the one that is healthy is kept")
			})
		})
	}
}

// Heads are bounded, the line with the path included.
func TestLargeHeadsAreRefused(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20)
	for name, text := range map[string]string{
		"one header":   "GET " + hooksPath + " HTTP/1.1\r\nHost: x\r\nX-Large: " + large + "\r\n\r\n",
		"many headers": "GET " + hooksPath + " HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: 1\r\n", 100_000) + "\r\n",
		"a path":       "GET " + hooksPath + "/" + large + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a query":      "GET " + hooksPath + "?limit=" + large + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a token":      "GET " + hooksPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + large + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln := newPipes()
			defer serve(t, ownServer(t), ln)()
			conn := ln.dial()
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
			go func() { _, _ = io.WriteString(conn, text) }()
			got, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Contains(t, string(got), "HTTP/1.1 431 Request Header Fields Too Large")
		})
	}
}

// TestManyRequestsAtOnce has many requests in the handler at once, of which the end of
// the body is missing. It bounds their memory, and requires that others are answered.
func TestManyRequestsAtOnce(t *testing.T) { //nolint:paralleltest // It measures the memory of the process.
	for _, c := range []struct { //nolint:paralleltest // As above.
		name    string
		clients int
		body    string
		most    int // bytes for a request, its client in this test included; see docs/security.md
	}{
		{"usual bodies", 10_000, hookBody, 64 << 10},
		{"largest bodies", 1_000, strings.Repeat(" ", 64<<10-len(hookBody)) + hookBody, 256 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			if underRace {
				c.clients /= 10 // The race detector takes several times the memory, and lets no more than 8,128 goroutines live.
			}
			srv, ln := ownServer(t), newPipes()
			srv.ReadTimeout = 10 * time.Minute // A busy machine may need longer than 30 seconds to get so far.
			defer serve(t, srv, ln)()
			network, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer serve(t, srv, network)()
			before := memory()

			begin := head(t, fmt.Sprint("Content-Length: ", len(c.body))) + c.body[:len(c.body)-1]
			conns := make([]net.Conn, c.clients)
			for i := range conns {
				conns[i] = ln.dial()
				_, err := io.WriteString(conns[i], begin) // Returns when the server has read it.
				require.NoError(t, err)
			}
			each := (memory() - before) / c.clients
			t.Logf("%d bytes for each of %d requests", each, c.clients)
			if !underRace {
				require.Less(t, each, c.most)
			}
			for range 100 {
				status, _ := call(t, http.MethodGet, "http://"+network.Addr().String()+hooksPath, token(t, secret, "merchant_42", time.Hour), "")
				require.Equal(t, http.StatusOK, status)
			}
			require.Equal(t, map[string]int{"201": 50, "409": c.clients - 50}, finish(t, conns, c.body[len(c.body)-1:]), "50 is the limit of webhooks")
			require.NoError(t, srv.Shutdown(t.Context()), "their memory is free again")
		})
	}
}

// memory is what is in use, without what pools keep for two collections.
func memory() int {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// finish sends the end of a request on each connection and counts the statuses
// that come back.
func finish(t *testing.T, conns []net.Conn, end string) map[string]int {
	t.Helper()
	var all sync.WaitGroup
	statuses := make(chan string, len(conns))
	for _, conn := range conns {
		all.Go(func() {
			defer conn.Close()
			_, err := io.WriteString(conn, end)
			status := make([]byte, len("HTTP/1.1 200"))
			if err == nil {
				_, err = io.ReadFull(conn, status)
			}
			if err != nil {
				t.Error(err)
			}
			statuses <- string(status[len("HTTP/1.1 "):])
		})
	}
	all.Wait()
	close(statuses)
	out := map[string]int{}
	for s := range statuses {
		out[s]++
	}
	return out
}
