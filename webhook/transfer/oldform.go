package transfer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/token"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// OldForm is how the sender that is to be replaced writes a test: which headers, which
// signature, which body. The zero OldForm is that of this module, without the headers of
// Standard Webhooks.
//
// As JSON it is a small file, in which names of members are those of the fields, in any
// letter case:
//
//	{
//		"wire": {"signature": "X-Shop-Signature", "untimed": {"noPrefix": true}, "userAgent": "Shop-Hooks/2.1"},
//		"headers": {"X-Shop-Version": "2"},
//		"body": {"kind":"ping","event_id":"{{id}}","at":"{{unix}}","payload":{"hello":"Zoë & <Co>"}}
//	}
//
// A body should hold characters that JSON writers write in different ways, such as those
// of this one: a receiver that parses it and writes it again is then found.
type OldForm struct {
	// Wire names the headers and the form of the signature. Headers that the old sender
	// did not have can be left in: no receiver looks at them.
	Wire signer.Wire `json:"wire"`

	// Standard says that the old sender sent the headers of Standard Webhooks, too. With
	// Wire.Svix they are there under the names of Svix as well.
	Standard bool `json:"standard"`

	// Headers are further headers by name, such as a second signature. In values,
	// {{hex}} and {{base64}} are the HMAC-SHA256 of the body with the webhook's secret,
	// and the names of Body are known. Host, Content-Length, Transfer-Encoding and Trailer
	// are HTTP's own and refused.
	Headers map[string]string `json:"headers"`

	// Body is the body, byte for byte, in which {{id}}, {{time}} (RFC 3339, in UTC),
	// {{unix}}, {{webhookId}} and {{merchantId}} are replaced. "{{unix}}" in quotes is a
	// number. Defaults to the webhook.test event of this module.
	Body json.RawMessage `json:"body"`
}

const defaultBody = `{"created":"{{time}}","data":{"message":"Déjà vu? <This> & that are signed ✓",` +
	`"timestamp":"{{time}}","webhookId":"{{webhookId}}"},"id":"{{id}}","type":"webhook.test"}`

// check lists what is wrong with f.
func (f *OldForm) check() error {
	bad := []error{f.Wire.Validate()}
	for name, value := range f.Headers {
		if !token.Valid(name) {
			bad = append(bad, fmt.Errorf("%q is not the name of a header", name))
		}
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer": // net/http sends none of these from a header
			bad = append(bad, fmt.Errorf("%s: cannot be chosen", name))
		}
		if !vault.ValidHeaderValue(value) {
			bad = append(bad, fmt.Errorf("%s: %s", name, vault.HeaderValueRule))
		}
	}
	if len(f.Body) > 0 && !json.Valid(f.Body) {
		bad = append(bad, errors.New("the body is not JSON"))
	}
	if err := errors.Join(bad...); err != nil {
		return fmt.Errorf("old form: %w", err)
	}
	return nil
}

// request writes a test for a webhook. Of a webhook with a private key, signatures that
// need a secret are left out.
func (f *OldForm) request(w *store.Webhook, opened vault.Opened, at time.Time) (http.Header, []byte, error) {
	key, _, own := opened()
	eventID := id.New("evt_test_")
	names := []string{
		`"{{unix}}"`, strconv.FormatInt(at.Unix(), 10), "{{unix}}", strconv.FormatInt(at.Unix(), 10), "{{id}}", eventID,
		"{{time}}", at.UTC().Format(time.RFC3339), "{{webhookId}}", w.ID, "{{merchantId}}", w.MerchantID,
	}
	body := []byte(strings.NewReplacer(names...).Replace(cmp.Or(string(bytes.TrimSpace(f.Body)), defaultBody)))
	h := http.Header{"Content-Type": {"application/json"}}
	for name, value := range own {
		set(h, name, value)
	}
	wire := f.Wire.WithDefaults()
	for name, value := range map[string]string{
		wire.Event: "webhook.test", wire.WebhookID: w.ID, wire.DeliveryID: id.New("whdel_"), "User-Agent": wire.UserAgent,
	} {
		set(h, name, value)
	}
	if !key.Secret.IsZero() {
		by, err := signer.New(key.Secret)
		if err != nil {
			return nil, nil, err
		}
		plain := signer.Untimed{NoPrefix: true, DecodedKey: wire.Untimed.DecodedKey}
		names = append(names, "{{hex}}", string(by.AppendUntimed(nil, body, plain)))
		plain.Base64 = true
		names = append(names, "{{base64}}", string(by.AppendUntimed(nil, body, plain)))
		set(h, wire.Signature, string(by.AppendUntimed(nil, body, wire.Untimed)))
		f.standard(h, by, eventID, at, body)
	}
	values := strings.NewReplacer(names...)
	for name, value := range f.Headers {
		if value = values.Replace(value); !strings.Contains(value, "{{hex}}") && !strings.Contains(value, "{{base64}}") {
			set(h, name, value)
		}
	}
	return h, body, nil
}

// standard adds the headers of Standard Webhooks.
func (f *OldForm) standard(h http.Header, by *signer.Signer, eventID string, at time.Time, body []byte) {
	var prefixes []string
	switch {
	case f.Standard && f.Wire.Svix:
		prefixes = []string{"webhook-", "svix-"}
	case f.Standard:
		prefixes = []string{"webhook-"}
	}
	for _, prefix := range prefixes {
		set(h, prefix+"id", eventID)
		set(h, prefix+"timestamp", strconv.FormatInt(at.Unix(), 10))
		set(h, prefix+"signature", string(by.AppendStandard(nil, eventID, at, body)))
	}
}

// set puts a header under its name as it is written. A later one takes the place of an
// earlier one with the same name; without a name there is none.
func set(h http.Header, name, value string) {
	for other := range h {
		if strings.EqualFold(other, name) {
			delete(h, other)
		}
	}
	if name != "" {
		h[name] = []string{value}
	}
}
