package transfer

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// differences names what differs in two webhooks, beside what is sealed, in which both
// are the owner's.
func differences(a, b store.Webhook) []string {
	var out []string
	differ := func(when bool, field string) {
		if when {
			out = append(out, field)
		}
	}
	differ(a.URL != b.URL, "url")
	differ(!slices.Equal(a.Events, b.Events), "events")
	differ(a.Status != b.Status || a.DisabledReason != b.DisabledReason, "status")
	differ(a.Encoding != b.Encoding, "payloadEncoding")
	differ(a.Description != b.Description, "description")
	differ(!maps.Equal(a.Metadata, b.Metadata), "metadata")
	differ(a.RateLimit != b.RateLimit, "rateLimit")
	return out
}

// overwrite makes of a webhook what w says. A rotation under way takes two steps: the
// receiver accepts both secrets, so it notices neither.
func (x *importer) overwrite(ctx context.Context, known, w store.Webhook, secrets []string) error {
	u := store.WebhookUpdate{
		IfVersion: known.Version, URL: &w.URL, Events: w.Events, Status: &w.Status, Reason: w.DisabledReason,
		Encoding: &w.Encoding, Description: &w.Description, Metadata: w.Metadata, Headers: &w.Headers, RateLimit: &w.RateLimit,
	}
	if u.Metadata == nil {
		u.Metadata = map[string]string{}
	}
	if slices.Contains(secrets, "secret") || slices.Contains(secrets, "previousSecret") {
		u.Rotate = &w.Secret
	}
	if u.Rotate == nil || w.PreviousSecret == "" {
		_, err := x.st.UpdateWebhook(ctx, w.MerchantID, w.ID, u)
		return err
	}
	u.Rotate = &w.PreviousSecret
	half, err := x.st.UpdateWebhook(ctx, w.MerchantID, w.ID, u)
	if err != nil {
		return err
	}
	_, err = x.st.UpdateWebhook(ctx, w.MerchantID, w.ID, store.WebhookUpdate{
		IfVersion: half.Version, Rotate: &w.Secret, KeepPrevious: max(0, w.PreviousUntil.Sub(x.now()).Truncate(time.Millisecond)),
	})
	return err
}
