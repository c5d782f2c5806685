package mailnotify_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/mailnotify"
)

const password = "correct horse"

// received is a mail as the server got it.
type received struct {
	from string
	to   []string
	user string
	tls  bool
	data string
}

// post is a mail server in this process.
type post struct {
	addr   string
	port   int
	tls    *tls.Config    // nil: it knows no TLS
	roots  *x509.CertPool // who vouches for tls
	server *smtp.Server
	refuse func(to string) error

	mu     sync.Mutex
	mails  []received
	logins int
	came   chan struct{} // after each mail
}

// newPost makes a mail server that is not running yet.
func newPost(tb testing.TB) *post {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it only reserves a port
	require.NoError(tb, err)
	addr, _ := l.Addr().(*net.TCPAddr)
	require.NoError(tb, l.Close())
	web := httptest.NewTLSServer(nil) // for its certificate
	tb.Cleanup(web.Close)
	p := &post{addr: addr.String(), port: addr.Port, tls: &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}, roots: x509.NewCertPool(), came: make(chan struct{}, 1000)}
	p.roots.AddCert(web.Certificate())
	return p
}

// start lets the server run, with TLS from the first byte if implicit is true.
func (p *post) start(tb testing.TB, implicit bool) *post {
	tb.Helper()
	p.server = smtp.NewServer(p)
	p.server.Domain, p.server.ErrorLog = "localhost", quiet{}
	p.server.TLSConfig = p.tls
	l, err := net.Listen("tcp", p.addr) //nolint:noctx // the server closes it
	require.NoError(tb, err)
	if implicit {
		l = tls.NewListener(l, p.tls)
	}
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(l) }()
	tb.Cleanup(func() {
		require.NoError(tb, p.server.Close())
		<-served
	})
	return p
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// got returns all mails so far.
func (p *post) got() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]received(nil), p.mails...)
}

func (p *post) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, secure := c.TLSConnectionState()
	return &session{post: p, mail: received{tls: secure}}, nil
}

type session struct {
	post *post
	mail received
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, pass string) error {
		s.post.mu.Lock()
		s.post.logins++
		s.post.mu.Unlock()
		if pass != password {
			return smtp.ErrAuthFailed
		}
		s.mail.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.post.refuse != nil {
		if err := s.post.refuse(to); err != nil {
			return err
		}
	}
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.data = string(data)
	s.post.mu.Lock()
	s.post.mails = append(s.post.mails, s.mail)
	s.post.mu.Unlock()
	s.post.came <- struct{}{}
	return nil
}

func (s *session) Reset()        { s.mail.to = nil }
func (s *session) Logout() error { return nil }

// refusing refuses addresses that begin so.
func refusing(code int, prefix string) func(string) error {
	return func(to string) error {
		if strings.HasPrefix(to, prefix) {
			return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "no thanks, " + to}
		}
		return nil
	}
}

// read takes a mail apart.
func (m received) read(t *testing.T) (header mail.Header, subject, text, html string) {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(m.data))
	require.NoError(t, err)
	subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	require.NoError(t, err)
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	require.NoError(t, err)
	if kind == "text/plain" {
		body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
		require.NoError(t, err)
		return msg.Header, subject, unix(body), ""
	}
	require.Equal(t, "multipart/alternative", kind)
	parts := map[string]string{}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		body, err := io.ReadAll(p)
		require.NoError(t, err)
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, "UTF-8", params["charset"])
		parts[kind] = unix(body)
	}
	require.Len(t, parts, 2)
	return msg.Header, subject, parts["text/plain"], parts["text/html"]
}

func unix(body []byte) string { return strings.ReplaceAll(string(body), "\r\n", "\n") }

// mailer sends to the server as o says, beside what leads to the server.
func (p *post) mailer(t *testing.T, to mailnotify.AddressFunc, o mailnotify.Options) *mailnotify.Mailer {
	t.Helper()
	o.Port = p.port
	if o.RootCAs == nil && !o.InsecurePlaintext {
		o.RootCAs = p.roots
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	m, err := mailnotify.New("127.0.0.1", "Webhooks <webhooks@example.com>", to, &o)
	require.NoError(t, err)
	return m
}

// emptyRoots vouches for nobody.
func (p *post) emptyRoots() *x509.CertPool { return x509.NewCertPool() }

// owner is an address with a name.
func owner(name string) string { return fmt.Sprintf("Owner of %q <%s@example.com>", name, name) }
