package serve

import (
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// mailServer refuses addresses that begin with gone.
type mailServer struct {
	mu    sync.Mutex
	got   []string // to whom
	mails []string
}

// start returns the port of the running server, which offers no TLS.
func (s *mailServer) start(t *testing.T) (port string) {
	t.Helper()
	server := smtp.NewServer(s)
	server.Domain = "localhost"
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	_, port, err = net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port
}

func (s *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{server: s}, nil
}

type mailSession struct {
	server *mailServer
	to     string
}

func (*mailSession) Reset()                               {}
func (*mailSession) Logout() error                        { return nil }
func (*mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if strings.HasPrefix(to, "gone") {
		return &smtp.SMTPError{Code: 550, Message: "there is nobody of that name"}
	}
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.got, s.server.mails = append(s.server.got, s.to), append(s.server.mails, string(text))
	return err
}

// If the server refuses one address, the others get the mail, and get it once, although
// the refused one is tried again.
func TestMailGoesToSeveral(t *testing.T) {
	t.Parallel()
	server := &mailServer{}
	port := server.start(t)

	c, err := parse([]string{
		"-jwt-secret", secret, "-smtp-host", "127.0.0.1", "-smtp-port", port, "-mail-from", "Webhooks <a@example.com>",
		"-mail-to", `"On, call" <b@example.com>, gone@example.com,c@example.com`,
	}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, port, strconv.Itoa(c.mail.opts.Port))
	c.mail.opts.InsecurePlaintext = true
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	tell, err := c.mail.notices(svc, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	notice := webhook.Notice{ID: "n", MerchantID: "m", WebhookID: "whk_1", At: time.Now(), Kind: webhook.NoticeDisabled}
	for range 2 {
		require.ErrorContains(t, tell(t.Context(), notice), "1 of 3 addresses refused", "so it is tried again")
	}
	server.mu.Lock()
	got := slices.Sorted(slices.Values(server.got))
	server.mu.Unlock()
	require.Equal(t, []string{"b@example.com", "c@example.com"}, got)
	notice.At = time.Now().Add(-25 * time.Hour)
	require.NoError(t, tell(t.Context(), notice), "it is given up after a day")
}
