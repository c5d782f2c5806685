package store

import "time"

// NewEvent is an event to publish.
type NewEvent struct {
	ID          string
	Type        string
	Body        []byte // the canonical envelope; stored once, opaque
	Fingerprint string // what "the same event again" means to the caller; opaque
	Trace       string // handed out with each lease of the event; opaque

	// Test, if set, is the id of a webhook. The event goes to that webhook only,
	// whatever its status and subscriptions, and is not listed by Events. If the
	// merchant has no such webhook, Publish fails with [ErrNotFound].
	Test string

	// MaxPending, if above 0, bounds what waits: a webhook that has so many pending
	// deliveries gets none of this event, and is told in [Published].Missed. A test is
	// delivered all the same. A [Publisher] of a caller's transaction keeps it for later.
	MaxPending int

	// Forged is a note of the caller's about a test, that its signature is to be
	// wrong. It is handed out with the lease.
	Forged bool
}

// Published answers for one event.
type Published struct {
	// Deliveries has one for each webhook that got one when the event was first
	// published, in no order. It is empty if Conflict or Deferred is set. Of a
	// repeated event, a store may leave out those whose webhook was deleted.
	Deliveries []PublishedDelivery

	// Missed are the ids of the webhooks that were active and subscribed, and got no
	// delivery because of [NewEvent].MaxPending, in no order. The event is stored all the
	// same. It is empty if Duplicate is set.
	Missed []string

	Duplicate bool // the event was published before with this fingerprint
	Conflict  bool // the id was published before with another one
	Deferred  bool // the deliveries are made after the commit: see [Publisher]
}

// PublishedDelivery is a delivery that Publish has made. Its ID is the store's:
// "whdel_" and up to 34 letters, digits, '-' or '_', unique and never used again.
type PublishedDelivery struct {
	WebhookID string
	ID        string
}

// Enqueued answers for one event. No field set means that the event is not stored.
type Enqueued struct {
	DeliveryID string

	// Full says that [MaxEnqueued] deliveries of this event to this webhook, made by
	// Enqueue, are kept, and that no further one was made.
	Full bool

	// Crowded says that the webhook has as many pending deliveries as it may have, and
	// that no further one was made.
	Crowded bool
}

// MaxEnqueued is how many kept deliveries of one event to one webhook Enqueue can
// have made.
const MaxEnqueued = 20

// ClaimRequest says how much the caller can take.
type ClaimRequest struct {
	Limit int           // how many deliveries at most, at least 1
	Lease time.Duration // how long they are hidden, at least a millisecond

	// PerWebhook bounds the leased deliveries of one webhook over all callers,
	// at least 1. Processes that share a store should agree on it.
	PerWebhook int

	// MaxBytes bounds the bodies of one answer, in bytes; 0 is no bound. At least one
	// delivery is taken, however large. A store may count a body that several leases
	// share once or more often.
	MaxBytes int

	// Key, if set, names this claim, so that the caller can ask for it again when its
	// answer was lost. A Claim with the Key of an earlier one answers those of its
	// leases that last and have no result, with their old end, and takes nothing more
	// if there are any. A key has up to 64 letters, digits, '-' or '_', and is of one
	// claim only. The caller repeats it with the same request.
	Key string
}

// Claimed is what a Claim took.
type Claimed struct {
	Leases []Lease

	// Again says that these are leases of an earlier claim with the same Key.
	Again bool

	// At is the store's present time.
	At time.Time

	// Next is how long nothing more will be claimable unless something happens:
	// 0 if there may be more right now, negative if nothing is waiting at all.
	// It may be too short, never too long. An empty answer with a Next of 0 means
	// that somebody else is at it: pause before you ask again.
	Next time.Duration

	// Notices says that ClaimNotices would find something, and Jobs that ClaimJobs
	// would, of one kind or another.
	Notices bool
	Jobs    bool
}

// Lease is the right to try one delivery until the lease ends. Body may share
// memory with the store and other leases and must not be changed.
type Lease struct {
	MerchantID string
	WebhookID  string
	DeliveryID string
	EventID    string
	EventType  string
	Test       bool
	Forged     bool // see [NewEvent]
	Body       []byte
	Trace      string // of the event as it was first published

	Token    int64 // fences this lease: pass it to Finish
	Attempts int   // tries that were finished so far
	Reclaims int   // leases so far that ended without a result, or in a fault

	// The webhook as it was when claimed.
	URL            string
	Encoding       string
	Secret         string
	PreviousSecret string // empty once its time is over
	Headers        string // sealed, empty if there are none
}

// Outcome of a lease.
type Outcome string

// A lease ends in one of four ways.
const (
	Succeeded Outcome = "success"  // terminal
	Failed    Outcome = "failed"   // terminal
	Retry     Outcome = "retry"    // pending again, due after Result.Delay
	Released  Outcome = "released" // pending again, due after Result.Delay; no attempt was made
)

// Streak is what a result does to the webhook's ConsecutiveFailures.
type Streak int

// A result leaves the streak alone, ends it or makes it longer. StreakReset also sets
// LastSuccess and empties UnwellSince. StreakExtend and StreakTry set UnwellSince if it is
// empty, and that is all that StreakTry does.
const (
	StreakSame Streak = iota
	StreakReset
	StreakExtend
	StreakTry // for a failed try of a delivery that goes on
)

// Result settles a lease.
type Result struct {
	MerchantID string
	WebhookID  string
	DeliveryID string
	Token      int64

	Outcome Outcome
	Delay   time.Duration // for Retry and Released
	Fault   bool          // for Released: adds 1 to Reclaims

	// Hold, if above 0, keeps the whole webhook back, whatever the Outcome: for this
	// long from now nothing of it is claimable but tests. Of several holds the one that
	// ends last counts. It is bound to the webhook's Epoch as Streak is, so turning the
	// webhook active or giving it another URL ends it. A hold costs a delivery nothing,
	// neither an attempt nor a reclaim.
	Hold time.Duration

	// Attempt is appended unless Outcome is Released. Number and At are the
	// store's: Number is Attempts after the increment, At the time of Finish.
	Attempt Attempt

	// Streak applies only if the webhook's Epoch is still that of the claim, so that
	// a result of before a re-enabling, or of the URL before, does not count. It never
	// applies if Outcome is Released.
	Streak Streak

	// DisableAfter, if above 0, disables an active webhook in the same step when
	// StreakExtend brings ConsecutiveFailures to it or beyond and the streak began at
	// least DisableAfterFailingFor ago. The step sets DisabledReason to
	// DisableReason, adds 1 to Disablings and to Version, and adds one [Notice]. The
	// webhook's other deliveries stay pending.
	DisableAfter           int
	DisableAfterFailingFor time.Duration
	DisableReason          string
}

// FinishState says what became of a result.
type FinishState string

// A result is accepted once.
const (
	FinishAccepted FinishState = "accepted"
	FinishRepeated FinishState = "repeated"
	FinishStale    FinishState = "stale"
	FinishGone     FinishState = "gone"

	// FinishUnavailable says that the part of the store that holds the delivery
	// was out of reach. The result may or may not have been stored; send it again.
	FinishUnavailable FinishState = "unavailable"
)

// Finished answers for one result.
type Finished struct {
	State    FinishState
	Disabled bool // this result disabled the webhook; of the last that did, a repetition says so too

	// Standing is where the webhook stands after an accepted result whose Streak was
	// applied and was no StreakTry, and nil for any other. A store may leave it out after a StreakReset if
	// the webhook has no Mark and was never disabled by failures.
	Standing *Standing
}

// Standing is what a caller needs to know of a webhook to decide on a warning or a
// recovery: see the fields of the same names of [Webhook].
type Standing struct {
	Active              bool
	ConsecutiveFailures int
	FailingSince        time.Time
	Disablings          int64
	Mark                string
}
