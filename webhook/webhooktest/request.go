package webhooktest

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
)

// RequestOptions are the optional settings of a [Request].
type RequestOptions struct {
	// Target is the URL or path that the request is for. Defaults to "/".
	Target string

	// At is when the request is signed. Defaults to now.
	At time.Time

	// WebhookID is the endpoint's id. Defaults to a new one.
	WebhookID string

	// DeliveryID is the delivery's id. Defaults to a new one.
	DeliveryID string

	// Wire is what the sender calls its headers, and how it signs. Defaults to
	// X-Webhook-Signature and so on.
	Wire signer.Wire

	// Encoding is how the body is written: see [webhook.Encoding]. Defaults to
	// [webhook.EncodingStandard].
	Encoding webhook.Encoding

	// Shape is that of the sender's catalog. Defaults to nil, as in [event.Catalog.WithShape].
	Shape event.Shape
}

func (o *RequestOptions) withDefaults() RequestOptions {
	var opts RequestOptions
	if o != nil {
		opts = *o
	}
	opts.Wire = opts.Wire.WithDefaults()
	if opts.Target == "" {
		opts.Target = "/"
	}
	if opts.At.IsZero() {
		opts.At = time.Now()
	}
	if opts.WebhookID == "" {
		opts.WebhookID = id.New("whk_")
	}
	if opts.DeliveryID == "" {
		opts.DeliveryID = id.New("whdel_")
	}
	return opts
}

// Request returns the request with which a dispatcher delivers e, for a handler's
// ServeHTTP. It has the same body and the same headers, with both signatures of
// secret. With a private key, "whsk_…", in place of the secret, it has the asymmetric
// signature only. If e has no ID, it gets a new one; if it has no Created, it gets the
// time of signing. A nil o is the default. Request fails the test if e or secret
// cannot be used.
func Request(tb testing.TB, secret string, e event.Event, o *RequestOptions) *http.Request {
	tb.Helper()
	opts := o.withDefaults()
	if e.ID == "" {
		e.ID = id.New("evt_")
	}
	if e.Created.IsZero() {
		e.Created = opts.At
	}
	s, err := newSigner(secret)
	if err = errors.Join(err, opts.Wire.Validate()); err != nil {
		tb.Fatalf("webhooktest: request: %v", err)
	}
	sent, err := shaped(opts.Shape, opts.Wire, e)
	if err != nil {
		tb.Fatalf("webhooktest: request: %v", err)
	}
	body := sent.Body
	if shape.IsJSON(sent.ContentType) {
		body = jcs.Encode(body, jcs.Encoding(opts.Encoding))
	}
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, opts.Target, bytes.NewReader(body))
	for name, value := range sent.Header {
		r.Header.Set(name, value)
	}
	opts.setHeaders(r.Header, s, e, sent.ContentType, body)
	return r
}

func (o *RequestOptions) setHeaders(h http.Header, s *signer.Signer, e event.Event, contentType string, body []byte) {
	timestamp, standard := strconv.FormatInt(o.At.Unix(), 10), string(s.AppendStandard(nil, e.ID, o.At, body))
	for _, f := range [][2]string{
		{"Content-Type", contentType},
		{"User-Agent", o.Wire.UserAgent},
		{o.Wire.Signature, string(s.AppendUntimed(nil, body, o.Wire.Untimed))},
		{o.Wire.Event, string(e.Type)},
		{o.Wire.WebhookID, o.WebhookID},
		{o.Wire.DeliveryID, o.DeliveryID},
		{signer.HeaderStandardID, e.ID},
		{signer.HeaderStandardTimestamp, timestamp},
		{signer.HeaderStandardSignature, standard},
	} {
		if f[0] != "" && f[1] != "" {
			h.Set(f[0], f[1])
		}
	}
	if o.Wire.Svix {
		h.Set("svix-id", e.ID)
		h.Set("svix-timestamp", timestamp)
		h.Set("svix-signature", standard)
	}
}

func newSigner(text string) (*signer.Signer, error) {
	if strings.HasPrefix(text, "whsk_") {
		key, err := signer.ParsePrivateKey(text)
		if err != nil {
			return nil, err
		}
		return signer.NewAsymmetric(key)
	}
	secret, err := signer.ParseSecret(text)
	if err != nil {
		return nil, err
	}
	return signer.New(secret)
}
