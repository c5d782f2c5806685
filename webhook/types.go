package webhook

import (
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// The records that a Service answers with are its own, so that what only a store
// needs stays in package store.

// Status of a webhook.
type Status string

// A webhook receives events or is paused.
const (
	Active   = Status(store.Active)
	Disabled = Status(store.Disabled)
)

// EveryType in [Registration.Events], alone, subscribes to all event types.
const EveryType = store.EveryType

// Reason says why a webhook was disabled.
type Reason string

// A webhook is disabled by its failures or on request.
const (
	ReasonFailures Reason = "consecutive_failures" // by the dispatcher
	ReasonGone     Reason = "gone"                 // by the dispatcher: the endpoint answered 410
	ReasonRequest  Reason = "requested"            // by Update
)

// Code says why an attempt failed. The codes are fixed: they say enough to mend an
// endpoint, and nothing about the network that the request came from.
type Code string

// An attempt succeeds, or fails for one of these reasons.
const (
	CodeTimeout         = Code(egress.CodeTimeout)        // no status within the time
	CodeDNS             = Code(egress.CodeDNS)            // the host's name did not resolve
	CodeBlockedAddress  = Code(egress.CodeBlockedAddress) // the name resolves to an address that is not public
	CodeConnect         = Code(egress.CodeConnect)        // nothing accepts connections there
	CodeConnection      = Code(egress.CodeConnection)     // the connection broke off
	CodeTLS             = Code(egress.CodeTLS)            // certificate or TLS version
	CodeBadResponse     = Code(egress.CodeBadResponse)    // not an HTTP response
	CodeStatus          = Code("status")                  // a status other than 2xx
	CodeRedirect        = Code("redirect")                // a 3xx; redirects are not followed
	CodeWebhookDisabled = Code("webhook_disabled")        // the webhook stayed disabled until retention's end
	CodeCancelled       = Code("cancelled")               // given up on request
	CodeInternal        = Code("internal")                // this side's fault
	CodeDamaged         = Code(store.CodeDamaged)         // the store could not read the event or the delivery
	CodeSecretLost      = Code("secret_lost")             // no key opened the webhook's secret, or its headers
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

// A secret that both sides have makes X-Webhook-Signature and the signature of
// Standard Webhooks, v1. A private key of this side makes v1a alone (ed25519), and the
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
	Events     []string // event types, "prefix.*" for those below a prefix, or "*" alone for all
	Status     Status
	Encoding   Encoding

	Signature Scheme
	// PublicKey, "whpk_…", verifies what is signed with [SchemeAsymmetric], and
	// PreviousPublicKey what the key before it signs until PreviousUntil. Empty in a
	// webhook with a secret.
	PublicKey, PreviousPublicKey string

	Description string
	Metadata    map[string]string
	HeaderNames []string // sorted
	RateLimit   int      // deliveries per second; 0: no limit

	// SecretLost and HeadersLost say that none of this process's keys opens the sealed
	// secret, or the headers: see [ServiceOptions].SecretKeys. Nothing can be sent to the
	// webhook until the key is back, the secret was rotated, or the headers are given anew.
	SecretLost, HeadersLost bool

	DisabledReason      Reason // empty while active
	DisabledAt          time.Time
	ConsecutiveFailures int

	// FailingSince is since when tries fail and none succeeds, zero if the last one that
	// counted has succeeded. LastSuccess is when one succeeded last. Tests never count.
	FailingSince time.Time
	LastSuccess  time.Time

	// PreviousUntil is when the previous secret or key ends, zero if there is none.
	PreviousUntil time.Time

	Version   int64 // for Update.IfVersion
	CreatedAt time.Time
	UpdatedAt time.Time
	UpdatedBy string // see [WithActor]
}

// Condition says how a webhook does, by its tries and not by what has ended.
type Condition string

// A webhook is healthy until a try fails.
const (
	ConditionHealthy  Condition = "healthy"
	ConditionFailing  Condition = "failing" // the last try that counted has failed
	ConditionDisabled Condition = "disabled"
)

// Condition returns how the webhook does.
func (w Webhook) Condition() Condition {
	switch {
	case w.Status == Disabled:
		return ConditionDisabled
	case !w.FailingSince.IsZero():
		return ConditionFailing
	}
	return ConditionHealthy
}

func newWebhook(w store.Webhook) Webhook {
	return Webhook{
		Signature: schemeOf(w.Secret), PublicKey: vault.PublicKey(w.Secret), PreviousPublicKey: vault.PublicKey(w.PreviousSecret),
		ID: w.ID, MerchantID: w.MerchantID, URL: w.URL, Events: w.Events, Status: Status(w.Status),
		Encoding:    Encoding(w.Encoding),
		Description: w.Description, Metadata: w.Metadata, HeaderNames: vault.HeaderNames(w.Headers), RateLimit: w.RateLimit,
		DisabledReason: Reason(w.DisabledReason), DisabledAt: w.DisabledAt, ConsecutiveFailures: w.ConsecutiveFailures,
		FailingSince: w.UnwellSince, LastSuccess: w.LastSuccess,
		PreviousUntil: w.PreviousUntil,
		Version:       w.Version, CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt, UpdatedBy: w.UpdatedBy,
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

	// Secret is one that the receiver has already, from the sender that this one
	// replaces: see [signer.ParseSecret]. It is for hosts and operators. A merchant
	// should not choose a secret, so the API and the portal do not set it. The zero
	// Secret, the default, has a new one made.
	Secret signer.Secret

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

// WebhookQuery selects a page of a merchant's webhooks.
type WebhookQuery struct { //nolint:revive // There are queries of deliveries, too.
	ActiveOnly bool
	Limit      int // 0: all
	Offset     int
}

// WebhookPage is a page of webhooks, oldest first.
type WebhookPage struct { //nolint:revive // There are pages of deliveries, too.
	Webhooks []Webhook
	Total    int // of all that match and can be read

	// Damaged are the ids of the merchant's webhooks, on this page or another, that the
	// store cannot read. Such a webhook can be deleted, and [Service.Webhook] fails with
	// [ErrDamaged].
	Damaged []string
}

// NoticeKind says what a [Notice] is about.
type NoticeKind string

// A webhook is warned of, disabled, well again, moved, misses events, or is enabled.
const (
	NoticeDisabled  = NoticeKind(store.NoticeDisabled)  // its failures have disabled it
	NoticeWarning   = NoticeKind(store.NoticeWarning)   // its failures may soon disable it
	NoticeRecovered = NoticeKind(store.NoticeRecovered) // the first success after one of the first two
	NoticeMoved     = NoticeKind(store.NoticeMoved)     // a webhook that has headers leads to another origin
	NoticeCrowded   = NoticeKind(store.NoticeCrowded)   // it has so many pending deliveries that it misses events
	NoticeEnabled   = NoticeKind(store.NoticeEnabled)   // a probe has succeeded: see DispatcherOptions.Probe
)

// Notice says what has become of a webhook, as of then. One that a later notice has
// overtaken may still come after it.
type Notice struct {
	ID         string
	Kind       NoticeKind
	MerchantID string
	WebhookID  string
	URL        string

	Reason Reason // of a disabled webhook

	// Failures is the streak that led to the notice, and 0 in a recovery.
	// DisableAfter is the streak that disables the webhook: 0 if none does, and in a
	// recovery.
	Failures     int
	DisableAfter int

	// Since is when the streak began, or when an event was missed. In a recovery, it is that of the first warning
	// since the recovery before, or of the last streak if there was no warning. Of a
	// webhook that was moved, it is when that happened, and of one that a probe has
	// enabled, when it had been disabled.
	Since time.Time
	At    time.Time

	// Missed counts the events that a webhook that a probe has enabled missed while it
	// was disabled. A [Service.Replay] since then sends them. MissedMore says that there
	// may be more, because there were too many to count.
	Missed     int
	MissedMore bool
}

func newNotice(n *store.Notice) Notice {
	return Notice{
		ID: n.ID, Kind: NoticeKind(n.Kind), MerchantID: n.MerchantID, WebhookID: n.WebhookID, URL: n.URL,
		Reason: Reason(n.Reason), Failures: n.Failures, DisableAfter: n.DisableAfter, Since: n.Since, At: n.At,
	}
}
