package otelwebhook

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// CreateWebhook implements [store.Webhooks].
func (s *timedStore) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (_ store.Webhook, err error) {
	defer s.timing(ctx, "create_webhook", &err)()
	return s.Store.CreateWebhook(ctx, merchantID, w, limit)
}

// Webhook implements [store.Webhooks].
func (s *timedStore) Webhook(ctx context.Context, merchantID, webhookID string) (_ store.Webhook, err error) {
	defer s.timing(ctx, "webhook", &err)()
	return s.Store.Webhook(ctx, merchantID, webhookID)
}

// ListWebhooks implements [store.Webhooks].
func (s *timedStore) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (_ store.WebhookPage, err error) {
	defer s.timing(ctx, "list_webhooks", &err)()
	return s.Store.ListWebhooks(ctx, merchantID, q)
}

// UpdateWebhook implements [store.Webhooks].
func (s *timedStore) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (_ store.Webhook, err error) {
	defer s.timing(ctx, "update_webhook", &err)()
	return s.Store.UpdateWebhook(ctx, merchantID, webhookID, u)
}

// DeleteWebhook implements [store.Webhooks].
func (s *timedStore) DeleteWebhook(ctx context.Context, merchantID, webhookID string, ifVersion int64) (err error) {
	defer s.timing(ctx, "delete_webhook", &err)()
	return s.Store.DeleteWebhook(ctx, merchantID, webhookID, ifVersion)
}

// Changes implements [store.Webhooks].
func (s *timedStore) Changes(ctx context.Context, merchantID, webhookID string) (_ []store.Change, err error) {
	defer s.timing(ctx, "changes", &err)()
	return s.Store.Changes(ctx, merchantID, webhookID)
}

// Publish implements [store.Publisher].
func (s *timedStore) Publish(ctx context.Context, merchantID string, events []store.NewEvent) (_ []store.Published, err error) {
	defer s.timing(ctx, "publish", &err)()
	return s.Store.Publish(ctx, merchantID, events)
}

// Enqueue implements [store.History].
func (s *timedStore) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) (_ []store.Enqueued, err error) {
	defer s.timing(ctx, "enqueue", &err)()
	return s.Store.Enqueue(ctx, merchantID, webhookID, eventIDs, nonce, maxPending)
}

// Expedite implements [store.History].
func (s *timedStore) Expedite(ctx context.Context, merchantID, webhookID, deliveryID string) (_ bool, err error) {
	defer s.timing(ctx, "expedite", &err)()
	return s.Store.Expedite(ctx, merchantID, webhookID, deliveryID)
}

// Cancel implements [store.History].
func (s *timedStore) Cancel(ctx context.Context, merchantID, webhookID string, c store.CancelRequest) (_ store.Cancelled, err error) {
	defer s.timing(ctx, "cancel", &err)()
	return s.Store.Cancel(ctx, merchantID, webhookID, c)
}

// Claim implements [store.Queue].
func (s *timedStore) Claim(ctx context.Context, c store.ClaimRequest) (_ store.Claimed, err error) {
	defer s.timing(ctx, "claim", &err)()
	return s.Store.Claim(ctx, c)
}

// Finish implements [store.Queue].
func (s *timedStore) Finish(ctx context.Context, results []store.Result) (_ []store.Finished, err error) {
	defer s.timing(ctx, "finish", &err)()
	return s.Store.Finish(ctx, results)
}

// Event implements [store.History].
func (s *timedStore) Event(ctx context.Context, merchantID, eventID string) (_ store.Event, err error) {
	defer s.timing(ctx, "event", &err)()
	return s.Store.Event(ctx, merchantID, eventID)
}

// Events implements [store.History].
func (s *timedStore) Events(ctx context.Context, merchantID string, q store.EventQuery) (_ store.EventPage, err error) {
	defer s.timing(ctx, "events", &err)()
	return s.Store.Events(ctx, merchantID, q)
}

// EventDeliveries implements [store.History].
func (s *timedStore) EventDeliveries(ctx context.Context, merchantID, eventID string) (_ store.EventDeliveries, err error) {
	defer s.timing(ctx, "event_deliveries", &err)()
	return s.Store.EventDeliveries(ctx, merchantID, eventID)
}

// Delivery implements [store.History].
func (s *timedStore) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (_ store.Delivery, err error) {
	defer s.timing(ctx, "delivery", &err)()
	return s.Store.Delivery(ctx, merchantID, webhookID, deliveryID)
}

// Deliveries implements [store.History].
func (s *timedStore) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (_ store.DeliveryPage, err error) {
	defer s.timing(ctx, "deliveries", &err)()
	return s.Store.Deliveries(ctx, merchantID, webhookID, q)
}

// Stats implements [store.History].
func (s *timedStore) Stats(ctx context.Context, merchantID, webhookID string) (_ store.Stats, err error) {
	defer s.timing(ctx, "stats", &err)()
	return s.Store.Stats(ctx, merchantID, webhookID)
}

// Prune implements [store.Queue].
func (s *timedStore) Prune(ctx context.Context, p store.PruneRequest) (_ store.Pruned, err error) {
	defer s.timing(ctx, "prune", &err)()
	return s.Store.Prune(ctx, p)
}

// AddNotice implements [store.Notices].
func (s *timedStore) AddNotice(ctx context.Context, merchantID string, n store.Notice, oldMark, newMark string) (_ bool, err error) {
	defer s.timing(ctx, "add_notice", &err)()
	return s.Store.AddNotice(ctx, merchantID, n, oldMark, newMark)
}

// ClaimNotices implements [store.Notices].
func (s *timedStore) ClaimNotices(ctx context.Context, limit int, lease time.Duration) (_ []store.NoticeLease, err error) {
	defer s.timing(ctx, "claim_notices", &err)()
	return s.Store.ClaimNotices(ctx, limit, lease)
}

// DeferNotice implements [store.Notices].
func (s *timedStore) DeferNotice(ctx context.Context, merchantID, noticeID string, token int64, delay time.Duration) (err error) {
	defer s.timing(ctx, "defer_notice", &err)()
	return s.Store.DeferNotice(ctx, merchantID, noticeID, token, delay)
}

// AckNotice implements [store.Notices].
func (s *timedStore) AckNotice(ctx context.Context, merchantID, noticeID string) (err error) {
	defer s.timing(ctx, "ack_notice", &err)()
	return s.Store.AckNotice(ctx, merchantID, noticeID)
}

// BeginSeen implements [store.Seen].
func (s *timedStore) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (_ store.SeenAnswer, err error) {
	defer s.timing(ctx, "begin_seen", &err)()
	return s.Store.BeginSeen(ctx, scope, id, b)
}

// CommitSeen implements [store.Seen].
func (s *timedStore) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) (err error) {
	defer s.timing(ctx, "commit_seen", &err)()
	return s.Store.CommitSeen(ctx, scope, id, holder, value, ttl)
}

// ForgetSeen implements [store.Seen].
func (s *timedStore) ForgetSeen(ctx context.Context, scope, id, holder string) (err error) {
	defer s.timing(ctx, "forget_seen", &err)()
	return s.Store.ForgetSeen(ctx, scope, id, holder)
}

// Backlog implements [store.Backlogs].
func (s *timedStore) Backlog(ctx context.Context) (_ store.Backlog, err error) {
	defer s.timing(ctx, "backlog", &err)()
	return s.Store.Backlog(ctx)
}

// Merchants implements [store.Directory].
func (s *timedStore) Merchants(ctx context.Context, q store.MerchantQuery) (_ store.MerchantPage, err error) {
	defer s.timing(ctx, "merchants", &err)()
	return s.Store.Merchants(ctx, q)
}

// Troubled implements [store.Directory].
func (s *timedStore) Troubled(ctx context.Context, q store.TroubledQuery) (_ store.WebhookPage, err error) {
	defer s.timing(ctx, "troubled", &err)()
	return s.Store.Troubled(ctx, q)
}

// AddJob implements [store.Jobs].
func (s *timedStore) AddJob(ctx context.Context, merchantID string, j store.Job) (_ store.Job, err error) {
	defer s.timing(ctx, "add_job", &err)()
	return s.Store.AddJob(ctx, merchantID, j)
}

// Job implements [store.Jobs].
func (s *timedStore) Job(ctx context.Context, merchantID, jobID string) (_ store.Job, err error) {
	defer s.timing(ctx, "job", &err)()
	return s.Store.Job(ctx, merchantID, jobID)
}

// ListJobs implements [store.Jobs].
func (s *timedStore) ListJobs(ctx context.Context, merchantID string, q store.JobQuery) (_ store.JobPage, err error) {
	defer s.timing(ctx, "list_jobs", &err)()
	return s.Store.ListJobs(ctx, merchantID, q)
}

// UpdateJob implements [store.Jobs].
func (s *timedStore) UpdateJob(ctx context.Context, merchantID, jobID string, u store.JobUpdate) (_ store.Job, err error) {
	defer s.timing(ctx, "update_job", &err)()
	return s.Store.UpdateJob(ctx, merchantID, jobID, u)
}

// ClaimJobs implements [store.Jobs].
func (s *timedStore) ClaimJobs(ctx context.Context, kinds []string, limit int, lease time.Duration) (_ []store.Job, err error) {
	defer s.timing(ctx, "claim_jobs", &err)()
	return s.Store.ClaimJobs(ctx, kinds, limit, lease)
}
