package webhooktest

import (
	"bytes"
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
	if err != nil {
		tb.Fatalf("webhooktest: request: %v", err)
	}
	sent, err := shaped(opts.Shape, e)
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
	for key, value := range map[string]string{
		"Content-Type":                 sent.ContentType,
		"User-Agent":                   webhook.DefaultUserAgent,
		signer.HeaderEvent:             string(e.Type),
		signer.HeaderWebhookID:         opts.WebhookID,
		signer.HeaderDeliveryID:        opts.DeliveryID,
		signer.HeaderStandardID:        e.ID,
		signer.HeaderStandardTimestamp: strconv.FormatInt(opts.At.Unix(), 10),
		signer.HeaderStandardSignature: string(s.AppendStandard(nil, e.ID, opts.At, body)),
	} {
		r.Header.Set(key, value)
	}
	if signature := s.AppendSignature(nil, body); len(signature) > 0 {
		r.Header.Set(signer.HeaderSignature, string(signature))
	}
	return r
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
