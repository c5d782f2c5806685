package egress_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// TestProxyRefusals has proxies that answer CONNECT with something else than a
// tunnel. What they say of the target is the receiver's failure, the rest ours.
func TestProxyRefusals(t *testing.T) {
	t.Parallel()
	status := func(line string, header ...string) string {
		return "HTTP/1.1 " + line + "\r\nX-Peer: " + mark + "\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n" + mark
	}
	for _, tt := range []struct {
		name, answer string
		code         egress.Code // or:
		ours         string
	}{
		{"forbidden", status("403 " + mark), egress.CodeBlockedAddress, ""},
		{"forbidden by Smokescreen", status("407 Request rejected by proxy", "X-Smokescreen-Error: "+mark), egress.CodeBlockedAddress, ""},
		{"internal error", status("500 Unable to connect"), egress.CodeConnect, ""},
		{"bad gateway", status("502 " + mark), egress.CodeConnect, ""},
		{"unavailable", status("503 " + mark), egress.CodeConnect, ""},
		{"gateway timeout", status("504 " + mark), egress.CodeConnect, ""},

		{"wants a password", status("407 "+mark, `Proxy-Authenticate: Basic realm="`+mark+`"`), "", "proxy: status 407"},
		{"unauthorized", status("401 " + mark), "", "proxy: status 401"},
		{"bad request", status("400 " + mark), "", "proxy: status 400"},
		{"no proxy", status("405 "+mark, "Allow: GET"), "", "proxy: status 405"},
		{"no proxy either", status("501 " + mark), "", "proxy: status 501"},
		{"too many requests", status("429 " + mark), "", "proxy: status 429"},
		{"redirect", status("302 "+mark, "Location: http://127.0.0.1/"), "", "proxy: status 302"},
		{"switching protocols", status("101 "+mark, "Upgrade: x"), "", "proxy: status 101"},
		{"continue", status("100 " + mark), "", "proxy: status 100"},
		{"no status", status("999 " + mark), "", "proxy: status 999"},
		{"other protocol", "SSH-2.0-" + mark + "\r\n", "", "proxy: bad_response"},
		{"not HTTP", mark + "\r\n\r\n", "", "proxy: bad_response"},
		{"closes", "", "", "proxy: connection"},
		{"closes in its header", "HTTP/1.1 200 OK\r\nX-Peer: " + mark, "", "proxy: connection"},
		{"header of 1 MB", status("200 OK", "X-Big: "+strings.Repeat(mark, 100_000)), "", "proxy: connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, target := range []string{"https://hooks.example.com/", "http://hooks.example.com/"} {
				proxy := receive(t, nil, func(p *peer) { p.say(tt.answer) })
				options := behind(proxy)
				options.InsecureAllowHTTP, options.DialTimeout = true, time.Hour // It ends by itself.
				options.Proxy.URL = "http://user:pa55-word@" + proxy.address
				_, err := post(t, newEgress(t, &options), target)
				require.EqualValues(t, 1, proxy.accepted.Load())
				if tt.code != "" {
					requireCode(t, tt.code, err)
					continue
				}
				requireOurs(t, tt.ours, err)
				require.Equal(t, egress.CodeConnect, egress.Classify(err))
				require.NotContains(t, fmt.Sprintf("%v %+v %q", err, err, errors.Unwrap(err)), mark)
			}
		})
	}
}

// TestProxyTriesTheNextAddress has a proxy without a way to IPv6.
func TestProxyTriesTheNextAddress(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 5)
	proxy := receive(t, nil, func(p *peer) {
		if r, _, err := p.request(); err == nil {
			asked <- r.RequestURI
			if strings.HasPrefix(r.RequestURI, "[") {
				_, _ = io.WriteString(p, "HTTP/1.1 503 Unavailable\r\n\r\n")
				return
			}
			_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\n\r\n")
			p.say("HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	options := behind(proxy)
	options.InsecureAllowHTTP, options.Resolver = true, answer("2606:4700::1", "2606:4700::2", "8.8.8.8", "1.1.1.1")
	resp, err := post(t, newEgress(t, &options), "http://hooks.example.com/")
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	close(asked)
	for _, want := range []string{"[2606:4700::1]:80", "8.8.8.8:80", ""} {
		require.Equal(t, want, <-asked)
	}

	for _, final := range []string{"403 Forbidden", "400 Bad Request"} {
		proxy := receive(t, nil, func(p *peer) { p.say("HTTP/1.1 " + final + "\r\n\r\n") })
		options.Proxy.URL = "http://" + proxy.address
		_, err := post(t, newEgress(t, &options), "http://hooks.example.com/")
		require.Error(t, err)
		require.EqualValues(t, 1, proxy.accepted.Load(), "%s: another address would not help", final)
	}
}

// TestProxyLimits has proxies that take a connection and then their time, which
// cannot be told from receivers that drop packets. The time is a fake one.
func TestProxyLimits(t *testing.T) {
	t.Parallel()
	silent := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	drips := func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Drip: ")
		for tick := time.NewTicker(time.Second); err == nil; _, err = io.WriteString(c, "x") {
			<-tick.C
		}
	}
	for _, tt := range []struct {
		name    string
		script  func(net.Conn)
		addrs   []string
		timeout time.Duration // of the context
		took    time.Duration
		code    egress.Code // or:
		ours    string
		dialled int
	}{
		{"silent", silent, []string{"8.8.8.8"}, time.Minute, 5 * time.Second, egress.CodeConnect, "", 1},
		{"silent, short limit", silent, []string{"8.8.8.8"}, time.Second, time.Second, egress.CodeTimeout, "", 1},
		{"silent for each address", silent, []string{"8.8.8.1", "8.8.8.2", "8.8.8.3"}, time.Minute, 5 * time.Second, egress.CodeConnect, "", 3},
		{"reads nothing", func(net.Conn) { <-time.After(time.Hour) }, []string{"8.8.8.8"}, time.Minute, 5 * time.Second, egress.CodeConnect, "", 1},
		{"drips", drips, []string{"8.8.8.8"}, time.Minute, 5 * time.Second, egress.CodeConnect, "", 1},
		{"does not accept", nil, []string{"8.8.8.1", "8.8.8.2"}, time.Minute, 5 * time.Second, "", "proxy: connect", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEgress(t, &egress.Options{Resolver: answer(tt.addrs...)})
				var dialled atomic.Int32
				var scripts sync.WaitGroup
				defer scripts.Wait()
				require.NoError(t, e.SetProxy(&egress.Proxy{URL: "http://10.0.0.5:3128"}, func(ctx context.Context, network, address string) (net.Conn, error) {
					require.Equal(t, "10.0.0.5:3128", address)
					dialled.Add(1)
					if tt.script == nil {
						<-ctx.Done()
						return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
					}
					near, far := net.Pipe()
					scripts.Go(func() {
						tt.script(far)
						_ = far.Close()
					})
					return near, nil
				}))
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				began := time.Now()
				_, err := egress.Post(ctx, e.Transport(), "https://hooks.example.com/", nil, nil)
				require.Equal(t, tt.took, time.Since(began))
				if tt.ours != "" {
					requireOurs(t, tt.ours, err)
				} else {
					requireCode(t, tt.code, err)
				}
				synctest.Wait()
				require.EqualValues(t, tt.dialled, dialled.Load())
			})
		})
	}
}

func TestProxyThatIsAwayIsOurFault(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := ln.Addr().String()
	require.NoError(t, ln.Close())
	for _, scheme := range []string{"http://", "https://"} {
		e := newEgress(t, &egress.Options{Proxy: &egress.Proxy{URL: scheme + "user:pa55-word@" + address}, Resolver: answer("8.8.8.8", "1.1.1.1")})
		_, err = post(t, e, "https://hooks.example.com/")
		requireOurs(t, "proxy: connect", err)
		require.ErrorIs(t, err, syscall.ECONNREFUSED, "an operator can ask for the cause")
	}
	// A label that is too long needs no name server to be unknown.
	e := newEgress(t, &egress.Options{Proxy: &egress.Proxy{URL: "http://" + strings.Repeat("a", 64) + ".invalid"}, Resolver: answer("8.8.8.8")})
	_, err = post(t, e, "https://hooks.example.com/")
	requireOurs(t, "proxy: dns", err)
}

// TestProxyWithoutTrustGetsNoPassword has https proxies that cannot prove who
// they are.
func TestProxyWithoutTrustGetsNoPassword(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, tt := range []struct {
		name  string
		roots *x509.CertPool
		local bool
		plain bool
		ours  string
	}{
		{"unknown authority", nil, true, false, "proxy: tls"},
		{"wrong host", ca.pool(), false, false, "proxy: tls"},
		{"no TLS", ca.pool(), true, true, "proxy: tls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := ca.issue(t, func(c *x509.Certificate) {
				if tt.local {
					c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
				}
			})
			if tt.plain {
				config = nil
			}
			var requests atomic.Int32
			proxy := receive(t, config, func(p *peer) {
				if tt.plain {
					_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\n\r\n")
				}
				if _, _, err := p.request(); err == nil {
					requests.Add(1)
				}
			})
			// The pool for receivers is none for proxies.
			e := newEgress(t, &egress.Options{
				RootCAs: ca.pool(), Resolver: answer("8.8.8.8"),
				Proxy: &egress.Proxy{URL: "https://user:pa55-word@" + proxy.address, RootCAs: tt.roots},
			})
			_, err := post(t, e, "https://hooks.example.com/")
			requireOurs(t, tt.ours, err)
			require.Zero(t, requests.Load())
		})
	}
}

// TestReceiverThatSpeaksFirst has its bytes arrive with the proxy's answer.
func TestReceiverThatSpeaksFirst(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		target, first string
		code          egress.Code
	}{
		{"https://hooks.example.com/", "SSH-2.0-" + mark + "\r\n", egress.CodeTLS},
		{"http://hooks.example.com/", "SSH-2.0-" + mark + "\r\n", egress.CodeBadResponse},
	} {
		proxy := receive(t, nil, func(p *peer) {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + tt.first)
			p.untilClosed()
		})
		options := behind(proxy)
		options.InsecureAllowHTTP, options.TLSHandshakeTimeout = true, time.Hour
		_, err := post(t, newEgress(t, &options), tt.target)
		requireCode(t, tt.code, err)
	}
}

func TestProxyURLs(t *testing.T) {
	t.Parallel()
	const pass = "pa55-word"
	for _, u := range []string{
		"http://10.0.0.5:3128", "https://proxy.internal", "http://user:" + pass + "@proxy:3128/", "HTTP://[fd00::1]:3128",
	} {
		newEgress(t, &egress.Options{Proxy: &egress.Proxy{URL: u}})
	}
	for u, reason := range map[string]string{
		"":                                     "does not start with http:// or https://",
		"proxy.internal:3128":                  "does not start with http:// or https://",
		"10.0.0.5:3128":                        "is not a valid URL",
		"socks5://user:" + pass + "@10.0.0.5":  "does not start with http:// or https://",
		"http://":                              "has no host",
		"http://user:" + pass + "@":            "has no host",
		"http://:3128":                         "has no host",
		"http:10.0.0.5:3128":                   "has no host",
		"http://user:" + pass + "@[::1":        "is not a valid URL",
		"http://user:" + pass + " @10.0.0.5":   "is not a valid URL",
		"http://user:" + pass + "\n@10.0.0.5":  "is not a valid URL",
		"http://us er:" + pass + "@10.0.0.5":   "is not a valid URL",
		"http://user:" + pass + "@10.0.0.5:0":  "has no port between 1 and 65535",
		"http://10.0.0.5:65536":                "has no port between 1 and 65535",
		"http://user:" + pass + "@10.0.0.5:x":  "is not a valid URL",
		"http://10.0.0.5/path":                 "has more than scheme, user, host and port",
		"http://10.0.0.5?q":                    "has more than scheme, user, host and port",
		"http://10.0.0.5#f":                    "has more than scheme, user, host and port",
		"http://us%3Aer:" + pass + "@10.0.0.5": "has a user with a colon, which Basic authentication cannot carry",
	} {
		p := &egress.Proxy{URL: u}
		_, err := egress.New(&egress.Options{Proxy: p, DialTimeout: -1})
		require.ErrorContains(t, err, "Proxy.URL "+reason, "%q", u)
		require.ErrorContains(t, err, "DialTimeout", "all that is wrong is said at once")
		require.NotContains(t, err.Error(), pass)
		require.Equal(t, "Proxy(invalid)", fmt.Sprint(p))
	}
}
