package event

import "time"

// Payload is data that knows its type of event. The structs of this package are
// Payloads. A host's own structs become Payloads by naming their type:
//
//	type OrderPaid struct {
//		OrderID string `json:"orderId"`
//	}
//
//	func (OrderPaid) EventType() event.Type { return "order.paid" }
//
// EventType must work on the zero value.
type Payload interface {
	EventType() Type
}

// ChatQueryCompleted is the data of chat.query.completed: a customer's query was
// answered.
type ChatQueryCompleted struct {
	SessionID       string           `json:"sessionId"`
	UserID          string           `json:"userId"`
	Query           string           `json:"query"`
	Answer          string           `json:"answer"`
	Recommendations []Recommendation `json:"recommendations"` // None is written as [].
	Intent          string           `json:"intent"`
	Confidence      float64          `json:"confidence"`    // 0 to 1.
	ExecutionTime   int64            `json:"executionTime"` // Milliseconds.

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}

// Recommendation is a product that an answer recommends.
type Recommendation struct {
	SKU        string  `json:"sku"`
	Title      string  `json:"title"`
	Price      float64 `json:"price"`
	Confidence float64 `json:"confidence"` // 0 to 1.
}

// ChatQueryFailed is the data of chat.query.failed: a query could not be
// answered.
type ChatQueryFailed struct {
	SessionID string `json:"sessionId"`
	Query     string `json:"query"`
	Error     string `json:"error"`     // For people.
	ErrorCode string `json:"errorCode"` // For programs, as in NO_RESULTS.

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}

// DocumentCreated is the data of document.created: a document was added to the
// catalog.
type DocumentCreated struct {
	DocumentID string `json:"documentId"`
	Type       string `json:"type"` // Of document, as in product.
	Title      string `json:"title"`

	// Metadata is what else is known of the document. If there is nothing, it is
	// left out, because PHP cannot tell an empty object from an empty array.
	Metadata map[string]any `json:"metadata,omitempty"`

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}

// DocumentUpdated is the data of document.updated: a document was changed.
type DocumentUpdated struct {
	DocumentID string `json:"documentId"`
	Type       string `json:"type"` // Of document, as in product.
	Title      string `json:"title"`

	// Changes are the changed fields by name. If there are none, it is left out,
	// because PHP cannot tell an empty object from an empty array.
	Changes map[string]Change `json:"changes,omitempty"`

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}

// Change is a field's value before and after. A nil value is written as null.
type Change struct {
	Old any `json:"old"`
	New any `json:"new"`
}

// DocumentDeleted is the data of document.deleted: a document was removed from
// the catalog.
type DocumentDeleted struct {
	DocumentID string `json:"documentId"`
	Type       string `json:"type"` // Of document, as in product.
	Title      string `json:"title"`

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}

// UsageLimitApproaching is the data of usage.limit.approaching: 80 % of a plan's
// limit is used.
type UsageLimitApproaching struct {
	Metric     string    `json:"metric"` // What is limited, as in queries.
	Current    int64     `json:"current"`
	Limit      int64     `json:"limit"`
	Percentage float64   `json:"percentage"`         // Current of Limit, as in 80.
	Period     string    `json:"period"`             // As in monthly.
	ResetDate  time.Time `json:"resetDate,omitzero"` // When Current starts at 0 again.

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}

// UsageLimitExceeded is the data of usage.limit.exceeded: more than a plan's
// limit is used.
type UsageLimitExceeded struct {
	Metric     string  `json:"metric"` // What is limited, as in queries.
	Current    int64   `json:"current"`
	Limit      int64   `json:"limit"`
	Percentage float64 `json:"percentage"` // Current of Limit, as in 105.
	Period     string  `json:"period"`     // As in monthly.
	Action     string  `json:"action"`     // What follows, as in throttled.
	UpgradeURL string  `json:"upgradeUrl"`

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}

// APIKeyExpiring is the data of api_key.expiring: an API key expires in 7 days.
type APIKeyExpiring struct {
	KeyID         string    `json:"keyId"`
	Name          string    `json:"name"`
	Environment   string    `json:"environment"` // As in production.
	ExpiresAt     time.Time `json:"expiresAt,omitzero"`
	DaysRemaining int       `json:"daysRemaining"`

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}

// WebhookTest is the data of webhook.test, which is sent to one webhook on
// request.
type WebhookTest struct {
	Message   string `json:"message"`
	WebhookID string `json:"webhookId"`

	// Timestamp is when it happened. Defaults to the event's Created.
	Timestamp time.Time `json:"timestamp"`
}
