package mailnotify_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
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
	held   net.Listener   // keeps the port until the server starts or is away
	tls    *tls.Config    // nil: it knows no TLS
	roots  *x509.CertPool // who vouches for tls
	refuse func(to string) error

	mu     sync.Mutex
	mails  []received
	logins int
	came   chan struct{} // after each mail
}

// newPost makes a mail server that is not running yet.
func newPost(tb testing.TB) *post {
	tb.Helper()
	p, err := makePost()
	require.NoError(tb, err)
	tb.Cleanup(func() {
		if p.held != nil {
			_ = p.held.Close()
		}
	})
	return p
}

func makePost() (*post, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr, _ := l.Addr().(*net.TCPAddr)
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	p := &post{
		addr: addr.String(), port: addr.Port, held: l, roots: x509.NewCertPool(), came: make(chan struct{}, 1000),
		tls: &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12},
	}
	p.roots.AddCert(web.Certificate())
	return p, nil
}

// away makes the server's port refuse connections until it starts. Somebody else may
// take the port meanwhile.
func (p *post) away(tb testing.TB) *post {
	tb.Helper()
	require.NoError(tb, p.held.Close())
	p.held = nil
	return p
}

// start lets the server run, with TLS from the first byte if implicit is true.
func (p *post) start(tb testing.TB, implicit bool) *post {
	tb.Helper()
	stop, err := p.serve(implicit)
	require.NoError(tb, err)
	tb.Cleanup(stop)
	return p
}

func (p *post) serve(implicit bool) (stop func(), err error) {
	s := smtp.NewServer(p)
	s.Domain, s.ErrorLog, s.TLSConfig = "localhost", quiet{}, p.tls
	l := p.held
	p.held = nil
	if l == nil {
		if l, err = net.Listen("tcp", p.addr); err != nil {
			return nil, err
		}
	}
	if implicit {
		l = tls.NewListener(l, p.tls)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	return func() {
		_ = s.Close()
		<-served
	}, nil
}

// exampleServer is a mail server that runs until it is stopped.
func exampleServer() (*post, func()) {
	p, err := makePost()
	if err != nil {
		log.Fatal(err)
	}
	stop, err := p.serve(false)
	if err != nil {
		log.Fatal(err)
	}
	return p, stop
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
	header, parts, err := m.parse()
	require.NoError(t, err)
	subject, err = new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	require.NoError(t, err)
	return header, subject, parts["text/plain"], parts["text/html"]
}

// text is that of the mail, or nothing.
func (m received) text() string {
	_, parts, _ := m.parse()
	return parts["text/plain"]
}

func (m received) parse() (header mail.Header, parts map[string]string, err error) {
	msg, err := mail.ReadMessage(strings.NewReader(m.data))
	if err != nil {
		return nil, nil, err
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return nil, nil, err
	}
	if kind != "multipart/alternative" {
		body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
		return msg.Header, map[string]string{kind: unix(body)}, err
	}
	parts = map[string]string{}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return msg.Header, parts, nil
		}
		if err != nil {
			return nil, nil, err
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, nil, err
		}
		kind, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
		parts[kind] = unix(body)
	}
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
