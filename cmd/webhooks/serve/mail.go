package serve

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	netmail "net/mail"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/mailnotify"
)

// mail is where notices go. A real service looks the owner of a webhook up; this one
// tells its operator of all of them.
type mail struct {
	host, from string
	to         []string
	opts       mailnotify.Options
}

func (m *mail) flags(fs *flag.FlagSet) {
	fs.StringVar(&m.host, "smtp-host", "", "mail `server` for notices of webhooks in trouble; none: they are logged only")
	fs.IntVar(&m.opts.Port, "smtp-port", 0, "its port (default 587, with STARTTLS)")
	fs.StringVar(&m.opts.Username, "smtp-user", "", "its login")
	fs.StringVar(&m.opts.Password, "smtp-password", "", "and password: set it in the environment")
	fs.StringVar(&m.from, "mail-from", "", "`address` that the mail is from")
	fs.Func("mail-to", "`addresses` that it is for, with commas; each gets a mail of its own", func(s string) error {
		m.to = nil
		list, err := netmail.ParseAddressList(s)
		if err != nil {
			return errors.New("is not a list of addresses")
		}
		for _, a := range list {
			m.to = append(m.to, a.String())
		}
		return nil
	})
}

// notices logs notices, and sends them if there is a mail server. If the server refuses
// one of several addresses, only that one is tried again, for a day. Then it is given
// up with a line in the log. See the guarantees of package mailnotify.
func (m *mail) notices(svc *webhook.Service, log *slog.Logger) (webhook.NoticeFunc, error) {
	logged := func(ctx context.Context, n webhook.Notice) error {
		log.WarnContext(ctx, "tell the owner of a webhook", slog.String("kind", string(n.Kind)), slog.String("merchant_id", n.MerchantID),
			slog.String("webhook_id", n.WebhookID), slog.Int("failures", n.Failures))
		return nil
	}
	if m.host == "" {
		return logged, nil
	}
	if m.from == "" || len(m.to) == 0 {
		return nil, errors.New("-smtp-host needs -mail-from and -mail-to")
	}
	m.opts.Deliveries, m.opts.Logger = svc.Deliveries, log
	mailer, err := mailnotify.New(m.host, m.from, func(context.Context, webhook.Notice) ([]string, error) {
		return m.to, nil
	}, &m.opts)
	if err != nil {
		return nil, err
	}
	return webhook.NoticeFuncs(mailer.Notify, logged), nil
}
