package memstore

import (
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// merchant is a tenant and all that belongs to it.
type merchant struct {
	id          string
	webhooks    map[string]*webhook
	byAge       []*webhook            // all of them, oldest first, ties by id
	subscribers map[string][]*webhook // the active ones, under each of their event types
	events      map[string]*event
	log         series[event] // all but tests
}

// webhook is an endpoint with its deliveries.
type webhook struct {
	store.Webhook

	disabler disabler       // the result that disabled it last
	changes  []store.Change // the last ones, oldest first

	owner      *merchant
	deliveries series[delivery]
	stats      store.Stats
	enqueued   map[*event][]enqueued

	// Each delivery waits in tests or pending, or is in leased, or in ended and byEnd.
	tests   heap[*delivery] // by due time
	pending queue           // all that wait and are no tests, by due time
	leased  heap[*delivery] // by the lease's end
	ended   heap[*delivery] // by number
	byEnd   heap[*delivery] // by end

	bucket bucket
	held   int64  // until then Claim takes nothing but tests, in Unix milliseconds
	walked uint64 // Prune has looked for paused deliveries up to this number, and there are none

	inReady, inExpiring, inOldest, inFullest, inPaused int32 // places in the heaps of Store
}

// enqueued is a delivery that Enqueue has made.
type enqueued struct {
	nonce    string
	delivery *delivery
}

func newWebhook(owner *merchant, w store.Webhook) *webhook {
	made := &webhook{
		Webhook:    w,
		owner:      owner,
		deliveries: series[delivery]{prefix: newPrefix("whdel_")},
		enqueued:   map[*event][]enqueued{},
		tests:      newHeap((*delivery).heapPlace),
		leased:     newHeap((*delivery).heapPlace),
		ended:      newHeap((*delivery).heapPlace),
		byEnd:      newHeap(func(d *delivery) *int32 { return &d.inByEnd }),
	}
	made.pending = queue{all: &made.deliveries, next: 1, later: newHeap((*delivery).heapPlace)}
	return made
}

// newPrefix begins ids that no other series has given out or will give out.
func newPrefix(kind string) string { return kind + rand.Text()[:16] + "-" }

// note keeps a change.
func (w *webhook) note(c store.Change) {
	c.Events = slices.Clone(c.Events)
	w.changes = append(w.changes, c)
	w.changes = w.changes[max(0, len(w.changes)-store.MaxChanges):]
}

// troubled says that w is to be seen in trouble.
func (w *webhook) troubled() bool { return !w.active() || !w.UnwellSince.IsZero() }

func (w *webhook) active() bool { return w.Status == store.Active }

// find returns the delivery with that id, or nil.
func (w *webhook) find(deliveryID string) *delivery {
	if number, ok := w.deliveries.number(deliveryID); ok {
		return w.deliveries.at(number)
	}
	return nil
}

// dropPrevious empties the previous secret if its time is over.
func (w *webhook) dropPrevious(now int64) {
	if w.PreviousUntil.UnixMilli() <= now {
		w.PreviousSecret, w.PreviousUntil = "", time.Time{}
	}
}

func (w *webhook) view(now int64) store.Webhook {
	w.dropPrevious(now)
	out := w.Webhook
	out.Events = slices.Clone(out.Events)
	out.Metadata = maps.Clone(out.Metadata)
	return out
}

// event is what was published. Deliveries name it for longer than the merchant has it,
// but then it has no body.
type event struct {
	owner       *merchant
	id, kind    string
	test        bool
	forged      bool
	body        []byte
	fingerprint string
	trace       string
	first       []published

	number  uint64 // in the merchant's log; 0 for a test
	created int64
	pending int32 // deliveries that have not ended
	inIdle  int32 // place in a heap of Store
}

// published names a delivery that Publish has made. The delivery itself may be pruned.
type published struct {
	webhook *webhook
	number  uint64
}

func (e *event) key() key { return key{e.created, e.number} }

func (e *event) view() store.Event {
	return store.Event{ID: e.id, Type: e.kind, Test: e.test, CreatedAt: stamp(e.created)}
}

// youngest returns the youngest delivery of e to w that is kept, or nil.
func (e *event) youngest(w *webhook) *delivery {
	if list := w.enqueued[e]; len(list) > 0 {
		return list[len(list)-1].delivery
	}
	for _, p := range e.first {
		if p.webhook == w {
			return w.deliveries.at(p.number)
		}
	}
	return nil
}

// disabler is a result.
type disabler struct {
	of    *delivery
	token int64
}

// phase is where a delivery is.
type phase uint8

const (
	waiting phase = iota
	leased
	succeeded
	failed
)

// delivery is one event on its way to one webhook.
type delivery struct {
	webhook *webhook
	event   *event
	number  uint64 // in the webhook's deliveries
	created int64
	at      int64 // what the phase is about: when it is due, its lease ends, or it ended

	token int64
	epoch int64  // of the webhook when it was claimed
	claim *claim // that it is leased by, if the claim has a key
	log   []store.Attempt
	code  string // why it ended without an attempt

	reclaims int32
	place    int32 // in a heap of the webhook other than byEnd
	inByEnd  int32
	phase    phase
	open     bool // the last lease has no result yet
}

func (d *delivery) heapPlace() *int32 { return &d.place }

func (d *delivery) id() string { return d.webhook.deliveries.id(d.number) }

func (d *delivery) key() key { return key{d.at, d.number} }

// isNew says that d waits and is no test, and never did anything else.
func (d *delivery) isNew() bool { return d.phase == waiting && d.place == 0 }

func (d *delivery) pending() bool { return d.phase <= leased }

func (d *delivery) status() store.DeliveryStatus {
	return [...]store.DeliveryStatus{store.DeliveryPending, store.DeliveryPending, store.DeliverySucceeded, store.DeliveryFailed}[d.phase]
}

func (d *delivery) view() store.Delivery {
	out := store.Delivery{
		ID: d.id(), MerchantID: d.webhook.MerchantID, WebhookID: d.webhook.ID,
		EventID: d.event.id, EventType: d.event.kind, Test: d.event.test,
		Status: d.status(), Attempts: len(d.log), Reclaims: int(d.reclaims),
		Leased: d.phase == leased, CreatedAt: stamp(d.created),
	}
	if n := len(d.log); n > 0 {
		last := d.log[n-1]
		out.StatusCode, out.Code, out.ResponseBody, out.LastAttemptAt = last.StatusCode, last.Code, last.ResponseBody, last.At
	}
	if d.code != "" {
		out.Code = d.code
	}
	switch d.phase {
	case waiting:
		out.DueAt = stamp(d.at)
	case leased:
	case succeeded:
		out.DeliveredAt, out.FinishedAt = stamp(d.at), stamp(d.at)
	case failed:
		out.FinishedAt = stamp(d.at)
	}
	return out
}

// stamp turns Unix milliseconds into a time.
func stamp(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
