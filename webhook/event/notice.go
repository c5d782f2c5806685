package event

import (
	"encoding/json"
	"time"
)

// The types that tell an operator of webhooks in trouble. They are not in the default
// catalog: see [NoticeEntries].
const (
	TypeWebhookDisabled  Type = "webhook.disabled"
	TypeWebhookWarning   Type = "webhook.warning"
	TypeWebhookRecovered Type = "webhook.recovered"
	TypeWebhookMoved     Type = "webhook.moved"
	TypeWebhookCrowded   Type = "webhook.crowded"
	TypeWebhookEnabled   Type = "webhook.enabled"
)

// WebhookNotice is the data of all of these types.
type WebhookNotice struct {
	MerchantID string `json:"merchantId"` // Who owns the webhook.
	WebhookID  string `json:"webhookId"`

	// URL is that of the webhook without its query, which may hold a secret.
	URL string `json:"url"`

	// Reason is why the webhook was disabled, and empty otherwise.
	Reason string `json:"reason"`

	ConsecutiveFailures int `json:"consecutiveFailures"`
	DisableAfter        int `json:"disableAfter"` // The failures that disable the webhook. 0: none do, or it has recovered.

	Since     time.Time `json:"since"`     // When the failures began, or when it happened.
	Timestamp time.Time `json:"timestamp"` // When it happened.
}

// NoticeEntries returns entries for these types, for [Catalog.With].
func NoticeEntries() []Entry {
	entry := func(t Type, description, data string) Entry {
		return Entry{Type: t, Description: description, Frequency: Low, Example: json.RawMessage(
			`{"id":"evt_notice_abc123","type":"` + string(t) + `","created":"2025-11-04T12:00:00Z","data":{` +
				`"merchantId":"merchant_42","webhookId":"whk_abc123","url":"https://example.com/webhooks",` + data +
				`"since":"2025-11-04T11:00:00Z","timestamp":"2025-11-04T12:00:00Z"}}`)}
	}
	return []Entry{
		entry(TypeWebhookDisabled, "Failures have disabled a merchant's webhook", `"reason":"consecutive_failures","consecutiveFailures":10,"disableAfter":10,`),
		entry(TypeWebhookWarning, "A merchant's webhook may soon be disabled", `"reason":"","consecutiveFailures":5,"disableAfter":10,`),
		entry(TypeWebhookRecovered, "A merchant's webhook has recovered", `"reason":"","consecutiveFailures":0,"disableAfter":0,`),
		entry(TypeWebhookMoved, "A merchant's webhook that has headers leads to another host", `"reason":"","consecutiveFailures":0,"disableAfter":0,`),
		entry(TypeWebhookCrowded, "A merchant's webhook misses events, because too much waits for it", `"reason":"","consecutiveFailures":0,"disableAfter":0,`),
		entry(TypeWebhookEnabled, "A probe has enabled a merchant's webhook", `"reason":"","consecutiveFailures":0,"disableAfter":0,`),
	}
}
