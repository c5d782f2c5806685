package listen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/signer"
)

// Sender posts events to a receiver on this desk as a dispatcher does, once each, and
// prints what became of them.
type Sender struct {
	url     string
	wire    signer.Wire    // with all its names
	signer  *signer.Signer // nil: there is no secret
	printer *printer
	client  http.Client
}

// NewSender returns a Sender to a receiver's URL. Without a secret it signs nothing.
func NewSender(to, secret string, wire signer.Wire, out *terminal.Writer) (*Sender, error) {
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("--forward is no URL such as http://127.0.0.1:3000/webhooks")
	}
	s := &Sender{url: to, wire: wire.WithDefaults(), printer: &printer{out}, client: http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if secret == "" {
		return s, nil
	}
	key, err := signer.ParseSecret(secret)
	if err == nil {
		s.signer, err = signer.New(key)
	}
	if err != nil {
		return nil, fmt.Errorf("the secret cannot sign: %w; copy all of it, from whsec_ on, or choose one that the receiver has too", err)
	}
	return s, nil
}

// Greet says what is done from now on.
func (s *Sender) Greet() {
	text := "Handing on new events to " + terminal.Safe(s.url) + ".\n"
	if s.signer == nil {
		text += s.printer.Paint(terminal.Yellow, "There is no secret, so NOTHING IS SIGNED. Set WEBHOOK_SECRET to the one that the receiver has.") + "\n"
	}
	s.printer.Print(text + "\n")
}

// Note prints a remark.
func (s *Sender) Note(format string, args ...any) { s.printer.note(format, args...) }

// Message is what is sent of an event.
type Message struct {
	ContentType string
	Header      map[string]string // beside those of Send
	Body        []byte
}

// Send posts an event.
func (s *Sender) Send(ctx context.Context, id, eventType string, m Message) {
	body := m.Body
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		s.Note("%s: %v", id, err)
		return
	}
	at := time.Now()
	for name, value := range m.Header {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", m.ContentType)
	if s.wire.Event != "" {
		req.Header.Set(s.wire.Event, eventType)
	}
	req.Header.Set(signer.HeaderStandardID, id)
	req.Header.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(at.Unix(), 10))
	if s.signer != nil {
		if s.wire.Signature != "" {
			req.Header.Set(s.wire.Signature, string(s.signer.AppendUntimed(nil, body, s.wire.Untimed)))
		}
		req.Header.Set(signer.HeaderStandardSignature, string(s.signer.AppendStandard(nil, id, at, body)))
	}
	p := s.printer
	var outcome string
	if resp, err := s.client.Do(req); err != nil {
		outcome = p.Paint(terminal.Red, "not answered: "+err.Error())
	} else {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
		_ = resp.Body.Close() // The status is known.
		outcome = p.outcome(resp.StatusCode, true)
	}
	p.Print(fmt.Sprintf("%s  %s  %s\n  event     %s\n%s\n", at.Format(time.TimeOnly), p.Paint(terminal.Bold, eventType), outcome, terminal.Safe(id), indented(body)))
}
