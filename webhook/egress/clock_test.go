package egress_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// TestLimits runs the real transport over pipes, in fake time, so that the
// limits are the real ones and not a millisecond is waited.
func TestLimits(t *testing.T) {
	t.Parallel()
	answers := func(head string) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, head)
			}
		}
	}
	// each writes a byte after every pause, until nobody listens.
	each := func(pause time.Duration, head string) func(net.Conn) {
		return func(c net.Conn) {
			answers(head)(c)
			for tick := time.NewTicker(pause); ; {
				<-tick.C
				if _, err := c.Write([]byte("x")); err != nil {
					tick.Stop()
					return
				}
			}
		}
	}
	later := func(wait time.Duration, head string) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
				return
			}
			<-time.After(wait)
			_, _ = io.WriteString(c, head)
			_, _ = io.Copy(io.Discard, c)
		}
	}
	stalls := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
	for _, tt := range []struct {
		name    string
		script  func(net.Conn)
		scheme  string
		timeout time.Duration // of the context; 0: none
		took    time.Duration
		code    egress.Code
		body    string
	}{
		{name: "no status", script: stalls, took: 10 * time.Second, code: egress.CodeTimeout},
		{name: "no status, own limit", script: stalls, timeout: 30 * time.Second, took: 30 * time.Second, code: egress.CodeTimeout},
		{name: "reads nothing", script: func(c net.Conn) { <-time.After(time.Hour) }, took: 10 * time.Second, code: egress.CodeTimeout},
		{name: "drips header", script: each(time.Second, "HTTP/1.1 200 OK\r\nX-Drip: "), took: 10 * time.Second, code: egress.CodeTimeout},
		{name: "drips body", script: each(300*time.Millisecond, ok), took: 2 * time.Second, body: "xxxxxx"},
		{name: "stalls in body", script: func(c net.Conn) { answers(ok + "ok")(c); stalls(c) }, took: 2 * time.Second, body: "ok"},
		{name: "late status", script: later(9*time.Second, ok), took: 10 * time.Second},
		{name: "late status, long limit", script: later(9*time.Second, ok), timeout: time.Minute, took: 11 * time.Second},
		{name: "too late", script: later(11*time.Second, ok), took: 10 * time.Second, code: egress.CodeTimeout},
		{name: "101 and silence", script: func(c net.Conn) {
			answers("HTTP/1.1 101 Switching Protocols\r\n\r\n")(c)
			stalls(c)
		}, code: egress.CodeBadResponse},
		{name: "slow handshake", script: stalls, scheme: "https", took: 5 * time.Second, code: egress.CodeTLS},
		{name: "slow handshake, short limit", script: stalls, scheme: "https", timeout: time.Second, took: time.Second, code: egress.CodeTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, Resolver: answer("8.8.8.8")})
				var scripts sync.WaitGroup
				defer scripts.Wait()
				e.SetConnect(func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					scripts.Go(func() {
						tt.script(far)
						_ = far.Close()
					})
					return near, nil
				})
				scheme := tt.scheme
				if scheme == "" {
					scheme = "http"
				}
				for _, own := range []bool{false, true} {
					ctx, timeout := t.Context(), cmp.Or(tt.timeout, egress.DefaultTimeout)
					if !own && tt.timeout != 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tt.timeout)
						defer cancel()
					}
					began := time.Now()
					post := egress.Post
					if own {
						post = func(ctx context.Context, rt http.RoundTripper, target string, h http.Header, body []byte) (egress.Response, error) {
							return egress.PostWithin(ctx, timeout, rt, target, h, body)
						}
					}
					resp, err := post(ctx, e.Transport(), scheme+"://hooks.example.com/", nil, []byte("{}"))
					require.Equal(t, tt.took, time.Since(began))
					if tt.code != "" {
						requireCode(t, tt.code, err)
					} else {
						require.NoError(t, err)
						require.Equal(t, 200, resp.StatusCode)
						require.Equal(t, tt.body, resp.Body)
					}
				}
				e.Transport().CloseIdleConnections()
			})
		})
	}
}

func TestConnectLimits(t *testing.T) {
	t.Parallel()
	hangs := func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	five := answer("8.8.8.1", "8.8.8.2", "8.8.8.3", "8.8.8.4", "8.8.8.5")
	for _, tt := range []struct {
		name     string
		resolver resolverFunc
		timeout  time.Duration
		took     time.Duration
		code     egress.Code
		dialled  int
	}{
		{"look-up", hangs, time.Minute, 3 * time.Second, egress.CodeDNS, 0},
		{"look-up, short limit", hangs, time.Second, time.Second, egress.CodeTimeout, 0},
		{"connect", answer("8.8.8.8"), time.Minute, 5 * time.Second, egress.CodeConnect, 1},
		{"connect to five", five, time.Minute, 5 * time.Second, egress.CodeConnect, 5},
		{"connect to five, short limit", five, 2500 * time.Millisecond, 2500 * time.Millisecond, egress.CodeTimeout, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEgress(t, &egress.Options{Resolver: tt.resolver})
				var mu sync.Mutex
				var dialled []time.Duration
				began := time.Now()
				e.SetConnect(func(ctx context.Context, _, _ string) (net.Conn, error) {
					mu.Lock()
					dialled = append(dialled, time.Since(began))
					mu.Unlock()
					<-ctx.Done()
					return nil, ctx.Err()
				})
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				_, err := egress.Post(ctx, e.Transport(), "https://hooks.example.com/", nil, nil)
				requireCode(t, tt.code, err)
				require.Equal(t, tt.took, time.Since(began))
				synctest.Wait() // The transport goes on with a dial that nobody waits for any more.
				require.Len(t, dialled, tt.dialled)
				for i, at := range dialled {
					require.Equal(t, time.Duration(i)*300*time.Millisecond, at)
				}
			})
		})
	}
}

// TestConnectionsAreKept posts one after the other; bodies within the limit must
// not cost a connection. On a busy machine and in real time, net/http gives up
// some connections by itself.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 511, 512, 513, 4095, 4096} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d chunked %v", size, chunked), func(t *testing.T) {
				t.Parallel()
				body := strings.Repeat("x", size)
				response, end := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body), ""
				if chunked {
					response, end = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n"
					if size > 0 {
						response += fmt.Sprintf("%x\r\n%s\r\n", size, body)
					}
				}
				synctest.Test(t, func(t *testing.T) {
					e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, Resolver: answer("8.8.8.8")})
					connections := 0
					var scripts sync.WaitGroup
					e.SetConnect(func(context.Context, string, string) (net.Conn, error) {
						connections++
						near, far := net.Pipe()
						scripts.Go(func() {
							for in := bufio.NewReader(far); ; {
								r, err := http.ReadRequest(in)
								if err != nil {
									return
								}
								_, _ = io.Copy(io.Discard, r.Body)
								_, _ = io.WriteString(far, response)
								_, _ = io.WriteString(far, end) // The end is seen by a read of its own.
							}
						})
						return near, nil
					})
					for range 5 {
						resp, err := post(t, e, "http://hooks.example.com/")
						require.NoError(t, err)
						require.Len(t, resp.Body, min(size, 1000))
					}
					require.Equal(t, 1, connections)
					e.Transport().CloseIdleConnections()
					scripts.Wait()
				})
			})
		}
	}
}
