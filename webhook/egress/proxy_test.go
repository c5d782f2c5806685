package egress_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// seen is what a receiver behind a proxy gets.
type seen struct {
	name   string // for which the TLS client asked
	client string // the name in its certificate
	host   string
	header http.Header
	body   string
}

// recording answers every request on a connection and tells of it.
func recording(requests chan<- seen) func(*peer) {
	return func(p *peer) {
		for {
			r, body, err := p.request()
			if err != nil {
				return
			}
			s := seen{host: r.Host, header: r.Header, body: string(body), client: shown(p)}
			if conn, ok := p.Conn.(*tls.Conn); ok {
				s.name = conn.ConnectionState().ServerName
			}
			requests <- s
			_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	ca, proxyCA := newAuthority(t), newAuthority(t)
	local := func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)} }
	for _, tt := range []struct {
		name, target, addr string
		secure             bool   // the way to the proxy
		user               string // with password
		connect            string
		authorization      string
	}{
		{"plain", "https://hooks.example.com/", "8.8.8.8", false, "", "8.8.8.8:443", ""},
		{"https", "https://hooks.example.com/", "8.8.8.8", true, "", "8.8.8.8:443", ""},
		{"IPv6", "https://hooks.example.com/", "2606:4700::1", false, "", "[2606:4700::1]:443", ""},
		{"mapped", "https://hooks.example.com/", "::ffff:8.8.8.8", false, "", "8.8.8.8:443", ""},
		{"port", "https://hooks.example.com:8443/", "8.8.8.8", false, "", "8.8.8.8:8443", ""},
		{"http", "http://hooks.example.com/", "8.8.8.8", false, "", "8.8.8.8:80", ""},
		{"http over https", "http://hooks.example.com:8080/", "8.8.8.8", true, "", "8.8.8.8:8080", ""},
		{"password", "https://hooks.example.com/", "8.8.8.8", false, "user:pa55-word@", "8.8.8.8:443", basic("user:pa55-word")},
		{"password over https", "https://hooks.example.com/", "8.8.8.8", true, "user:pa55-word@", "8.8.8.8:443", basic("user:pa55-word")},
		{"odd password", "http://hooks.example.com/", "8.8.8.8", false, "us%65r:p%40%3A%0d%0aX:%20y@", "8.8.8.8:80", basic("user:p@:\r\nX: y")},
		{"user only", "https://hooks.example.com/", "8.8.8.8", false, "user@", "8.8.8.8:443", basic("user:")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			requests := make(chan seen, 2)
			target, err := url.Parse(tt.target)
			require.NoError(t, err)
			var config, proxyConfig *tls.Config
			if target.Scheme == "https" {
				config = ca.issue(t, nil)
			}
			scheme := "http://"
			if tt.secure {
				scheme, proxyConfig = "https://", proxyCA.issue(t, local)
			}
			r := receive(t, config, recording(requests))
			proxy := forward(t, proxyConfig, r.address)
			e := newEgress(t, &egress.Options{
				InsecureAllowHTTP: true, RootCAs: ca.pool(), Resolver: answer(tt.addr),
				Proxy: &egress.Proxy{URL: scheme + tt.user + proxy.address, RootCAs: proxyCA.pool()},
			})
			for range 2 {
				resp, err := post(t, e, tt.target)
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				require.Equal(t, "ok", resp.Body)
				got := <-requests
				require.Equal(t, target.Host, got.host)
				require.Equal(t, `{"id":"evt_1"}`, got.body)
				for key := range got.header {
					require.NotContains(t, key, "Proxy", "the receiver learns nothing of it")
				}
				if config != nil {
					require.Equal(t, "hooks.example.com", got.name)
				}
			}
			require.Equal(t, []string{"CONNECT " + tt.connect}, proxy.targets(), "one tunnel for both")
			asked := proxy.asked[0]
			require.Equal(t, tt.connect, asked.Host)
			want := http.Header{}
			if tt.authorization != "" {
				want.Set("Proxy-Authorization", tt.authorization)
			}
			require.Equal(t, want, asked.Header)
		})
	}
}

// TestProxyMayBeAName that only the system knows, while that of the receiver is
// the resolver's.
func TestProxyMayBeAName(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r := receive(t, ca.issue(t, nil), recording(make(chan seen, 1)))
	proxy := forward(t, nil, r.address)
	_, port, err := net.SplitHostPort(proxy.address)
	require.NoError(t, err)
	e := newEgress(t, &egress.Options{
		RootCAs: ca.pool(), Proxy: &egress.Proxy{URL: "http://localhost:" + port + "/"},
		Resolver: resolverFunc(func(ctx context.Context, host string) ([]netip.Addr, error) {
			require.Equal(t, "hooks.example.com", host)
			return answer("8.8.8.8")(ctx, host)
		}),
	})
	_, err = post(t, e, "https://hooks.example.com/")
	require.NoError(t, err)
	require.Equal(t, []string{"CONNECT 8.8.8.8:443"}, proxy.targets())
}

// TestProxyIsAskedForCheckedAddressesOnly has a proxy that would lead anywhere.
func TestProxyIsAskedForCheckedAddressesOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, target string
		resolver     resolverFunc
		options      egress.Options
		code         egress.Code
		connects     []string
	}{
		{name: "private", resolver: answer("10.0.0.1"), code: egress.CodeBlockedAddress},
		{name: "metadata", resolver: answer("169.254.169.254"), code: egress.CodeBlockedAddress},
		{name: "loopback of the proxy", resolver: answer("127.0.0.1", "::1", "::ffff:127.0.0.1"), code: egress.CodeBlockedAddress},
		{name: "mixed", resolver: answer("10.0.0.1", "8.8.8.8", "127.0.0.1"), connects: []string{"CONNECT 8.8.8.8:443"}},
		{name: "no name", resolver: answer(), code: egress.CodeDNS},
		{name: "literal", target: "https://10.0.0.1/", resolver: answer("8.8.8.8"), code: egress.CodeBlockedAddress},
		{name: "literal v6", target: "https://[::1]/", resolver: answer("8.8.8.8"), code: egress.CodeBlockedAddress},
		{name: "local name", target: "https://localhost/", resolver: answer("8.8.8.8"), code: egress.CodeBlockedAddress},
		{name: "port", target: "https://hooks.example.com:22/", resolver: answer("8.8.8.8"), code: egress.CodeBlockedAddress},
		{name: "http", target: "http://hooks.example.com/", resolver: answer("8.8.8.8"), code: egress.CodeBlockedAddress},
		{
			name: "denied network", resolver: answer("8.8.8.8"), code: egress.CodeBlockedAddress,
			options: egress.Options{DenyNetworks: prefixes("8.8.8.0/24")},
		},
		{
			name: "allowed network", resolver: answer("10.20.0.1", "10.21.0.1"), connects: []string{"CONNECT 10.20.0.1:443"},
			options: egress.Options{AllowNetworks: prefixes("10.20.0.0/16")},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t)
			r := receive(t, ca.issue(t, nil), recording(make(chan seen, 1)))
			proxy := forward(t, nil, r.address)
			options := tt.options
			options.RootCAs, options.Resolver = ca.pool(), tt.resolver
			options.Proxy = &egress.Proxy{URL: "http://" + proxy.address}
			if tt.target == "" {
				tt.target = "https://hooks.example.com/"
			}
			_, err := post(t, newEgress(t, &options), tt.target)
			if tt.code != "" {
				requireCode(t, tt.code, err)
				require.Zero(t, proxy.accepted.Load(), "nothing gets as far as the proxy")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.connects, proxy.targets())
		})
	}
}

// TestStoredURLsDoNotReachTheProxy holds with either way to resolve.
func TestStoredURLsDoNotReachTheProxy(t *testing.T) {
	t.Parallel()
	for _, left := range []bool{false, true} {
		proxy := receive(t, nil, func(p *peer) { p.say("HTTP/1.1 503 Unavailable\r\n\r\n") })
		options := behind(proxy)
		options.Proxy.InsecureResolveNames = left
		e := newEgress(t, &options)
		t.Run(fmt.Sprintf("left to the proxy %v", left), func(t *testing.T) {
			t.Parallel()
			for _, tt := range refusedURLs {
				if tt.dial {
					_, err := post(t, e, tt.url)
					requireCode(t, egress.CodeBlockedAddress, err)
				}
			}
			require.Zero(t, proxy.accepted.Load())
		})
	}
}

func TestProxyResolvesNames(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	requests := make(chan seen, 3)
	r := receive(t, ca.issue(t, nil), recording(requests))
	proxy := forward(t, nil, r.address)
	var lookups atomic.Int32
	e := newEgress(t, &egress.Options{
		RootCAs: ca.pool(), Proxy: &egress.Proxy{URL: "http://" + proxy.address, InsecureResolveNames: true},
		AllowNetworks: prefixes("10.20.0.0/16"),
		Resolver: resolverFunc(func(context.Context, string) ([]netip.Addr, error) {
			lookups.Add(1)
			return nil, &net.DNSError{Err: "there is no DNS here"}
		}),
	})
	require.NoError(t, e.CheckAddress(t.Context(), "https://hooks.example.com/"))
	require.Error(t, e.CheckAddress(t.Context(), "https://10.21.0.1/"))
	_, err := post(t, e, "https://Hooks.Example.com/")
	require.NoError(t, err)
	require.Equal(t, "hooks.example.com", (<-requests).name)
	_, err = post(t, e, "https://hooks.example.com:8443/")
	require.NoError(t, err)
	for _, refused := range []string{
		"https://10.0.0.1/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "https://localhost/", "https://redis/",
		"https://metadata.google.internal/", "https://erp.partner.internal/", "https://hooks.example.com:6379/", "http://hooks.example.com/",
		"https://0x7f.1/", "https://2130706433/", "https://hooks.example.com./", "https://１２７.０.０.１/", "https://loc\u00adalhost/",
	} {
		_, err := post(t, e, refused)
		requireCode(t, egress.CodeBlockedAddress, err)
	}
	require.Equal(t, []string{"CONNECT hooks.example.com:443", "CONNECT hooks.example.com:8443"}, proxy.targets())
	require.Zero(t, lookups.Load())

	// What is no name is checked as ever.
	_, err = post(t, e, "https://8.8.8.8/")
	requireCode(t, egress.CodeTLS, err) // The certificate is not for that host.
	_, err = post(t, e, "https://10.20.0.1/")
	requireCode(t, egress.CodeTLS, err)
	require.Equal(t, []string{"CONNECT 8.8.8.8:443", "CONNECT 10.20.0.1:443"}, proxy.targets()[2:])
}

// TestClientCertificateIsForReceiversOnly has a proxy that would like one.
func TestClientCertificateIsForReceiversOnly(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	requests := make(chan seen, 1)
	r := receive(t, ca.wanting(ca.issue(t, nil), tls.RequireAndVerifyClientCert), recording(requests))
	proxy := forward(t, ca.wanting(ca.issue(t, func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}), tls.RequestClientCert), r.address)
	e := newEgress(t, &egress.Options{
		RootCAs: ca.pool(), Resolver: answer("8.8.8.8"), ClientCertificate: egress.Certificates(ca.client(t, "sender")),
		Proxy: &egress.Proxy{URL: "https://" + proxy.address, RootCAs: ca.pool()},
	})
	_, err := post(t, e, "https://hooks.example.com/")
	require.NoError(t, err)
	require.Equal(t, "sender", (<-requests).client)
	require.Empty(t, proxy.client)
}
