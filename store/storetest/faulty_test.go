package storetest

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// faulty is the model with some methods gone wrong. A method that is set
// replaces the model's, which it can still call.
type faulty struct {
	*model
	create   func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error)
	webhooks func(m *model, merchantID string, q store.WebhookQuery) (store.WebhookPage, error)
	read     func(m *model, merchantID, webhookID string) (store.Webhook, error)
	update   func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error)
	remove   func(m *model, merchantID, webhookID string, ifVersion int64) error
	publish  func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error)
	enqueue  func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error)
	claim    func(m *model, c store.ClaimRequest) (store.Claimed, error)
	finish   func(m *model, results []store.Result) ([]store.Finished, error)
	watch    func(ctx context.Context, m *model, wake func()) error
	event    func(m *model, merchantID, eventID string) (store.Event, error)
	events   func(m *model, merchantID string, q store.EventQuery) (store.EventPage, error)
	delivery func(m *model, merchantID, webhookID, deliveryID string) (store.Delivery, error)
	list     func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error)
	stats    func(m *model, merchantID, webhookID string) (store.Stats, error)
	prune    func(m *model, p store.PruneRequest) (store.Pruned, error)
	notices  func(m *model, limit int, lease time.Duration) ([]store.NoticeLease, error)
	put      func(m *model, merchantID, noticeID string, token int64, delay time.Duration) error
	ack      func(m *model, merchantID, noticeID string) error
	begin    func(m *model, scope, id string, b store.SeenBegin) (store.SeenAnswer, error)
	commit   func(m *model, scope, id, holder string, value []byte, ttl time.Duration) error
	forget   func(m *model, scope, id, holder string) error
	backlog  func(m *model) (store.Backlog, error)
}

func (f *faulty) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
	if f.create != nil {
		return f.create(f.model, merchantID, w, limit)
	}
	return f.model.CreateWebhook(ctx, merchantID, w, limit)
}

func (f *faulty) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
	if f.webhooks != nil {
		return f.webhooks(f.model, merchantID, q)
	}
	return f.model.ListWebhooks(ctx, merchantID, q)
}

func (f *faulty) Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error) {
	if f.read != nil {
		return f.read(f.model, merchantID, webhookID)
	}
	return f.model.Webhook(ctx, merchantID, webhookID)
}

func (f *faulty) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	if f.update != nil {
		return f.update(f.model, merchantID, webhookID, u)
	}
	return f.model.UpdateWebhook(ctx, merchantID, webhookID, u)
}

func (f *faulty) DeleteWebhook(ctx context.Context, merchantID, webhookID string, ifVersion int64) error {
	if f.remove != nil {
		return f.remove(f.model, merchantID, webhookID, ifVersion)
	}
	return f.model.DeleteWebhook(ctx, merchantID, webhookID, ifVersion)
}

func (f *faulty) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	if f.publish != nil {
		return f.publish(f.model, merchantID, events)
	}
	return f.model.Publish(ctx, merchantID, events)
}

func (f *faulty) Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
	if f.enqueue != nil {
		return f.enqueue(f.model, merchantID, webhookID, eventIDs, nonce)
	}
	return f.model.Enqueue(ctx, merchantID, webhookID, eventIDs, nonce)
}

func (f *faulty) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	if f.claim != nil {
		return f.claim(f.model, c)
	}
	return f.model.Claim(ctx, c)
}

func (f *faulty) Finish(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	if f.finish != nil {
		return f.finish(f.model, results)
	}
	return f.model.Finish(ctx, results)
}

func (f *faulty) Watch(ctx context.Context, wake func()) error {
	if f.watch != nil {
		return f.watch(ctx, f.model, wake)
	}
	return f.model.Watch(ctx, wake)
}

func (f *faulty) Event(ctx context.Context, merchantID, eventID string) (store.Event, error) {
	if f.event != nil {
		return f.event(f.model, merchantID, eventID)
	}
	return f.model.Event(ctx, merchantID, eventID)
}

func (f *faulty) Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	if f.events != nil {
		return f.events(f.model, merchantID, q)
	}
	return f.model.Events(ctx, merchantID, q)
}

func (f *faulty) Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	if f.delivery != nil {
		return f.delivery(f.model, merchantID, webhookID, deliveryID)
	}
	return f.model.Delivery(ctx, merchantID, webhookID, deliveryID)
}

func (f *faulty) Deliveries(ctx context.Context, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	if f.list != nil {
		return f.list(f.model, merchantID, webhookID, q)
	}
	return f.model.Deliveries(ctx, merchantID, webhookID, q)
}

func (f *faulty) Stats(ctx context.Context, merchantID, webhookID string) (store.Stats, error) {
	if f.stats != nil {
		return f.stats(f.model, merchantID, webhookID)
	}
	return f.model.Stats(ctx, merchantID, webhookID)
}

func (f *faulty) Prune(ctx context.Context, p store.PruneRequest) (store.Pruned, error) {
	if f.prune != nil {
		return f.prune(f.model, p)
	}
	return f.model.Prune(ctx, p)
}

func (f *faulty) ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	if f.notices != nil {
		return f.notices(f.model, limit, lease)
	}
	return f.model.ClaimNotices(ctx, limit, lease)
}

func (f *faulty) DeferNotice(ctx context.Context, merchantID, noticeID string, token int64, delay time.Duration) error {
	if f.put != nil {
		return f.put(f.model, merchantID, noticeID, token, delay)
	}
	return f.model.DeferNotice(ctx, merchantID, noticeID, token, delay)
}

func (f *faulty) AckNotice(ctx context.Context, merchantID, noticeID string) error {
	if f.ack != nil {
		return f.ack(f.model, merchantID, noticeID)
	}
	return f.model.AckNotice(ctx, merchantID, noticeID)
}

func (f *faulty) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	if f.begin != nil {
		return f.begin(f.model, scope, id, b)
	}
	return f.model.BeginSeen(ctx, scope, id, b)
}

func (f *faulty) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	if f.commit != nil {
		return f.commit(f.model, scope, id, holder, value, ttl)
	}
	return f.model.CommitSeen(ctx, scope, id, holder, value, ttl)
}

func (f *faulty) ForgetSeen(ctx context.Context, scope, id, holder string) error {
	if f.forget != nil {
		return f.forget(f.model, scope, id, holder)
	}
	return f.model.ForgetSeen(ctx, scope, id, holder)
}
