package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/bareurl"
)

// NoticeFuncs returns a function that hands a notice to each of those, one after
// the other, and takes it if all have taken it. It stops at the first error, and
// begins anew when the notice comes back. So put what may be repeated first, such
// as [PublishNotices], and what a person would see twice, such as a mail, last.
func NoticeFuncs(funcs ...NoticeFunc) NoticeFunc {
	return func(ctx context.Context, n Notice) error {
		for _, f := range funcs {
			if err := f(ctx, n); err != nil {
				return err
			}
		}
		return nil
	}
}

// PublishNotices returns a function for [DispatcherOptions.OnNotice] that
// publishes each notice to an operator's own webhooks, as an event of type
// webhook.disabled, webhook.warning, webhook.recovered, webhook.moved, webhook.crowded or
// webhook.enabled: see [event.WebhookNotice]. The id of the event is derived from the notice, so that a
// repeat makes no second one.
//
// OperatorID is a merchant of svc, and svc needs the types in its catalog: see
// [event.NoticeEntries]. Merchants can subscribe to the types too, but never get
// such an event. A notice about a webhook of the operator's own is taken and not
// published, for it would go to the endpoint that it is about.
func PublishNotices(svc *Service, operatorID string) (NoticeFunc, error) {
	var bad []error
	if err := checkMerchant(operatorID); err != nil {
		bad = append(bad, err)
	}
	for _, e := range event.NoticeEntries() {
		if known, ok := svc.Catalog().Lookup(e.Type); !ok || !known.Subscribable() {
			bad = append(bad, fmt.Errorf("the catalog has no %s to subscribe to", e.Type))
		}
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("webhook: publish notices: %w", err)
	}
	return func(ctx context.Context, n Notice) error {
		if n.MerchantID == operatorID {
			return nil
		}
		_, err := svc.Publish(ctx, operatorID, noticeEvent(n))
		if errors.Is(err, ErrConflict) {
			return nil // Published before, by a version that wrote it otherwise.
		}
		return err
	}, nil
}

// noticeEvent is the same for every repeat of a notice.
func noticeEvent(n Notice) event.Event {
	sum := sha256.Sum256([]byte(n.MerchantID + "|" + n.ID))
	at := n.At.UTC().Truncate(time.Second)
	e := event.NewRaw(event.Type("webhook."+string(n.Kind)), event.WebhookNotice{
		MerchantID: n.MerchantID, WebhookID: n.WebhookID, URL: bareurl.Of(n.URL), Reason: string(n.Reason),
		ConsecutiveFailures: n.Failures, DisableAfter: n.DisableAfter,
		Since: n.Since.UTC().Truncate(time.Second), Timestamp: at,
	})
	e.ID, e.Created = "evt_notice_"+hex.EncodeToString(sum[:16]), at
	return e
}
