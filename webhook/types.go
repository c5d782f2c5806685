package webhook

import (
	"encoding/json"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// Status of a webhook: [Active] or [Disabled].
type Status = store.Status

// A webhook receives events or is paused.
const (
	Active   = store.Active
	Disabled = store.Disabled
)

// EveryType in [Registration.Events], alone, subscribes to all event types.
const EveryType = store.EveryType

// A delivery is pending until it ends one way or the other.
const (
	DeliveryPending   = store.DeliveryPending
	DeliverySucceeded = store.DeliverySucceeded
	DeliveryFailed    = store.DeliveryFailed
)

// Why an attempt failed. The codes are fixed: they say enough to mend an
// endpoint and nothing about the network that the request came from.
const (
	CodeTimeout         = string(egress.CodeTimeout)        // no status within the time
	CodeDNS             = string(egress.CodeDNS)            // the host's name did not resolve
	CodeBlockedAddress  = string(egress.CodeBlockedAddress) // the name resolves to an address that is not public
	CodeConnect         = string(egress.CodeConnect)        // nothing accepts connections there
	CodeConnection      = string(egress.CodeConnection)     // the connection broke off
	CodeTLS             = string(egress.CodeTLS)            // certificate or TLS version
	CodeBadResponse     = string(egress.CodeBadResponse)    // not an HTTP response
	CodeStatus          = "status"                          // a status other than 2xx
	CodeRedirect        = "redirect"                        // a 3xx; redirects are not followed
	CodeWebhookDisabled = "webhook_disabled"                // the webhook stayed disabled until retention's end
	CodeInternal        = "internal"                        // this side's fault
)

// Reasons that [Webhook.DisabledReason] gives.
const (
	ReasonFailures = "consecutive_failures" // by the dispatcher
	ReasonRequest  = "requested"            // by Update
)

// Encoding says how the bodies for a webhook are written. Each is a function of
// the same canonical JSON (RFC 8785), applied before signing, and a receiver
// that verifies the raw bytes accepts all three.
type Encoding string

// The default suits receivers that verify raw bytes, and those that parse and
// write JSON again in Node.js or Ruby. The others are for receivers that write
// it again in another way.
const (
	EncodingStandard = Encoding(jcs.Standard) // raw UTF-8
	EncodingASCII    = Encoding(jcs.ASCII)    // every other character as \uxxxx: Python's json.dumps, PHP's json_encode
	EncodingHTML     = Encoding(jcs.HTML)     // < > & as \u003c and so on: Go's json.Marshal
)

// Scheme says how requests to a webhook are signed.
type Scheme string

// A secret that both sides have makes the guide's signature and that of Standard
// Webhooks, v1. A private key of this side makes v1a alone (ed25519), and the
// receiver needs the public key only, which is nothing to hide.
const (
	SchemeSecret     Scheme = "v1"
	SchemeAsymmetric Scheme = "v1a"
)

// schemeOf is the scheme of a sealed key.
func schemeOf(sealed string) Scheme {
	if vault.PublicKey(sealed) != "" {
		return SchemeAsymmetric
	}
	return SchemeSecret
}

// Webhook is a registered endpoint, without its secret and the values of its
// headers.
type Webhook struct {
	ID         string
	MerchantID string
	URL        string
	Events     []string // event types, or "*" alone for all
	Status     Status
	Encoding   Encoding

	Signature Scheme
	// PublicKey, "whpk_…", verifies what is signed with [SchemeAsymmetric], and
	// PreviousPublicKey what the key before it signs until RotatedUntil. Empty in a
	// webhook with a secret.
	PublicKey, PreviousPublicKey string

	Description string
	Metadata    map[string]string
	HeaderNames []string // sorted
	RateLimit   int      // deliveries per second; 0: no limit

	DisabledReason      string // empty while active
	DisabledAt          time.Time
	ConsecutiveFailures int

	// RotatedUntil is when the previous secret or key ends, zero if there is none.
	RotatedUntil time.Time

	Version   int64 // for Update.IfVersion
	CreatedAt time.Time
	UpdatedAt time.Time
}

func newWebhook(w store.Webhook) Webhook {
	return Webhook{
		Signature: schemeOf(w.Secret), PublicKey: vault.PublicKey(w.Secret), PreviousPublicKey: vault.PublicKey(w.PreviousSecret),
		ID: w.ID, MerchantID: w.MerchantID, URL: w.URL, Events: w.Events, Status: w.Status,
		Encoding:    Encoding(w.Encoding),
		Description: w.Description, Metadata: w.Metadata, HeaderNames: vault.HeaderNames(w.Headers), RateLimit: w.RateLimit,
		DisabledReason: w.DisabledReason, DisabledAt: w.DisabledAt, ConsecutiveFailures: w.ConsecutiveFailures,
		RotatedUntil: w.PreviousUntil,
		Version:      w.Version, CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt,
	}
}

// Registration is what a merchant asks for.
type Registration struct {
	URL      string
	Events   []string
	Encoding Encoding // empty: [EncodingStandard]

	// Signature is how requests are signed, for as long as the webhook is there.
	// Defaults to [SchemeSecret].
	Signature Scheme

	// Description is a note of at most 512 characters, none of them a control
	// character.
	Description string

	// Metadata are up to 20 notes of the merchant's own: keys of 1 to 64
	// characters, values of up to 512.
	Metadata map[string]string

	// Headers go along with each request, at most 20. Names are tokens of up to 64
	// characters that neither the sender nor HTTP uses itself, values visible ASCII
	// of up to 1,024, with spaces and tabs only between.
	Headers Headers

	// RateLimit is how many deliveries are sent per second, over all dispatchers, up
	// to [MaxRateLimit]. Retries and tests count. After a pause, those of one second
	// may go out at once. Defaults to no limit.
	RateLimit int
}

// Registered is a new webhook and the only sight of its secret, if it has one.
type Registered struct {
	Webhook Webhook
	Secret  signer.Secret // zero if it has a public key
}

// Update says what to change. Nil fields stay as they are.
type Update struct {
	URL      *string
	Events   []string
	Status   *Status
	Encoding *Encoding

	Description *string
	Metadata    map[string]string // replaces all of it; empty, but not nil, clears it
	Headers     Headers           // as Metadata
	RateLimit   *int              // 0 takes the limit away

	IfVersion int64 // fail with [ErrVersion] if the webhook has another; 0: any
}

// Query selects a page of a merchant's webhooks.
type Query = store.WebhookQuery

// Page is a page of webhooks, oldest first.
type Page struct {
	Webhooks []Webhook
	Total    int
}

// Publication is what became of a published event.
type Publication struct {
	EventID    string
	Deliveries []string // ids, one for each active webhook that subscribes to it
	Duplicate  bool     // the event was published before; nothing was stored now
}

// The log's records are the store's own.
type (
	// Delivery is one event on its way to one webhook.
	Delivery = store.Delivery
	// DeliveryStatus is pending, success or failed.
	DeliveryStatus = store.DeliveryStatus
	// DeliveryQuery selects a page of deliveries.
	DeliveryQuery = store.DeliveryQuery
	// DeliveryPage is a page of deliveries, newest first.
	DeliveryPage = store.DeliveryPage
	// Attempt is one try of a delivery.
	Attempt = store.Attempt
	// Stats counts a webhook's kept deliveries.
	Stats = store.Stats
	// Notice says what has become of a webhook.
	Notice = store.Notice
	// NoticeKind says what a Notice is about.
	NoticeKind = store.NoticeKind
)

// A webhook is warned of, disabled, or well again.
const (
	NoticeDisabled  = store.NoticeDisabled  // its failures have disabled it
	NoticeWarning   = store.NoticeWarning   // its failures may soon disable it
	NoticeRecovered = store.NoticeRecovered // the first success after one of the others
)

// DeliveryDetail is a delivery with its attempts and what was sent.
type DeliveryDetail struct {
	Delivery
	Payload json.RawMessage // the canonical event; nil once the event log has dropped it
}

// Replay selects events to send again to one webhook.
type Replay struct {
	Since time.Time // events published from here; zero: from the start of the log
	Until time.Time // and before here; zero: until now

	// Missed and Failed ask for events that made no delivery to this webhook, as
	// while it was disabled, and for those whose youngest delivery failed. Neither
	// set means both.
	Missed bool
	Failed bool
}
