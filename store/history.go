package store

import "time"

// DeliveryStatus is what a merchant sees. A leased delivery is still pending.
type DeliveryStatus string

// A delivery is pending until it ends one way or the other.
const (
	DeliveryPending   DeliveryStatus = "pending"
	DeliverySucceeded DeliveryStatus = "success"
	DeliveryFailed    DeliveryStatus = "failed"
)

// CodeDamaged is the Code of a delivery that the store itself has ended because the
// delivery's record, or its event's, is damaged or gone. No attempt is added.
const CodeDamaged = "damaged"

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
	// the last one: see [Attempt]. A delivery that Prune or Cancel has ended has the Code
	// that it was given, such as [PruneRequest].PausedCode.
	Attempts     int
	StatusCode   int
	Code         string
	ResponseBody string

	Reclaims int
	Leased   bool

	CreatedAt     time.Time
	DueAt         time.Time // while pending and not leased
	LastAttemptAt time.Time
	DeliveredAt   time.Time // success only
	FinishedAt    time.Time // success and failed

	Log []Attempt // only from [History.Delivery]
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number       int           // from 1
	At           time.Time     // its end, by the store's clock
	Duration     time.Duration // measured by the dispatcher, to the millisecond
	StatusCode   int           // 0: no answer
	Code         string        // why it failed, in the caller's words; empty on success
	ResponseBody string        // valid UTF-8, cut by the dispatcher

	// Exchange is what else was sent and answered, in the caller's words and sealed by
	// it, opaque here; empty if it is not kept, at most [MaxExchange] bytes.
	Exchange string
}

// MaxExchange is the length of the longest [Attempt.Exchange] in bytes.
const MaxExchange = 16 << 10

// DeliveryQuery selects a page of deliveries.
type DeliveryQuery struct {
	Status    DeliveryStatus // empty: any
	EventType string         // empty: any
	Since     time.Time      // CreatedAt not before; zero: any
	Until     time.Time      // CreatedAt before; zero: any

	Limit  int    // at least 1
	Cursor string // from a page's Next
}

// DeliveryPage is a page of deliveries, newest first.
type DeliveryPage struct {
	Deliveries []Delivery
	Damaged    []string // ids of deliveries among these that cannot be read, if they are known
	Next       string
}

// CancelRequest says which pending deliveries of a webhook Cancel ends. Streak and
// attempts of the webhook stay, and so do attempts of the deliveries. A lease of one that it
// ends is over: whatever result comes for it answers [FinishStale] and changes nothing.
type CancelRequest struct {
	// DeliveryID names one, which may be a test. Empty means all that are pending when
	// the first step is made, tests left out: what is published later is not meant. A
	// delivery that is claimed, or comes back from a lease, between two steps may be
	// left pending.
	DeliveryID string

	Code   string // becomes the Code of what it ends, not empty
	Limit  int    // how many one step ends at most, at least 1; a store may end fewer
	Cursor string // from [Cancelled].Next
}

// Cancelled is what a step of Cancel did.
type Cancelled struct {
	Deliveries int    // that it has ended
	Next       string // continues, empty at the end
}

// Stats counts the kept deliveries of a webhook.
type Stats struct {
	Total     int64
	Succeeded int64
	Failed    int64
	Pending   int64
	Attempts  int64 // finished tries of all of them
}

// Event is a stored event.
type Event struct {
	ID        string
	Type      string
	Test      bool
	Body      []byte // only from [History.Event]; not to be changed
	CreatedAt time.Time

	// Delivered is the status of the youngest delivery of this event to
	// [EventQuery.WebhookID], empty if there is none.
	Delivered DeliveryStatus
}

// EventQuery selects a page of events.
type EventQuery struct {
	Newest    bool      // the newest first instead of the oldest
	Type      string    // empty: any
	Since     time.Time // CreatedAt not before; zero: any
	Until     time.Time // CreatedAt before; zero: any
	WebhookID string    // fills Event.Delivered; empty: not asked
	Limit     int       // at least 1
	Cursor    string    // from a page's Next
}

// EventPage is a page of events, in the order that was asked for. A store looks at a
// bounded number of them for one page, so one that is short or empty may have a Next.
type EventPage struct {
	Events []Event
	Next   string
}

// EventDeliveries tells what became of an event at the merchant's webhooks.
type EventDeliveries struct {
	// Published are the deliveries that Publish made, of webhooks that are still there.
	// Retention may have taken some.
	Published []PublishedDelivery

	// Deliveries are those that are kept, of Publish and of Enqueue, without their
	// attempts, in an order of the store's: at most [MaxEventDeliveries].
	Deliveries []Delivery
	Damaged    []string // ids of deliveries among these that cannot be read
}

// MaxEventDeliveries bounds [EventDeliveries].Deliveries. Of more, the store chooses, but at
// least one of each webhook comes first.
const MaxEventDeliveries = 10_000

// PruneRequest is a retention policy. Zero fields keep without bound.
type PruneRequest struct {
	// DeliveryAge removes deliveries that ended longer ago than this, and no other.
	DeliveryAge time.Duration
	// DeliveriesPerWebhook removes ended deliveries of a webhook beyond this many,
	// those that were made first before the others. At least so many stay, and once
	// nothing is left to do at most [PruneSlack] more, so that a store may remove
	// whole pages.
	DeliveriesPerWebhook int
	// PausedAge ends, as Failed with PausedCode, pending deliveries that were
	// created longer ago than this and whose webhook is disabled. Leased ones and
	// tests are left alone. No attempt is added and the streak stays.
	PausedAge  time.Duration
	PausedCode string
	// EventAge removes events that were published longer ago than this and have
	// no pending delivery. Their ids can then be published anew.
	EventAge time.Duration
	// NoticeAge removes notices that nobody acknowledged for so long.
	NoticeAge time.Duration
	// JobAge removes jobs that ended longer ago than this, and no other.
	JobAge time.Duration

	Limit int // at least 1
}

// PruneSlack is by how many the kept deliveries of a webhook may exceed
// [PruneRequest].DeliveriesPerWebhook.
const PruneSlack = 100

// Pruned counts what a Prune did.
type Pruned struct {
	Deliveries int // removed
	Paused     int // ended with PausedCode
	Events     int // removed
	Notices    int // removed
	Jobs       int // removed

	// Damaged tells of what was found unreadable since a Prune last told, each once, for
	// a line in a log. A store may tell of some only, and may lose what it had told when
	// an answer is lost: [Backlog.Damaged] counts all that it has noted.
	Damaged []Damage

	// More says that there may be more to do. It may be true once too often.
	More bool
}
