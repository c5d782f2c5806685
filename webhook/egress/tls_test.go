package egress_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

func TestTLSFailures(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	serve := func(p *peer) { p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
	with := func(change func(*tls.Config)) *tls.Config {
		c := ca.issue(t, nil)
		change(c)
		return c
	}
	for _, tt := range []struct {
		name   string
		config *tls.Config
		script func(*peer)
		ok     bool
	}{
		{"good", ca.issue(t, nil), serve, true},
		{"TLS 1.2", with(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), serve, true},
		{"speaks h2 too", with(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }), serve, true},
		{"speaks something else only", with(func(c *tls.Config) { c.NextProtos = []string{"h3"} }), serve, false},
		{"TLS 1.1", with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), serve, false},
		{"unknown authority", stranger.issue(t, nil), serve, false},
		{"wrong host", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"other.example.com"} }), serve, false},
		{"no host", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = nil }), serve, false},
		{"an address", ca.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(8, 8, 8, 8)}
		}), serve, false},
		{"wildcard", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }), serve, true},
		{"wildcard too high", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.com"} }), serve, false},
		{"expired", ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), serve, false},
		{"not yet valid", ca.issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour / 2) }), serve, false},
		{"for clients", ca.issue(t, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}), serve, false},
		{"wants a client certificate", with(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), serve, false},
		{"wants a client certificate, TLS 1.2", with(func(c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}), serve, false},
		{"plain HTTP", nil, func(p *peer) {
			_, _ = io.WriteString(p, "HTTP/1.1 400 "+mark+"\r\nConnection: close\r\n\r\n")
		}, false},
		{"other protocol", nil, func(p *peer) {
			_, _ = io.WriteString(p, "SSH-2.0-"+mark+"\r\n")
			p.untilClosed()
		}, false},
		{"closes", nil, func(*peer) {}, false},
		{"closes after hello", nil, func(p *peer) { _, _ = p.in.ReadByte() }, false},
		{"stalls", nil, func(p *peer) { p.untilClosed() }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var o egress.Options
			if tt.name == "stalls" {
				o.TLSHandshakeTimeout = 20 * time.Millisecond
			}
			r := receive(t, tt.config, tt.script)
			e, target := ca.sender(t, r, o)
			resp, err := post(t, e, target)
			if tt.ok {
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				return
			}
			requireCode(t, egress.CodeTLS, err)
			require.EqualValues(t, 1, r.accepted.Load())
		})
	}
}

func TestSystemRootsByDefault(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r := receive(t, ca.issue(t, nil), func(p *peer) { p.untilClosed() })
	e := newEgress(t, &egress.Options{Resolver: answer("8.8.8.8")})
	new(dials).to(e, r.address)
	_, err := post(t, e, "https://hooks.example.com/")
	requireCode(t, egress.CodeTLS, err)
}
