package mailnotify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/internal/hidden"
	"github.com/rag-assistant/webhooks/webhook"
)

// Mailer sends notices as mail. It is safe for concurrent use, and keeps no
// connection.
type Mailer struct {
	host     string
	from     mail.Address
	address  AddressFunc
	opts     Options // without the password
	password hidden.Value[string]
	sent     sentTo
}

// New returns a Mailer that sends over the mail server at host, in the name of from,
// an address as in RFC 5322. A nil o is the default. New connects to nothing.
func New(host, from string, address AddressFunc, o *Options) (*Mailer, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.withDefaults()
	bad := opts.check()
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad = append(bad, errors.New("the host is not a host name"))
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		bad = append(bad, errors.New("from is not an address"))
		sender = &mail.Address{}
	}
	if address == nil {
		bad = append(bad, errors.New("there is no function that knows addresses"))
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("mailnotify: new: %w", err)
	}
	password := hidden.Of("***", opts.Password)
	opts.Password = ""
	return &Mailer{host: host, from: *sender, address: address, opts: opts, password: password}, nil
}

// check returns what is wrong with the options.
func (o *Options) check() (bad []error) {
	if o.Port < 1 || o.Port > 65535 {
		bad = append(bad, errors.New("the port is not one"))
	}
	if o.ImplicitTLS && o.InsecurePlaintext {
		bad = append(bad, errors.New("ImplicitTLS and InsecurePlaintext exclude each other"))
	}
	if o.InsecurePlaintext && o.Username != "" {
		bad = append(bad, errors.New("a password is not sent in the clear: InsecurePlaintext and Username exclude each other"))
	}
	if (o.Username == "") != (o.Password == "") {
		bad = append(bad, errors.New("a username and a password go together"))
	}
	if o.Timeout < 0 || o.GiveUpAfter < 0 {
		bad = append(bad, errors.New("a time must not be negative"))
	}
	sample := Data{
		MerchantID: "merchant_42", WebhookID: "whk_1", URL: "https://example.com/", Name: "example.com", Failures: 5, DisableAfter: 10,
		Last: []Failure{{EventType: "document.created", What: sayer{o.Words}.inWords(webhook.CodeTimeout, 0)}}, Link: "https://example.com/",
	}
	for _, sample.Kind = range []webhook.NoticeKind{webhook.NoticeDisabled, webhook.NoticeWarning, webhook.NoticeRecovered, webhook.NoticeMoved, webhook.NoticeCrowded, webhook.NoticeEnabled} {
		switch c, err := o.write(sample); {
		case err != nil:
			return append(bad, err)
		case c.subject == "" || c.text == "":
			return append(bad, fmt.Errorf("the templates have nothing to say of kind %s", sample.Kind))
		}
	}
	return bad
}

// Notify sends a mail to each address of the webhook's owner. It is meant for
// [webhook.DispatcherOptions.OnNotice]. It returns an error as long as it makes sense
// to try again.
func (m *Mailer) Notify(ctx context.Context, n webhook.Notice) error {
	addresses, err := m.address(ctx, n)
	if err != nil {
		return fmt.Errorf("mailnotify: notify: addresses: %w", err)
	}
	key := n.MerchantID + "|" + n.ID
	var to []*mail.Address
	refused, code := 0, 0
	for _, a := range addresses {
		parsed, err := mail.ParseAddress(a)
		switch {
		case err != nil:
			refused++
		case !m.sent.has(key, parsed.Address) && !slices.ContainsFunc(to, func(o *mail.Address) bool { return o.Address == parsed.Address }):
			to = append(to, parsed)
		}
	}
	if len(to) > 0 {
		c, err := m.opts.write(m.data(ctx, n))
		if err != nil {
			return fmt.Errorf("mailnotify: notify: %w", err)
		}
		var retry error
		for i, err := range m.send(ctx, m.messageID(key), to, c) {
			switch no, ok := errors.AsType[*refusal](err); {
			case err == nil:
				m.sent.add(key, to[i].Address)
			case ok && no.code >= 500:
				refused, code = refused+1, no.code
			default:
				retry = err
			}
		}
		if retry != nil {
			return fmt.Errorf("mailnotify: notify: %w", retry)
		}
	}
	if refused > 0 && time.Since(n.At) < m.opts.GiveUpAfter {
		return fmt.Errorf("mailnotify: notify: %d of %d addresses refused for now, with code %d", refused, len(addresses), code)
	}
	if refused > 0 {
		m.opts.Logger.LogAttrs(ctx, slog.LevelError, "mail about a webhook given up: addresses refused",
			slog.String("merchant_id", n.MerchantID), slog.String("webhook_id", n.WebhookID), slog.String("kind", string(n.Kind)),
			slog.Int("refused", refused), slog.Int("addresses", len(addresses)), slog.Int("code", code))
	}
	return nil
}

// messageID is the same for every repeat of a notice.
func (m *Mailer) messageID(key string) string {
	sum := sha256.Sum256([]byte(key))
	_, domain, _ := strings.Cut(m.from.Address, "@")
	return "notice." + hex.EncodeToString(sum[:16]) + "@" + domain
}
