package egress

import (
	"crypto/tls"
	"crypto/x509"
)

// Certificates returns a function for [Options.ClientCertificate] that shows the
// first of the given certificates that the receiver accepts. If it accepts none, no
// certificate is shown.
func Certificates(certificates ...tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	list := make([]*tls.Certificate, len(certificates))
	for i, c := range certificates {
		list[i] = &c
	}
	return func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		for _, c := range list {
			if asked.SupportsCertificate(c) == nil {
				return c, nil
			}
		}
		return nil, nil
	}
}

// newTLS returns a configuration without a server name.
func newTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    roots,
		NextProtos: []string{"http/1.1"}, // A server that insists on h2 then fails in the handshake.
	}
}

// handshakeConfig returns the configuration for a handshake with host. It stores an
// error of ClientCertificate in failed, since the receiver is not to blame for it.
func (e *Egress) handshakeConfig(host string, failed *error) *tls.Config {
	config := e.tls.Clone()
	config.ServerName = host
	if own := e.opts.ClientCertificate; own != nil {
		config.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c, err := own(asked)
			if err != nil {
				*failed = &fault{what: "client certificate", cause: err}
				return nil, err
			}
			if c == nil {
				c = new(tls.Certificate)
			}
			return c, nil
		}
	}
	return config
}
