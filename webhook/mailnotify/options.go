package mailnotify

import (
	"context"
	"crypto/x509"
	htmltemplate "html/template"
	"log/slog"
	texttemplate "text/template"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// AddressFunc returns the addresses that get a notice, as in RFC 5322, with or without
// a name. If it returns none, no mail is sent. After an error, the notice is tried
// again.
type AddressFunc func(ctx context.Context, n webhook.Notice) ([]string, error)

// Options configures a [Mailer].
type Options struct {
	// Port of the mail server. Defaults to 587, to 465 with ImplicitTLS, and to 25
	// with InsecurePlaintext.
	Port int

	// ImplicitTLS speaks TLS from the first byte on. Defaults to false: the
	// connection begins in the clear and must switch to TLS (STARTTLS) first. A
	// server that does not offer that gets no mail.
	ImplicitTLS bool

	// InsecurePlaintext sends mail in the clear, for a relay on the same machine. It
	// excludes a Username.
	InsecurePlaintext bool

	// RootCAs are the authorities that the server's certificate must come from.
	// Defaults to nil: those of the system.
	RootCAs *x509.CertPool

	// Username and Password log in, by SCRAM if the server knows it. Defaults to no
	// login.
	Username string
	Password string

	// Timeout bounds connecting and login, and then the sending. Notify's context
	// ends both too. Defaults to 20 seconds.
	Timeout time.Duration

	// GiveUpAfter is the age at which a notice is given up that the server refuses
	// for good. Defaults to 24 hours.
	GiveUpAfter time.Duration

	// Deliveries lists a webhook's deliveries, newest first, so that the mail can say
	// how the last ones failed. It is usually the method of [webhook.Service]. If it
	// fails, the mail has no such list. Defaults to nil: no list.
	Deliveries func(ctx context.Context, merchantID, webhookID string, q webhook.DeliveryQuery) (webhook.DeliveryPage, error)

	// PortalURL returns where the owner can look at the webhook and enable it: an
	// http or https URL, or nothing. Anything else is left out. Defaults to nil: no
	// link.
	PortalURL func(n webhook.Notice) string

	// Title is the name of the product, which begins each subject: with "Acme" it is "Acme:
	// Your webhook for example.com keeps failing". Defaults to none.
	Title string

	// Words are those of the package's own texts. Defaults to English.
	Words *words.Words

	// Subject, Text and HTML replace the package's own texts. Each is executed with a
	// [Data]. New tries them with each kind of notice. In a subject, control
	// characters become spaces, and it is cut after 200 characters. If HTML writes
	// nothing, the mail is text only.
	Subject *texttemplate.Template
	Text    *texttemplate.Template
	HTML    *htmltemplate.Template

	// Logger gets a line at error for each notice that is given up. Defaults to
	// discarding them.
	Logger *slog.Logger
}

func (o *Options) withDefaults() {
	if o.Port == 0 {
		switch {
		case o.ImplicitTLS:
			o.Port = 465
		case o.InsecurePlaintext:
			o.Port = 25
		default:
			o.Port = 587
		}
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.GiveUpAfter == 0 {
		o.GiveUpAfter = 24 * time.Hour
	}
	say := sayer{o.Words}
	if o.Subject == nil {
		o.Subject = say.text("subject.txt")
	}
	if o.Text == nil {
		o.Text = say.text("mail.txt", "news.txt")
	}
	if o.HTML == nil {
		o.HTML = say.html("mail.html", "news.txt")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
