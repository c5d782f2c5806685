package webhook

import (
	"encoding/json"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// Publication is what became of a published event.
type Publication struct {
	EventID    string
	Deliveries []PublishedDelivery // one for each active webhook that subscribes to it, in no order
	Duplicate  bool                // the event was published before; nothing was stored now

	// Missed are the ids of the webhooks that subscribe to it and got no delivery, because
	// as many of theirs are pending as may be: see [Limits].Pending. The event is kept, and a
	// replay sends it. A repeated publication has none.
	Missed []string

	// Deferred says that the event was written in a host's transaction: see
	// [Service.PublishTo]. Its deliveries are made after the commit, for the webhooks
	// that subscribe then, so Deliveries is empty.
	Deferred bool
}

// PublishedDelivery names a delivery that publishing has made.
type PublishedDelivery struct {
	WebhookID string
	ID        string
}

// DeliveryStatus is what has become of a delivery so far.
type DeliveryStatus string

// A delivery is pending until it ends one way or the other.
const (
	DeliveryPending   = DeliveryStatus(store.DeliveryPending)
	DeliverySucceeded = DeliveryStatus(store.DeliverySucceeded)
	DeliveryFailed    = DeliveryStatus(store.DeliveryFailed)
)

// Delivery is one event on its way to one webhook.
type Delivery struct {
	ID         string
	MerchantID string
	WebhookID  string
	EventID    string
	EventType  string
	Test       bool
	Status     DeliveryStatus

	// Attempts counts finished tries. StatusCode, Code and ResponseBody are those of
	// the last one: see [Attempt].
	Attempts     int
	StatusCode   int
	Code         Code
	ResponseBody string

	Reclaims int  // tries that ended without a result, or in a fault of this side
	Leased   bool // a try is under way

	CreatedAt     time.Time
	DueAt         time.Time // of the next try; zero while a try is under way and after the end
	LastAttemptAt time.Time
	DeliveredAt   time.Time // success only
	FinishedAt    time.Time // success and failed

	Log []Attempt // oldest first; empty in lists
}

func newDelivery(d *store.Delivery) Delivery {
	out := Delivery{
		ID: d.ID, MerchantID: d.MerchantID, WebhookID: d.WebhookID, EventID: d.EventID, EventType: d.EventType,
		Test: d.Test, Status: DeliveryStatus(d.Status),
		Attempts: d.Attempts, StatusCode: d.StatusCode, Code: Code(d.Code), ResponseBody: d.ResponseBody,
		Reclaims: d.Reclaims, Leased: d.Leased,
		CreatedAt: d.CreatedAt, DueAt: d.DueAt, LastAttemptAt: d.LastAttemptAt, DeliveredAt: d.DeliveredAt, FinishedAt: d.FinishedAt,
	}
	for _, a := range d.Log {
		out.Log = append(out.Log, Attempt{
			Number: a.Number, At: a.At, Duration: a.Duration,
			StatusCode: a.StatusCode, Code: Code(a.Code), ResponseBody: a.ResponseBody,
		})
	}
	return out
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number       int           // from 1
	At           time.Time     // its end, by the store's clock
	Duration     time.Duration // to the millisecond
	StatusCode   int           // 0: no answer
	Code         Code          // why it failed; empty on success
	ResponseBody string        // at most 1,000 characters, valid UTF-8

	// Exchange is nil if it was not kept, or no key opens it.
	Exchange *Exchange
}

// Exchange is where an attempt went, with the headers of the request and of the answer. Of an
// attempt that posted more than once, around a rotation, it is the last post.
type Exchange struct {
	URL      string
	Request  []HeaderField
	Response []HeaderField // by name, as far as 2 KiB reach; empty without an answer
}

// HeaderField is a header. Signatures show. The values of a webhook's own headers, and of
// those that the host adds, traces aside, are Hidden, and so are cookies of an answer and
// whatever in it holds one of those values: they are not kept.
type HeaderField struct {
	Name   string
	Value  string
	Hidden bool
}

// DeliveryDetail is a delivery with what was sent.
type DeliveryDetail struct {
	Delivery

	// Payload is the body as JSON: the canonical event, or what the [event.Shape] of the
	// catalog made of it. It is nil once the event log has dropped it, and if it is no JSON.
	Payload json.RawMessage

	// Sent is what is sent of the event under the standard encoding, beside the headers of
	// the delivery. Its body is nil once the event log has dropped it.
	Sent event.Shaped
}

// DeliveryQuery selects a page of deliveries.
type DeliveryQuery struct {
	Status    DeliveryStatus // empty: any
	EventType string         // empty: any
	EventID   string         // empty: any; the deliveries of one event are one page
	Since     time.Time      // CreatedAt not before; zero: any
	Until     time.Time      // CreatedAt before; zero: any

	Limit  int    // 1 to 1000
	Offset int    // how many to leave out
	Cursor string // from a page's Next; not together with Offset
}

// DeliveryPage is a page of deliveries, newest first.
type DeliveryPage struct {
	Deliveries []Delivery

	// Damaged are the ids of deliveries among these that the store cannot read, as far as
	// it knows them. They do not count for Limit.
	Damaged []string

	// Next continues after this page, empty at the end. Following it shows no
	// delivery twice and leaves none out that was there at the start and was not
	// pruned, however many are added meanwhile. A page that looked at very many
	// deliveries to find few has fewer than Limit, and a Next.
	Next string
}

// Stats counts a webhook's kept deliveries.
type Stats struct {
	Total     int64
	Succeeded int64
	Failed    int64
	Pending   int64
	Attempts  int64 // finished tries of all of them
}

// Count returns how many have a status, or all of them if it is empty.
func (s Stats) Count(status DeliveryStatus) int64 {
	switch status {
	case DeliveryPending:
		return s.Pending
	case DeliverySucceeded:
		return s.Succeeded
	case DeliveryFailed:
		return s.Failed
	}
	return s.Total
}

// EventRecord is an event of the log: everything that was published is there, whether or
// not anybody subscribed to it, for [Retention].Events and for as long as a delivery of it
// is pending.
type EventRecord struct {
	ID        string
	Type      string
	Test      bool
	CreatedAt time.Time // when it was published, by the store's clock
}

// Cancelled is what [Service.CancelPending] did.
type Cancelled struct {
	Deliveries int  // that it has given up
	More       bool // more may be left, because there were so many: call again
}
