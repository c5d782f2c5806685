package mailnotify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"

	gomail "github.com/wneessen/go-mail"
)

// refusal is a server's refusal, without its text, which may repeat an address.
type refusal struct {
	doing string
	code  int
}

func (r *refusal) Error() string { return fmt.Sprintf("mail server answers %d to %s", r.code, r.doing) }

// send hands the server a mail for each address, and returns an error or nil for each.
func (m *Mailer) send(ctx context.Context, messageID string, to []*mail.Address, c content) []error {
	out := make([]error, len(to))
	all := func(err error) []error {
		for i := range out {
			out[i] = err
		}
		return out
	}
	ctx, cancel := context.WithCancel(ctx) // Its end closes the connection: see connect.
	defer cancel()
	client, err := m.client(m.connect(ctx), to)
	if err != nil {
		return all(err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return all(withoutWords(ctx, "connecting", err))
	}
	for i, a := range to {
		msg := m.message(messageID, a, c)
		if err := client.SendWithSMTPClient(session, msg); err != nil && !msg.IsDelivered() {
			out[i] = withoutWords(ctx, "a mail", err)
		}
	}
	_ = client.CloseWithSMTPClient(session) // The mails are sent already.
	return out
}

// client makes a client for one session.
func (m *Mailer) client(dial gomail.DialContextFunc, to []*mail.Address) (*gomail.Client, error) {
	opts := []gomail.Option{
		gomail.WithPort(m.opts.Port), gomail.WithTimeout(m.opts.Timeout), gomail.WithTLSConfig(m.tls()),
		gomail.WithDialContextFunc(dial), gomail.WithTLSPolicy(gomail.TLSMandatory),
	}
	switch {
	case m.opts.ImplicitTLS:
		opts = append(opts, gomail.WithSSL())
	case m.opts.InsecurePlaintext:
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if m.opts.Username != "" {
		opts = append(opts, gomail.WithUsername(m.opts.Username), gomail.WithPassword(m.password.Reveal()),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	ascii := isASCII(m.from.Address)
	for _, a := range to {
		ascii = ascii && isASCII(a.Address)
	}
	if ascii { // The owner's server may not know SMTPUTF8, so use it only where needed.
		opts = append(opts, gomail.WithoutSMTPUTF8())
	}
	client, err := gomail.NewClient(m.host, opts...)
	if err != nil {
		return nil, fmt.Errorf("mail client: %w", err)
	}
	return client, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func (m *Mailer) tls() *tls.Config {
	return &tls.Config{ServerName: m.host, RootCAs: m.opts.RootCAs, MinVersion: tls.VersionTLS12}
}

// message writes a mail to one address.
func (m *Mailer) message(id string, to *mail.Address, c content) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from := m.from
	msg.FromMailAddress(&from)
	msg.ToMailAddress(to)
	msg.SetMessageIDWithValue(id)
	msg.SetDate()
	msg.Subject(c.subject)
	// Asks machines not to answer (RFC 3834).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, c.text)
	if c.html != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, c.html)
	}
	return msg
}

// withoutWords returns err with the code of the server's answer, but not its text.
func withoutWords(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // The dialer has closed the connection.
	}
	if sending, ok := errors.AsType[*gomail.SendError](err); ok {
		if code := sending.ErrorCode(); code >= 400 {
			return &refusal{doing: sending.Reason.String(), code: code}
		}
		return fmt.Errorf("mail server: %s failed", sending.Reason)
	}
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		// The server refused the login. That is our fault and can be mended, so it is no
		// refusal, which would be given up.
		return fmt.Errorf("mail server answers %d to %s", answer.Code, doing)
	}
	return fmt.Errorf("mail server: %s: %w", doing, err)
}

// connect returns a function that connects. The connection is closed when the context
// session ends, even if the client is waiting for the server.
func (m *Mailer) connect(session context.Context) gomail.DialContextFunc {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		if m.opts.ImplicitTLS {
			conn, err = (&tls.Dialer{Config: m.tls()}).DialContext(ctx, network, addr)
		} else {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
		}
		if err != nil {
			return nil, err
		}
		context.AfterFunc(session, func() { _ = conn.Close() })
		return conn, nil
	}
}
