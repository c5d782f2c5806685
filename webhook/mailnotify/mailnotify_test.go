package mailnotify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"log/slog"
	"net"
	"strings"
	"testing"
	texttemplate "text/template"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/mailnotify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// to returns the same addresses for every notice.
func to(addresses ...string) mailnotify.AddressFunc {
	return func(context.Context, webhook.Notice) ([]string, error) { return addresses, nil }
}

// notice is one of now.
func notice(kind webhook.NoticeKind) webhook.Notice {
	return webhook.Notice{
		ID: "ntc_" + string(kind), Kind: kind, MerchantID: "merchant_42", WebhookID: "whk_1",
		URL: "https://me:s3cret@example.com/hooks?token=s3cret", Failures: 10, DisableAfter: 10, Since: time.Now().Add(-time.Hour), At: time.Now(),
	}
}

func TestSecureConnections(t *testing.T) {
	t.Parallel()
	login := mailnotify.Options{Username: "webhooks", Password: password}
	for _, tt := range []struct {
		name     string
		implicit bool
		noTLS    bool
		o        mailnotify.Options
		want     received
		says     string
	}{
		{name: "STARTTLS and a login", o: login, want: received{user: "webhooks", tls: true}},
		{name: "STARTTLS and no login", want: received{tls: true}},
		{name: "TLS and a login", implicit: true, o: mailnotify.Options{ImplicitTLS: true, Username: "webhooks", Password: password}, want: received{user: "webhooks", tls: true}},
		{name: "plaintext", noTLS: true, o: mailnotify.Options{InsecurePlaintext: true}},
		{name: "no STARTTLS", noTLS: true, o: login, says: "does not support STARTTLS"},
		{name: "wrong password", o: mailnotify.Options{Username: "webhooks", Password: "wrong-horse"}, says: "535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t)
			roots := p.roots
			if tt.noTLS {
				p.tls = nil
			}
			p.start(t, tt.implicit)
			tt.o.RootCAs = roots
			err := p.mailer(t, to(owner("a")), tt.o).Notify(t.Context(), notice(webhook.NoticeDisabled))
			if tt.says != "" {
				require.ErrorContains(t, err, tt.says)
				require.NotContains(t, err.Error(), "horse")
				require.Empty(t, p.got())
				if tt.noTLS {
					require.Zero(t, p.logins, "no password in the clear")
				}
				return
			}
			require.NoError(t, err)
			tt.want.from, tt.want.to = "webhooks@example.com", []string{"a@example.com"}
			got := p.got()
			require.Len(t, got, 1)
			tt.want.data = got[0].data
			require.Equal(t, tt.want, got[0])
		})
	}
	t.Run("somebody else's certificate", func(t *testing.T) {
		t.Parallel()
		p, other := newPost(t).start(t, false), newPost(t).away(t)
		err := p.mailer(t, to(owner("a")), mailnotify.Options{RootCAs: other.emptyRoots()}).Notify(t.Context(), notice(webhook.NoticeDisabled))
		require.ErrorContains(t, err, "certificate")
		require.Empty(t, p.got())
	})
}

func TestAMailerDoesNotShowItsPassword(t *testing.T) {
	t.Parallel()
	m := newPost(t).away(t).mailer(t, to(), mailnotify.Options{Username: "webhooks", Password: password})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, m), password)
		require.NotContains(t, fmt.Sprintf(verb, struct{ m *mailnotify.Mailer }{m}), password)
	}
}

func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	p := newPost(t).away(t)
	require.NoError(t, p.mailer(t, to(), mailnotify.Options{}).Notify(t.Context(), notice(webhook.NoticeDisabled)))
	broken := func(context.Context, webhook.Notice) ([]string, error) { return nil, errors.New("no database") }
	require.ErrorContains(t, p.mailer(t, broken, mailnotify.Options{}).Notify(t.Context(), notice(webhook.NoticeDisabled)), "no database")
}

func TestRepeatsCanBeRecognised(t *testing.T) {
	t.Parallel()
	p := newPost(t).start(t, false)
	for _, n := range []webhook.Notice{notice(webhook.NoticeDisabled), notice(webhook.NoticeDisabled), notice(webhook.NoticeWarning)} {
		require.NoError(t, p.mailer(t, to(owner("a"), owner("a")), mailnotify.Options{}).Notify(t.Context(), n))
	}
	var ids []string
	for _, m := range p.got() {
		header, _, _, _ := m.read(t)
		ids = append(ids, header.Get("Message-ID"))
	}
	require.Len(t, ids, 3, "one mail each")
	require.Equal(t, ids[0], ids[1])
	require.NotEqual(t, ids[0], ids[2])
	require.Regexp(t, `^<notice\.[0-9a-f]{32}@example\.com>$`, ids[0])
}

func TestRefusedAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		code  int
		age   time.Duration
		again bool
	}{
		{"for good", 550, time.Hour, true},
		{"for good, and old", 550, 25 * time.Hour, false},
		{"for now", 451, time.Hour, true},
		{"for now, and old", 451, 25 * time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t)
			p.refuse = refusing(tt.code, "gone")
			p.start(t, false)
			var logs bytes.Buffer
			m := p.mailer(t, to(owner("gone"), owner("a"), owner("b")), mailnotify.Options{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
			n := notice(webhook.NoticeDisabled)
			n.At = n.At.Add(-tt.age)
			err := m.Notify(t.Context(), n)
			require.Len(t, p.got(), 2, "the others get it")
			if tt.again {
				require.Error(t, err)
				require.NotContains(t, err.Error(), "gone@")
				require.Empty(t, logs.String())
				p.refuse = nil
				require.NoError(t, m.Notify(t.Context(), n))
				require.Len(t, p.got(), 3, "and not again")
				require.Equal(t, []string{"gone@example.com"}, p.got()[2].to)
				return
			}
			require.NoError(t, err)
			require.Contains(t, logs.String(), "refused=1 addresses=3 code=550")
			require.NotContains(t, logs.String(), "gone@")
		})
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	p := newPost(t).start(t, false)
	m := p.mailer(t, to("a@example.com\r\nBcc: b@example.com", "", owner("c")), mailnotify.Options{})
	n := notice(webhook.NoticeWarning)
	require.ErrorContains(t, m.Notify(t.Context(), n), "2 of 3")
	n.At = n.At.Add(-48 * time.Hour)
	require.NoError(t, m.Notify(t.Context(), n))
	require.Len(t, p.got(), 1)
	require.Equal(t, []string{"c@example.com"}, p.got()[0].to)
}

// mute returns the port of a server that accepts connections and says nothing. It
// sends on connected for each.
func mute(t *testing.T) (port int, connected <-chan struct{}) {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	came := make(chan struct{}, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			came <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		<-ended
	})
	return l.Addr().(*net.TCPAddr).Port, came //nolint:forcetypeassert // of a TCP listener
}

func TestAServerThatHangs(t *testing.T) {
	t.Parallel()
	port, _ := mute(t)
	m, err := mailnotify.New("127.0.0.1", "a@example.com", to(owner("a")), &mailnotify.Options{Port: port, Timeout: 50 * time.Millisecond})
	require.NoError(t, err)
	// On a busy machine, even connecting may take that long.
	timeout, ok := errors.AsType[net.Error](m.Notify(t.Context(), notice(webhook.NoticeDisabled)))
	require.True(t, ok && timeout.Timeout())
}

func TestAStopDoesNotWaitForAServer(t *testing.T) {
	t.Parallel()
	port, connected := mute(t)
	m, err := mailnotify.New("127.0.0.1", "a@example.com", to(owner("a")), &mailnotify.Options{Port: port, Timeout: time.Hour})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-connected
		stop()
	}()
	require.ErrorIs(t, m.Notify(ctx, notice(webhook.NoticeDisabled)), context.Canceled)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, host, from string
		to               mailnotify.AddressFunc
		o                *mailnotify.Options
		says             []string
	}{
		{"least", "smtp.example.com", "a@example.com", to(), nil, nil},
		{"nothing", "", "", nil, nil, []string{"host", "from", "function"}},
		{"line break in the host", "a\r\nb", "a@example.com", to(), nil, []string{"host"}},
		{"line break in from", "a", "a@example.com\r\nBcc: b@example.com", to(), nil, []string{"from"}},
		{"all of it", "a", "a@example.com", to(), &mailnotify.Options{
			Port: 70000, ImplicitTLS: true, InsecurePlaintext: true, Username: "u", Timeout: -1,
		}, []string{"port", "exclude", "clear", "together", "negative"}},
		{"template", "a", "a@example.com", to(), &mailnotify.Options{
			Text: texttemplate.Must(texttemplate.New("").Parse("{{.Nothing}}")),
		}, []string{"text"}},
		{"silent template", "a", "a@example.com", to(), &mailnotify.Options{
			Subject: texttemplate.Must(texttemplate.New("").Parse("{{if eq .Kind \"warning\"}}Trouble{{end}}")),
		}, []string{"nothing to say of kind disabled"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := mailnotify.New(tt.host, tt.from, tt.to, tt.o)
			if tt.says == nil {
				require.NoError(t, err)
			}
			for _, s := range tt.says {
				require.ErrorContains(t, err, s)
			}
		})
	}
}

func TestOwnTemplates(t *testing.T) {
	t.Parallel()
	p := newPost(t).start(t, false)
	m := p.mailer(t, to(owner("a")), mailnotify.Options{
		Subject: texttemplate.Must(texttemplate.New("").Parse("Störung: {{.MerchantID}}")),
		Text:    texttemplate.Must(texttemplate.New("").Parse("{{.Failures}} Fehler")),
		HTML:    htmltemplate.Must(htmltemplate.New("").Parse("")),
	})
	n := notice(webhook.NoticeDisabled)
	n.MerchantID = "m\r\nBcc: evil@example.com\r\n\r\n" + strings.Repeat("ö", 300)
	require.NoError(t, m.Notify(t.Context(), n))
	header, subject, text, html := p.got()[0].read(t)
	require.Equal(t, "Störung: m Bcc: evil@example.com "+strings.Repeat("ö", 200-33), subject)
	require.Equal(t, "10 Fehler\n", text)
	require.Empty(t, html)
	require.Empty(t, header.Get("Bcc"))
	require.Equal(t, []string{"a@example.com"}, p.got()[0].to)
}
