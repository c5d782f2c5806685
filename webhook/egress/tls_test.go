package egress_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// TestTLSFailures needs handshakes that fail by themselves: if one ran into the limit
// of the request, the code would be another.
func TestTLSFailures(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	serve := func(p *peer) { p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }
	with := func(change func(*tls.Config)) *tls.Config {
		c := ca.issue(t, nil)
		change(c)
		return c
	}
	says := func(text string) func(*peer) {
		return func(p *peer) {
			_, _ = io.WriteString(p, text)
			p.untilClosed()
		}
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
		{"insists on h2", with(func(c *tls.Config) {
			c.NextProtos = []string{"h2"}
			c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				hello.SupportedProtos[0] = "h2" // As if it had been offered.
				return nil, nil
			}
		}), serve, false},
		{"speaks something else only", with(func(c *tls.Config) { c.NextProtos = []string{"h3"} }), serve, false},
		{"TLS 1.1", with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), serve, false},
		{"TLS 1.0", with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }), serve, false},

		// Certificates.
		{"self-signed", selfSigned(t), serve, false},
		{"unknown authority", stranger.issue(t, nil), serve, false},
		{"the authority's own", ca.itself(), serve, false},
		{"wrong host", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{mark + ".example.com"} }), serve, false},
		{"no host", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = nil }), serve, false},
		{"host in the common name only", ca.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.Subject.CommonName = nil, "hooks.example.com"
		}), serve, false},
		{"an address", ca.issue(t, func(c *x509.Certificate) {
			c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(8, 8, 8, 8)}
		}), serve, false},
		{"wildcard", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }), serve, true},
		{"wildcard too high", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.com"} }), serve, false},
		{"wildcard of all", ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"*"} }), serve, false},
		{"expired", ca.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), serve, false},
		{"not yet valid", ca.issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour / 2) }), serve, false},
		{"for clients", ca.issue(t, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}), serve, false},
		{"key of another", with(func(c *tls.Config) { c.Certificates[0].PrivateKey = ca.key }), serve, false},
		{"wants a client certificate", with(func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), serve, false},
		{"wants a client certificate, TLS 1.2", with(func(c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}), serve, false},

		// No TLS, or none to the end.
		{"plain HTTP", nil, says("HTTP/1.1 400 " + mark + "\r\nConnection: close\r\n\r\n"), false},
		{"plain HTTP that waits for a request", nil, func(p *peer) {
			_, _ = p.in.ReadString('\n')
			_, _ = io.WriteString(p, "HTTP/1.1 400 "+mark+"\r\n\r\n")
		}, false},
		{"other protocol", nil, says("SSH-2.0-" + mark + "\r\n"), false},
		{"record that is too long", nil, says("\x16\x03\x03\xff\xff" + mark), false},
		{"garbage in a record", nil, says("\x16\x03\x03\x00\x0a" + mark), false},
		{"hello that is too long", nil, says("\x16\x03\x03\x00\x04\x02\xff\xff\xff"), false},
		{"alert", nil, says("\x15\x03\x03\x00\x02\x02\x28"), false},
		{"warnings without end", nil, func(p *peer) {
			for {
				if _, err := io.WriteString(p, "\x15\x03\x03\x00\x02\x01\x00"); err != nil {
					return
				}
			}
		}, false},
		{"closes", nil, func(*peer) {}, false},
		{"closes after hello", nil, func(p *peer) { _, _ = p.in.ReadByte() }, false},
		{"resets after hello", nil, func(p *peer) {
			_, _ = p.in.ReadByte()
			p.reset()
		}, false},
		{"closes after its own hello", with(func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, io.EOF }
			c.Certificates = nil
		}), serve, false},
		{"closes in its certificate", nil, cutShort(ca.issue(t, nil), 300), false},
		{"stalls", nil, func(p *peer) { p.untilClosed() }, false},
		{"stalls in its certificate", nil, func(p *peer) {
			cutShort(ca.issue(t, nil), 300)(p)
			p.untilClosed()
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := egress.Options{TLSHandshakeTimeout: time.Hour}
			stalls := strings.HasPrefix(tt.name, "stalls")
			if stalls {
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
			if !stalls { // Else it may end before the listener gets to run.
				require.EqualValues(t, 1, r.accepted.Load())
			}
		})
	}
}

// cutShort plays a server with config, of whose handshake no more than the first
// bytes get through.
func cutShort(config *tls.Config, bytes int) func(*peer) {
	return func(p *peer) {
		server := tls.Server(&shortWriter{Conn: p.Conn, left: bytes}, config)
		_ = server.Handshake()
	}
}

type shortWriter struct {
	net.Conn

	left int
}

func (w *shortWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.left)
	w.left -= n
	if n < len(b) {
		_, _ = w.Conn.Write(b[:n])
		return n, io.ErrClosedPipe
	}
	return w.Conn.Write(b)
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
