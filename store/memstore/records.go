package memstore

import (
	"maps"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// merchant is a tenant and all that belongs to it.
type merchant struct {
	id          string
	webhooks    map[string]*webhook
	list        []*webhook            // by creation, then id
	subscribers map[string][]*webhook // by event type: the active ones, by id
	events      index
	log         ledger[*event] // without tests
	notices     map[string]*notice
}

func newMerchant(id string) *merchant {
	return &merchant{
		id:          id,
		webhooks:    map[string]*webhook{},
		subscribers: map[string][]*webhook{},
		events:      newIndex(),
		notices:     map[string]*notice{},
	}
}

// webhook is an endpoint with its deliveries. Each delivery is in the ledger,
// and in one of tests, pending, leased and ended.
type webhook struct {
	store.Webhook

	owner      *merchant
	deliveries map[deliveryID]*delivery
	log        ledger[*delivery]
	stats      store.Stats

	tests   queue // pending tests, by due time
	pending queue // other pending deliveries, by due time
	leased  queue // by the lease's end
	ended   chain // as they ended
	bucket  bucket
	alarm   alarm

	// walked is as far as Prune has looked for paused deliveries: none up to this
	// sequence is pending, except tests.
	walked uint64

	// Places in the heaps of the same names in Store.
	inReady, inExpiring, inOldest, inFullest, inPaused int32
}

// alarm is what a webhook's notices have to know of those before. Times are in
// Unix milliseconds.
type alarm struct {
	epoch  int64 // of the last warning or disabling, 0 after a recovery
	rounds int64 // recoveries
	streak int64 // when the streak began
	since  int64 // when the streak began that led to the first notice since the last recovery
	warned int64 // when the last warning was, 0 if there was none
}

func newWebhook(owner *merchant, w store.Webhook) *webhook {
	return &webhook{Webhook: w, owner: owner, deliveries: map[deliveryID]*delivery{}}
}

func (w *webhook) active() bool { return w.Status == store.Active }

// waiting returns the queue in which a delivery waits for its time.
func (w *webhook) waiting(d *delivery) *queue {
	if d.event.test {
		return &w.tests
	}
	return &w.pending
}

// next returns the delivery that is to be claimed first if its time has come.
func (w *webhook) next(now int64) *delivery {
	if d := w.tests.first(); d != nil && d.at <= now {
		return d
	}
	if d := w.pending.first(); d != nil && d.at <= now && w.active() {
		return d
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

// event is what was published. It outlives its place in the merchant's events
// for as long as deliveries name it, but without its body.
type event struct {
	owner       *merchant
	id, kind    string
	test        bool
	body        []byte
	fingerprint string
	trace       string
	first       []deliveryID // of those that Publish made, by webhook id

	seq     uint64
	created int64
	pending int       // deliveries that have not ended
	last    *delivery // the youngest, which leads to the others
	twin    *event    // in an index
	inIdle  int32
}

func (e *event) born() key { return key{e.created, e.seq} }

func (e *event) view() store.Event {
	return store.Event{ID: e.id, Type: e.kind, Test: e.test, CreatedAt: stamp(e.created)}
}

// adopt makes d the youngest delivery of e.
func (e *event) adopt(d *delivery) {
	d.older = e.last
	if e.last != nil {
		e.last.younger = d
	}
	e.last = d
}

// disown takes d out of the deliveries of e.
func (e *event) disown(d *delivery) {
	if d.older != nil {
		d.older.younger = d.younger
	}
	if d.younger != nil {
		d.younger.older = d.older
	} else {
		e.last = d.older
	}
	d.older, d.younger = nil, nil
}

// find returns the delivery with that id, or nil.
func (w *webhook) find(deliveryID string) *delivery {
	id, ok := parseID(deliveryID)
	if !ok {
		return nil
	}
	return w.deliveries[id]
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
	id      deliveryID
	webhook *webhook
	event   *event
	seq     uint64
	created int64
	at      int64 // the time that the phase is about: due, lease's end, or end

	token int64
	epoch int64 // of the webhook when it was claimed
	log   []store.Attempt
	fault string // why it ended without an attempt

	prev, next     *delivery // in a chain
	older, younger *delivery // of the same event
	inRest         int32
	reclaims       int32
	phase          phase
	open           bool // the last lease has no result yet
}

func (d *delivery) born() key { return key{d.created, d.seq} }

func (d *delivery) key() key { return key{d.at, d.seq} }

func (d *delivery) pending() bool { return d.phase <= leased }

func (d *delivery) status() store.DeliveryStatus {
	switch d.phase {
	case succeeded:
		return store.DeliverySucceeded
	case failed:
		return store.DeliveryFailed
	default:
		return store.DeliveryPending
	}
}

// view shows d as of now. A lease that has ended is shown as such even if no
// claim has put the delivery back yet.
func (d *delivery) view(now int64) store.Delivery {
	out := store.Delivery{
		ID: d.id.String(), MerchantID: d.webhook.MerchantID, WebhookID: d.webhook.ID,
		EventID: d.event.id, EventType: d.event.kind, Test: d.event.test,
		Status: d.status(), Attempts: len(d.log), Reclaims: int(d.reclaims),
		CreatedAt: stamp(d.created),
	}
	if n := len(d.log); n > 0 {
		last := &d.log[n-1]
		out.StatusCode, out.Error, out.ResponseBody = last.StatusCode, last.Error, last.ResponseBody
		out.LastAttemptAt = last.At
	}
	if d.fault != "" {
		out.Error = d.fault
	}
	switch {
	case d.phase == leased && d.at > now:
		out.Leased = true
	case d.pending():
		out.DueAt = stamp(d.at)
	default:
		out.FinishedAt = stamp(d.at)
		if d.phase == succeeded {
			out.DeliveredAt = out.FinishedAt
		}
	}
	return out
}

// stamp turns Unix milliseconds into a time.
func stamp(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
