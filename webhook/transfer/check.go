package transfer

import (
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// check lists what of a record cannot be kept, drops what has ended since it was
// written, and opens the rest.
func (x *importer) check(r *record) (vault.Opened, []fault) {
	var bad []fault
	refuse := func(when bool, field, message string) {
		if when {
			bad = append(bad, fault{field, message})
		}
	}
	refuse(!id.ValidMerchant(r.MerchantID), "merchantId", string(id.MerchantRule))
	refuse(!id.Valid(r.WebhookID), "webhookId", "must be 1 to 64 letters, digits, underscores or hyphens")
	checkStatus(r, refuse)
	checkPrevious(r, x.now(), refuse)
	opened, err := x.vault.Open(r.MerchantID, r.WebhookID, r.URL, r.sealed())
	if wrong, ok := errors.AsType[*vault.OpenError](err); ok {
		refuse(true, wrong.Part, "does not open: "+wrong.Err.Error())
	}
	asked := webhook.Registration{
		URL: r.URL, Events: r.Events, Encoding: webhook.Encoding(r.Encoding),
		Description: r.Description, Metadata: r.Metadata, RateLimit: r.RateLimit,
	}
	if err == nil {
		_, _, headers := opened()
		asked.Headers = headers
	}
	for _, f := range x.svc.CheckRegistration(asked) {
		var at int
		if n, _ := fmt.Sscanf(f.Path, "events[%d]", &at); n == 1 {
			f.Message = fmt.Sprintf("%q %s", r.Events[at], f.Message)
		}
		refuse(true, f.Path, f.Message)
	}
	if r.Encoding == "" {
		r.Encoding = string(webhook.EncodingStandard)
	}
	return opened, bad
}

func checkStatus(r *record, refuse func(when bool, field, message string)) {
	switch r.Status {
	case store.Active:
		r.DisabledReason, r.DisabledAt = "", time.Time{}
	case store.Disabled:
		switch webhook.Reason(r.DisabledReason) {
		case webhook.ReasonFailures, webhook.ReasonGone, webhook.ReasonRequest:
		default:
			refuse(true, "disabledReason", `must be "consecutive_failures", "gone" or "requested"`)
		}
	default:
		refuse(true, "status", `must be "active" or "disabled"`)
	}
}

func checkPrevious(r *record, now time.Time, refuse func(when bool, field, message string)) {
	if !r.PreviousUntil.After(now) {
		r.PreviousSecret, r.PreviousUntil = "", time.Time{}
	}
	refuse(r.PreviousUntil.Sub(now) > webhook.MaxGrace, "previousUntil", "must not be more than seven days ahead")
	refuse(r.PreviousSecret == "" && !r.PreviousUntil.IsZero(), "previousSecret", "must be there, as previousUntil is")
}
