package storetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// call is one call of a faulty store: what goes in, and what came out once the
// model has answered it.
type call struct {
	m     *model
	on    string          // the method
	notes map[string]int  // what the fault remembers from call to call
	do    func()          // asks the model
	ctx   context.Context //nolint:containedctx // of this one call
	err   error

	// What a fault looks at where a call is about several.
	d      *modelDelivery
	w      *modelWebhook
	before store.Webhook
	was    modelBucket
	e      *store.NewEvent
	p      *store.Published
	l      *store.Lease
	r      *store.Result
	f      *store.Finished
	n      *store.NoticeLease
	mn     *modelNotice

	merchant, id string // of a webhook, an event or whatever the method names
	delivery     string
	limit        int
	version      int64
	token        int64
	lease        time.Duration

	given    store.Webhook
	update   store.WebhookUpdate
	out      store.Webhook
	webhookQ store.WebhookQuery
	webhookP store.WebhookPage
	merchQ   store.MerchantQuery
	merchP   store.MerchantPage
	troubleQ store.TroubledQuery
	changes  []store.Change
	fate     store.EventDeliveries

	events    []store.NewEvent
	published []store.Published
	eventIDs  []string
	nonce     string
	enqueued  []store.Enqueued
	pending   bool
	cancel    store.CancelRequest
	cancelled store.Cancelled
	claim     store.ClaimRequest
	claimed   store.Claimed
	results   []store.Result
	finished  []store.Finished
	prune     store.PruneRequest
	pruned    store.Pruned
	backlog   store.Backlog
	wake      func()

	event     store.Event
	eventQ    store.EventQuery
	eventP    store.EventPage
	shown     store.Delivery
	deliveryQ store.DeliveryQuery
	deliveryP store.DeliveryPage
	stats     store.Stats

	notice           store.Notice
	oldMark, newMark string
	added            bool
	notices          []store.NoticeLease

	job    store.Job
	jobU   store.JobUpdate
	jobQ   store.JobQuery
	jobP   store.JobPage
	jobs   []store.Job
	kinds  []string
	begin  store.SeenBegin
	answer store.SeenAnswer
	holder string
	value  []byte
}

// faulty is the model with a fault.
type faulty struct {
	mu    sync.Mutex // held for a call, for a fault does more than the model locks
	m     *model
	fault fault
	notes map[string]int
}

// ask makes a call, or lets the fault make it. A Watch blocks, and a fault between
// goroutines locks for itself.
func (f *faulty) ask(ctx context.Context, c call, on string, do func(c *call)) *call {
	if on != "Watch" && !strings.HasPrefix(f.fault.by, "concurrency/") {
		f.mu.Lock()
		defer f.mu.Unlock()
	}
	c.ctx, c.m, c.on, c.notes = ctx, f.m, on, f.notes
	c.do = func() { do(&c) }
	if slices.Contains(strings.Fields(f.fault.on), on) {
		f.fault.play(&c)
	} else {
		c.do()
	}
	return &c
}

func (f *faulty) Changes(ctx context.Context, merchantID, id string) ([]store.Change, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id}, "Changes", func(c *call) { c.changes, c.err = f.m.Changes(ctx, c.merchant, c.id) })
	return c.changes, c.err
}

func (f *faulty) Troubled(ctx context.Context, q store.TroubledQuery) (store.WebhookPage, error) {
	c := f.ask(ctx, call{troubleQ: q}, "Troubled", func(c *call) { c.webhookP, c.err = f.m.Troubled(ctx, c.troubleQ) })
	return c.webhookP, c.err
}

func (f *faulty) EventDeliveries(ctx context.Context, merchantID, id string) (store.EventDeliveries, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id}, "EventDeliveries", func(c *call) { c.fate, c.err = f.m.EventDeliveries(ctx, c.merchant, c.id) })
	return c.fate, c.err
}

func (f *faulty) Volatile() bool { return f.fault.on != "Volatile" }

func (f *faulty) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: w.ID, given: w, limit: limit}, "CreateWebhook", func(c *call) { c.out, c.err = f.m.CreateWebhook(ctx, c.merchant, c.given, c.limit) })
	return c.out, c.err
}

func (f *faulty) Webhook(ctx context.Context, merchantID, id string) (store.Webhook, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id}, "Webhook", func(c *call) { c.out, c.err = f.m.Webhook(ctx, c.merchant, c.id) })
	return c.out, c.err
}

func (f *faulty) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
	c := f.ask(ctx, call{merchant: merchantID, webhookQ: q}, "ListWebhooks", func(c *call) { c.webhookP, c.err = f.m.ListWebhooks(ctx, c.merchant, c.webhookQ) })
	return c.webhookP, c.err
}

func (f *faulty) UpdateWebhook(ctx context.Context, merchantID, id string, u store.WebhookUpdate) (store.Webhook, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id, update: u}, "UpdateWebhook", func(c *call) { c.out, c.err = f.m.UpdateWebhook(ctx, c.merchant, c.id, c.update) })
	return c.out, c.err
}

func (f *faulty) DeleteWebhook(ctx context.Context, merchantID, id string, ifVersion int64) error {
	return f.ask(ctx, call{merchant: merchantID, id: id, version: ifVersion}, "DeleteWebhook", func(c *call) { c.err = f.m.DeleteWebhook(ctx, c.merchant, c.id, c.version) }).err
}

func (f *faulty) Merchants(ctx context.Context, q store.MerchantQuery) (store.MerchantPage, error) {
	c := f.ask(ctx, call{merchQ: q}, "Merchants", func(c *call) { c.merchP, c.err = f.m.Merchants(ctx, c.merchQ) })
	return c.merchP, c.err
}

func (f *faulty) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	c := f.ask(ctx, call{merchant: merchantID, events: events}, "Publish", func(c *call) { c.published, c.err = f.m.Publish(ctx, c.merchant, c.events) })
	return c.published, c.err
}

func (f *faulty) Enqueue(ctx context.Context, merchantID, id string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id, eventIDs: eventIDs, nonce: nonce, limit: maxPending}, "Enqueue", func(c *call) {
		c.enqueued, c.err = f.m.Enqueue(ctx, c.merchant, c.id, c.eventIDs, c.nonce, c.limit)
	})
	return c.enqueued, c.err
}

func (f *faulty) Expedite(ctx context.Context, merchantID, id, deliveryID string) (bool, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id, delivery: deliveryID}, "Expedite", func(c *call) { c.pending, c.err = f.m.Expedite(ctx, c.merchant, c.id, c.delivery) })
	return c.pending, c.err
}

func (f *faulty) Cancel(ctx context.Context, merchantID, id string, r store.CancelRequest) (store.Cancelled, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id, cancel: r}, "Cancel", func(c *call) { c.cancelled, c.err = f.m.Cancel(ctx, c.merchant, c.id, c.cancel) })
	return c.cancelled, c.err
}

func (f *faulty) Claim(ctx context.Context, r store.ClaimRequest) (store.Claimed, error) {
	c := f.ask(ctx, call{claim: r}, "Claim", func(c *call) { c.claimed, c.err = f.m.Claim(ctx, c.claim) })
	return c.claimed, c.err
}

func (f *faulty) Finish(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
	c := f.ask(ctx, call{results: slices.Clone(rs)}, "Finish", func(c *call) { c.finished, c.err = f.m.Finish(ctx, c.results) })
	return c.finished, c.err
}

func (f *faulty) Watch(ctx context.Context, wake func()) error {
	return f.ask(ctx, call{wake: wake}, "Watch", func(c *call) { c.err = f.m.Watch(ctx, c.wake) }).err
}

func (f *faulty) Prune(ctx context.Context, p store.PruneRequest) (store.Pruned, error) {
	c := f.ask(ctx, call{prune: p}, "Prune", func(c *call) { c.pruned, c.err = f.m.Prune(ctx, c.prune) })
	return c.pruned, c.err
}

func (f *faulty) Backlog(ctx context.Context) (store.Backlog, error) {
	c := f.ask(ctx, call{}, "Backlog", func(c *call) { c.backlog, c.err = f.m.Backlog(ctx) })
	return c.backlog, c.err
}

func (f *faulty) Event(ctx context.Context, merchantID, id string) (store.Event, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id}, "Event", func(c *call) { c.event, c.err = f.m.Event(ctx, c.merchant, c.id) })
	return c.event, c.err
}

func (f *faulty) Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error) {
	c := f.ask(ctx, call{merchant: merchantID, eventQ: q}, "Events", func(c *call) { c.eventP, c.err = f.m.Events(ctx, c.merchant, c.eventQ) })
	return c.eventP, c.err
}

func (f *faulty) Delivery(ctx context.Context, merchantID, id, deliveryID string) (store.Delivery, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id, delivery: deliveryID}, "Delivery", func(c *call) { c.shown, c.err = f.m.Delivery(ctx, c.merchant, c.id, c.delivery) })
	return c.shown, c.err
}

func (f *faulty) Deliveries(ctx context.Context, merchantID, id string, q store.DeliveryQuery) (store.DeliveryPage, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id, deliveryQ: q}, "Deliveries", func(c *call) { c.deliveryP, c.err = f.m.Deliveries(ctx, c.merchant, c.id, c.deliveryQ) })
	return c.deliveryP, c.err
}

func (f *faulty) Stats(ctx context.Context, merchantID, id string) (store.Stats, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id}, "Stats", func(c *call) { c.stats, c.err = f.m.Stats(ctx, c.merchant, c.id) })
	return c.stats, c.err
}

func (f *faulty) AddNotice(ctx context.Context, merchantID string, n store.Notice, oldMark, newMark string) (bool, error) {
	c := f.ask(ctx, call{merchant: merchantID, notice: n, oldMark: oldMark, newMark: newMark}, "AddNotice", func(c *call) { c.added, c.err = f.m.AddNotice(ctx, c.merchant, c.notice, c.oldMark, c.newMark) })
	return c.added, c.err
}

func (f *faulty) ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]store.NoticeLease, error) {
	c := f.ask(ctx, call{limit: limit, lease: lease}, "ClaimNotices", func(c *call) { c.notices, c.err = f.m.ClaimNotices(ctx, c.limit, c.lease) })
	return c.notices, c.err
}

func (f *faulty) DeferNotice(ctx context.Context, merchantID, id string, token int64, delay time.Duration) error {
	return f.ask(ctx, call{merchant: merchantID, id: id, token: token, lease: delay}, "DeferNotice", func(c *call) { c.err = f.m.DeferNotice(ctx, c.merchant, c.id, c.token, c.lease) }).err
}

func (f *faulty) AckNotice(ctx context.Context, merchantID, id string) error {
	return f.ask(ctx, call{merchant: merchantID, id: id}, "AckNotice", func(c *call) { c.err = f.m.AckNotice(ctx, c.merchant, c.id) }).err
}

func (f *faulty) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	c := f.ask(ctx, call{merchant: scope, id: id, begin: b}, "BeginSeen", func(c *call) { c.answer, c.err = f.m.BeginSeen(ctx, c.merchant, c.id, c.begin) })
	return c.answer, c.err
}

func (f *faulty) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	return f.ask(ctx, call{merchant: scope, id: id, holder: holder, value: value, lease: ttl}, "CommitSeen", func(c *call) { c.err = f.m.CommitSeen(ctx, c.merchant, c.id, c.holder, c.value, c.lease) }).err
}

func (f *faulty) ForgetSeen(ctx context.Context, scope, id, holder string) error {
	return f.ask(ctx, call{merchant: scope, id: id, holder: holder}, "ForgetSeen", func(c *call) { c.err = f.m.ForgetSeen(ctx, c.merchant, c.id, c.holder) }).err
}

func (f *faulty) AddJob(ctx context.Context, merchantID string, j store.Job) (store.Job, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: j.ID, job: j}, "AddJob", func(c *call) { c.job, c.err = f.m.AddJob(ctx, c.merchant, c.job) })
	return c.job, c.err
}

func (f *faulty) Job(ctx context.Context, merchantID, id string) (store.Job, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id}, "Job", func(c *call) { c.job, c.err = f.m.Job(ctx, c.merchant, c.id) })
	return c.job, c.err
}

func (f *faulty) ListJobs(ctx context.Context, merchantID string, q store.JobQuery) (store.JobPage, error) {
	c := f.ask(ctx, call{merchant: merchantID, jobQ: q}, "ListJobs", func(c *call) { c.jobP, c.err = f.m.ListJobs(ctx, c.merchant, c.jobQ) })
	return c.jobP, c.err
}

func (f *faulty) UpdateJob(ctx context.Context, merchantID, id string, u store.JobUpdate) (store.Job, error) {
	c := f.ask(ctx, call{merchant: merchantID, id: id, jobU: u}, "UpdateJob", func(c *call) { c.job, c.err = f.m.UpdateJob(ctx, c.merchant, c.id, c.jobU) })
	return c.job, c.err
}

func (f *faulty) ClaimJobs(ctx context.Context, kinds []string, limit int, lease time.Duration) ([]store.Job, error) {
	c := f.ask(ctx, call{kinds: kinds, limit: limit, lease: lease}, "ClaimJobs", func(c *call) { c.jobs, c.err = f.m.ClaimJobs(ctx, c.kinds, c.limit, c.lease) })
	return c.jobs, c.err
}

// set sets a value under a condition.
func set[T any](when bool, p *T, v T) {
	if when {
		*p = v
	}
}

// after makes a fault that changes something once the model has answered.
func after(change func(c *call)) func(c *call) {
	return func(c *call) { c.do(); change(c) }
}

// done is after, if there was no error.
func done(change func(c *call)) func(c *call) {
	return after(where(func(c *call) bool { return c.err == nil }, change))
}

// where makes a change of which a condition decides.
func where(is func(c *call) bool, change func(c *call)) func(c *call) {
	return func(c *call) {
		if is(c) {
			change(c)
		}
	}
}

// instead makes a fault that answers without the model under a condition.
func instead(of func(c *call) bool, play func(c *call)) func(c *call) {
	return func(c *call) {
		if of(c) {
			play(c)
			return
		}
		c.do()
	}
}

// deliveries, webhooks and events make a change of each that the model has.
func deliveries(change func(c *call)) func(c *call) {
	return func(c *call) {
		for _, c.d = range slices.Clone(c.m.deliveries) {
			change(c)
		}
	}
}

func webhooks(change func(c *call)) func(c *call) {
	return func(c *call) {
		for _, c.w = range c.m.webhooks {
			change(c)
		}
	}
}

func events(change func(c *call, e *modelEvent)) func(c *call) {
	return func(c *call) {
		for _, e := range slices.Clone(c.m.events) {
			change(c, e)
		}
	}
}

// someWebhook says that a webhook is like that, and leaves it in the call.
func someWebhook(is func(c *call) bool) func(c *call) bool {
	return func(c *call) bool {
		for _, c.w = range c.m.webhooks {
			if is(c) {
				return true
			}
		}
		return false
	}
}
