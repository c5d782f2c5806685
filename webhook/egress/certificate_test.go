package egress_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// shown is the name in the certificate that a client has shown to p, or "".
func shown(p *peer) string {
	conn, ok := p.Conn.(*tls.Conn)
	if !ok || len(conn.ConnectionState().PeerCertificates) == 0 {
		return ""
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca, clients, others := newAuthority(t), newAuthority(t), newAuthority(t)
	good, foreign := clients.client(t, "sender"), others.client(t, "foreign")
	type choose = func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	for _, tt := range []struct {
		name   string
		how    tls.ClientAuthType
		choose choose
		code   egress.Code
		shown  string
	}{
		{"asked for", tls.RequireAndVerifyClientCert, egress.Certificates(good), "", "sender"},
		{"asked for if there is one", tls.VerifyClientCertIfGiven, egress.Certificates(good), "", "sender"},
		{"not asked for", tls.NoClientCert, egress.Certificates(good), "", ""},
		{"the second is accepted", tls.RequireAndVerifyClientCert, egress.Certificates(foreign, good), "", "sender"},
		{"of another authority", tls.RequireAndVerifyClientCert, egress.Certificates(foreign), egress.CodeTLS, ""},
		{"of another authority, but optional", tls.VerifyClientCertIfGiven, egress.Certificates(foreign), "", ""},
		{"of another authority, all the same", tls.RequireAndVerifyClientCert, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &foreign, nil
		}, egress.CodeTLS, ""},
		{"no list", tls.RequireAndVerifyClientCert, egress.Certificates(), egress.CodeTLS, ""},
		{"nil", tls.RequireAndVerifyClientCert, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return nil, nil
		}, egress.CodeTLS, ""},
		{"nil, but optional", tls.VerifyClientCertIfGiven, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return nil, nil
		}, "", ""},
		{"none", tls.RequireAndVerifyClientCert, nil, egress.CodeTLS, ""},
	} {
		for version, name := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				t.Parallel()
				names := make(chan string, 1)
				config := clients.wanting(ca.issue(t, nil), tt.how)
				config.MinVersion, config.MaxVersion = version, version
				r := receive(t, config, func(p *peer) {
					if _, _, err := p.request(); err == nil {
						names <- shown(p)
						_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				})
				e, target := ca.sender(t, r, egress.Options{ClientCertificate: tt.choose})
				_, err := post(t, e, target)
				if tt.code != "" {
					requireCode(t, tt.code, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, tt.shown, <-names)
			})
		}
	}
}

// TestRenewedClientCertificate changes the certificate between two connections.
func TestRenewedClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var current atomic.Pointer[tls.Certificate]
	names := make(chan string, 1)
	r := receive(t, ca.wanting(ca.issue(t, nil), tls.RequireAndVerifyClientCert), func(p *peer) {
		if _, _, err := p.request(); err == nil {
			names <- shown(p)
			_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
	})
	e, target := ca.sender(t, r, egress.Options{ClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return current.Load(), nil
	}})
	for _, name := range []string{"old", "new"} {
		c := ca.client(t, name)
		current.Store(&c)
		_, err := post(t, e, target)
		require.NoError(t, err)
		require.Equal(t, name, <-names)
	}
}

// TestAMissingClientCertificateIsOurFault has a certificate that cannot be read. The
// receiver did nothing wrong.
func TestAMissingClientCertificateIsOurFault(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cause := errors.New("open /etc/webhooks/key.pem: permission denied")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := ca.wanting(ca.issue(t, nil), tls.VerifyClientCertIfGiven)
		config.MaxVersion = version
		r := receive(t, config, func(p *peer) { p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") })
		e, target := ca.sender(t, r, egress.Options{ClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return nil, cause
		}})
		_, err := post(t, e, target)
		require.EqualError(t, err, "egress: post: client certificate")
		require.ErrorIs(t, err, cause, "an operator can ask for it")
		_, blamed := errors.AsType[*egress.Error](err)
		require.False(t, blamed)
	}
}

func TestClientCertificateIsNothingForHTTP(t *testing.T) {
	t.Parallel()
	r := receive(t, nil, func(p *peer) { p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") })
	e := newEgress(t, &egress.Options{
		InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true,
		ClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			t.Error("nobody has asked for it")
			return nil, nil
		},
	})
	resp, err := post(t, e, "http://"+r.address+"/")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
