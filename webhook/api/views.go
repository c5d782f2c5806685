package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// The views are the JSON that merchants were promised, to the order of the fields:
// see docs/api.md. A field that was added later is left out wherever it says nothing.

type successView struct {
	Success   bool   `json:"success"`
	Data      any    `json:"data"`
	Timestamp string `json:"timestamp"`
	RequestID string `json:"requestId"`
}

type failureView struct {
	Success   bool      `json:"success"`
	Error     errorView `json:"error"`
	Timestamp string    `json:"timestamp"`
	RequestID string    `json:"requestId"`
}

type errorView struct {
	Code    string      `json:"code"`
	Message string      `json:"message"`
	Details []faultView `json:"details"`
}

type faultView struct {
	Field   string `json:"field"` // empty: the request as a whole
	Message string `json:"message"`
}

func newErrorView(w *words.Words, e *apiError) errorView {
	v := errorView{Code: e.code, Message: w.Message(e.message()), Details: make([]faultView, len(e.faults))}
	for i, f := range e.faults {
		v.Details[i] = newFaultView(w, f)
	}
	return v
}

// newFaultView adds where the types are that an event may have.
func newFaultView(w *words.Words, f webhook.Fault) faultView {
	if f.Text.Text == "" {
		return faultView{f.Path, f.Message} // an id, and no text
	}
	if f.Kind == webhook.FaultUnknownType {
		return faultView{f.Path, w.Say("%s; see GET …/webhooks/event-types", f.Text)}
	}
	return faultView{f.Path, w.Message(f.Text)}
}

// stamp writes a time as answers have it: UTC, whole seconds.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// secretWarning is promised to merchants word for word.
const secretWarning words.Text = "This is the only time the webhook secret will be shown. Please store it securely."

// secretView is the only one that shows a secret.
type secretView struct {
	WebhookID           string   `json:"webhookId"`
	URL                 string   `json:"url"`
	Events              []string `json:"events"`
	Secret              string   `json:"secret,omitempty"`              // absent where the answer is repeated, and if there is a public key
	Warning             string   `json:"warning,omitempty"`             // about the secret
	PreviousSecretUntil string   `json:"previousSecretUntil,omitempty"` // rotate only

	keyView
	settingsView // register only
}

// keyView is of a webhook that has a public key.
type keyView struct {
	Signature webhook.Scheme `json:"signature,omitempty"` // unless v1
	PublicKey string         `json:"publicKey,omitempty"`
}

func newKeyView(w webhook.Webhook) keyView {
	if w.PublicKey == "" {
		return keyView{}
	}
	return keyView{Signature: w.Signature, PublicKey: w.PublicKey}
}

type publicKeyView struct {
	WebhookID           string         `json:"webhookId"`
	Signature           webhook.Scheme `json:"signature"`
	PublicKey           string         `json:"publicKey"`
	PreviousPublicKey   string         `json:"previousPublicKey,omitempty"`
	PreviousSecretUntil string         `json:"previousSecretUntil,omitempty"`
}

// settingsView are a webhook's settings as far as they are set.
type settingsView struct {
	Description string            `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	HeaderNames []string          `json:"headerNames,omitempty"` // the values are never shown
	RateLimit   int               `json:"rateLimit,omitempty"`
}

func newSettingsView(w webhook.Webhook) settingsView {
	return settingsView{Description: w.Description, Metadata: w.Metadata, HeaderNames: w.HeaderNames, RateLimit: w.RateLimit}
}

func newSecretView(w *words.Words, r webhook.Registered) secretView {
	v := secretView{
		WebhookID: r.Webhook.ID, URL: r.Webhook.URL, Events: r.Webhook.Events,
		PreviousSecretUntil: stamp(r.Webhook.PreviousUntil), keyView: newKeyView(r.Webhook),
	}
	if !r.Secret.IsZero() {
		v.Secret, v.Warning = r.Secret.Reveal(), w.Say(secretWarning)
	}
	return v
}

// repeatedWarning is for those who ask for a secret again.
const repeatedWarning words.Text = "The secret was shown in the first answer to this request and is not shown again. " +
	"If it was lost, rotate it with graceSeconds 0 to get a new one."

// repeatedView is the answer to a registration or rotation that was sent again.
func repeatedView(said *words.Words, w webhook.Webhook, route string) secretView {
	v := newSecretView(said, webhook.Registered{Webhook: w})
	if w.PublicKey == "" {
		v.Warning = said.Say(repeatedWarning)
	}
	if !strings.HasSuffix(route, "/rotate") {
		v.settingsView, v.PreviousSecretUntil = newSettingsView(w), ""
	}
	return v
}

type webhookView struct {
	WebhookID           string         `json:"webhookId"`
	URL                 string         `json:"url"`
	Events              []string       `json:"events"`
	Status              webhook.Status `json:"status"`
	DisabledReason      webhook.Reason `json:"disabledReason,omitempty"`
	DisabledAt          string         `json:"disabledAt,omitempty"`
	ConsecutiveFailures int            `json:"consecutiveFailures,omitempty"`

	Health        webhook.Condition `json:"health"`
	FailingSince  string            `json:"failingSince,omitempty"`
	LastSuccessAt string            `json:"lastSuccessAt,omitempty"`

	PayloadEncoding webhook.Encoding `json:"payloadEncoding,omitempty"` // unless standard
	keyView
	settingsView

	PreviousSecretUntil string `json:"previousSecretUntil,omitempty"`
	SecretLost          bool   `json:"secretLost,omitempty"`
	HeadersLost         bool   `json:"headersLost,omitempty"`
	CreatedAt           string `json:"createdAt"`
	UpdatedAt           string `json:"updatedAt"`
}

func newWebhookView(w webhook.Webhook) webhookView {
	v := webhookView{
		WebhookID: w.ID, URL: w.URL, Events: w.Events, Status: w.Status,
		DisabledReason: w.DisabledReason, DisabledAt: stamp(w.DisabledAt),
		ConsecutiveFailures: w.ConsecutiveFailures,
		Health:              w.Condition(), FailingSince: stamp(w.FailingSince), LastSuccessAt: stamp(w.LastSuccess),
		keyView: newKeyView(w), settingsView: newSettingsView(w), PreviousSecretUntil: stamp(w.PreviousUntil),
		SecretLost: w.SecretLost, HeadersLost: w.HeadersLost, CreatedAt: stamp(w.CreatedAt), UpdatedAt: stamp(w.UpdatedAt),
	}
	if w.Encoding != webhook.EncodingStandard {
		v.PayloadEncoding = w.Encoding
	}
	return v
}

type webhooksView struct {
	Webhooks   []webhookView  `json:"webhooks"`
	Damaged    []string       `json:"damaged,omitempty"` // ids
	Pagination paginationView `json:"pagination"`
}

type paginationView struct {
	Limit      int    `json:"limit"`
	Offset     int    `json:"offset"`
	Total      *int   `json:"total,omitempty"`      // absent where only a walk over all could tell
	NextCursor string `json:"nextCursor,omitempty"` // to those who sent a cursor, and if a page is short
}

type deletedView struct {
	WebhookID string `json:"webhookId"`
	Deleted   bool   `json:"deleted"`
}

type eventTypesView struct {
	EventTypes []eventTypeView `json:"eventTypes"`
}

// eventTypeView has of an example what is sent, where that is not the event itself.
type eventTypeView struct {
	event.Entry

	Sent *sentView `json:"sent,omitempty"`
}

// sentView is what is sent, where a payload does not say it byte for byte.
type sentView struct {
	ContentType string            `json:"contentType"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        string            `json:"body"`
}

// newSentView returns the payload, which is nil unless it is an object, and nil in place of a
// view that says no more than that.
func newSentView(s event.Shaped) (payload json.RawMessage, sent *sentView) {
	if len(s.Body) == 0 {
		return nil, nil
	}
	var short bytes.Buffer
	if shape.IsJSON(s.ContentType) && json.Compact(&short, s.Body) == nil && short.Bytes()[0] == '{' {
		payload = s.Body
	}
	if s.ContentType == shape.JSON && len(s.Header) == 0 && payload != nil && short.Len() == len(s.Body) {
		return payload, nil
	}
	return payload, &sentView{ContentType: s.ContentType, Headers: s.Header, Body: string(s.Body)}
}

type deliveryView struct {
	ID            string                 `json:"id"`
	WebhookID     string                 `json:"webhookId"`
	EventType     string                 `json:"eventType"`
	Status        webhook.DeliveryStatus `json:"status"`
	StatusCode    int                    `json:"statusCode,omitempty"`
	Error         webhook.Code           `json:"error,omitempty"`
	AttemptCount  int                    `json:"attemptCount"`
	ResponseBody  string                 `json:"responseBody,omitempty"`
	CreatedAt     string                 `json:"createdAt"`
	DeliveredAt   string                 `json:"deliveredAt,omitempty"`
	LastAttemptAt string                 `json:"lastAttemptAt,omitempty"`
	NextAttemptAt string                 `json:"nextAttemptAt,omitempty"`
	EventID       string                 `json:"eventId"`
}

// What stands for an event of which nothing is left: see store.CodeDamaged.
const unknownType, unknownEvent = "event.unknown", "evt_unknown"

// newDeliveryView shows of a success when it arrived, and of anything else what
// happened last and when it goes on, which is unknown while its webhook is
// disabled.
func newDeliveryView(d *webhook.Delivery, paused bool) deliveryView {
	v := deliveryView{
		ID: d.ID, WebhookID: d.WebhookID, EventType: cmp.Or(d.EventType, unknownType), Status: d.Status,
		StatusCode: d.StatusCode, AttemptCount: d.Attempts, CreatedAt: stamp(d.CreatedAt), EventID: cmp.Or(d.EventID, unknownEvent),
	}
	if d.Status == webhook.DeliverySucceeded {
		v.DeliveredAt = stamp(d.DeliveredAt)
		return v
	}
	v.Error, v.ResponseBody = shownCode(d.Code), d.ResponseBody
	v.LastAttemptAt = stamp(d.LastAttemptAt)
	if !paused || d.Test {
		v.NextAttemptAt = stamp(d.DueAt)
	}
	return v
}

// shownCode leaves out what the status says already.
func shownCode(code webhook.Code) webhook.Code {
	if code == webhook.CodeStatus {
		return ""
	}
	return code
}

type deliveriesView struct {
	Deliveries []deliveryView `json:"deliveries"`
	Damaged    []string       `json:"damaged,omitempty"` // ids
	Stats      statsView      `json:"stats"`
	Pagination paginationView `json:"pagination"`
}

type statsView struct {
	TotalDeliveries      int64   `json:"totalDeliveries"`
	SuccessfulDeliveries int64   `json:"successfulDeliveries"`
	FailedDeliveries     int64   `json:"failedDeliveries"`
	PendingDeliveries    int64   `json:"pendingDeliveries"`
	AvgAttemptCount      float64 `json:"avgAttemptCount"` // two decimals
}

func newStatsView(s webhook.Stats) statsView {
	v := statsView{
		TotalDeliveries: s.Total, SuccessfulDeliveries: s.Succeeded,
		FailedDeliveries: s.Failed, PendingDeliveries: s.Pending,
	}
	if s.Total > 0 {
		v.AvgAttemptCount = math.Round(float64(s.Attempts)/float64(s.Total)*100) / 100
	}
	return v
}

// redeliveredView is a delivery that was sent again.
type redeliveredView struct {
	deliveryView

	BroughtForward bool `json:"broughtForward,omitempty"` // it was pending, and is not new
}

type detailView struct {
	deliveryView

	Attempts []attemptView   `json:"attempts"`
	Payload  json.RawMessage `json:"payload"` // null once the event log has dropped it, and if it is no object
	Sent     *sentView       `json:"sent,omitempty"`
}

type attemptView struct {
	Number       int          `json:"number"`
	At           string       `json:"at"`
	DurationMs   int64        `json:"durationMs"`
	StatusCode   int          `json:"statusCode,omitempty"`
	Error        webhook.Code `json:"error,omitempty"`
	ResponseBody string       `json:"responseBody,omitempty"`

	// Absent if they were not kept.
	URL             string       `json:"url,omitempty"`
	RequestHeaders  []headerView `json:"requestHeaders,omitempty"`
	ResponseHeaders []headerView `json:"responseHeaders,omitempty"`
}

type headerView struct {
	Name   string `json:"name"`
	Value  string `json:"value,omitempty"`
	Hidden bool   `json:"hidden,omitempty"`
}

// newHeaderViews puts headers into the order of their names, whatever their case.
func newHeaderViews(fields []webhook.HeaderField) []headerView {
	out := make([]headerView, len(fields))
	for i, f := range fields {
		out[i] = headerView(f)
	}
	slices.SortStableFunc(out, func(a, b headerView) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return out
}

func newDetailView(d *webhook.DeliveryDetail, paused bool) detailView {
	v := detailView{deliveryView: newDeliveryView(&d.Delivery, paused), Attempts: make([]attemptView, len(d.Log))}
	v.Payload, v.Sent = newSentView(d.Sent)
	for i, a := range d.Log {
		v.Attempts[i] = attemptView{
			Number: a.Number, At: stamp(a.At), DurationMs: a.Duration.Milliseconds(),
			StatusCode: a.StatusCode, Error: shownCode(a.Code), ResponseBody: a.ResponseBody,
		}
		if e := a.Exchange; e != nil {
			v.Attempts[i].URL = e.URL
			v.Attempts[i].RequestHeaders, v.Attempts[i].ResponseHeaders = newHeaderViews(e.Request), newHeaderViews(e.Response)
		}
	}
	return v
}

type cancelledView struct {
	Deliveries int  `json:"deliveries"`
	More       bool `json:"more,omitempty"`
}

type publishedView struct {
	EventID    string `json:"eventId"`
	Deliveries int    `json:"deliveries"`
	Missed     int    `json:"missed,omitempty"`
	Duplicate  bool   `json:"duplicate,omitempty"`
}
