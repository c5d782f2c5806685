package store

import (
	"crypto/sha1" //nolint:gosec // an id, not a signature; the one digest that Redis scripts have too
	"encoding/hex"
	"time"
)

// DeliveryID derives the id of a delivery: "whdel_" and the first 24 hex digits
// of SHA-1 over the parts joined by '|'. A fan-out has an empty nonce, and no
// trailing '|', so that an event has one delivery per webhook by construction and
// publishing again can make no second one.
func DeliveryID(merchantID, eventID, webhookID, nonce string) string {
	s := merchantID + "|" + eventID + "|" + webhookID
	if nonce != "" {
		s += "|" + nonce
	}
	sum := sha1.Sum([]byte(s)) //nolint:gosec // as above
	return "whdel_" + hex.EncodeToString(sum[:12])
}

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
}

// Published answers for one event.
type Published struct {
	Deliveries []string // ids, sorted by webhook id; nil on Conflict
	Duplicate  bool
	Conflict   bool
}

// ClaimRequest says how much the caller can take.
type ClaimRequest struct {
	Limit int           // how many deliveries at most, at least 1
	Lease time.Duration // how long they are hidden, at least a millisecond

	// PerWebhook bounds the leased deliveries of one webhook over all callers,
	// at least 1. Processes that share a store should agree on it.
	PerWebhook int
}

// Claimed is what a Claim took.
type Claimed struct {
	Leases []Lease

	// Next is how long nothing more will be claimable unless something happens:
	// 0 if there may be more right now, negative if nothing is waiting at all.
	// It may be too short, never too long.
	Next time.Duration

	// Notices says that ClaimNotices would find something.
	Notices bool
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

// A result leaves the streak alone, ends it or makes it longer.
const (
	StreakSame Streak = iota
	StreakReset
	StreakExtend
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

	// Attempt is appended unless Outcome is Released. Number and At are the
	// store's: Number is Attempts after the increment, At the time of Finish.
	Attempt Attempt

	// Streak applies only if the webhook's Epoch is still that of the claim, so
	// that a result of before a re-enabling cannot disable it again.
	Streak Streak

	// DisableAfter, if above 0, disables an active webhook in the same step when
	// StreakExtend brings ConsecutiveFailures to it, with DisableReason, and adds
	// one [Notice]. The webhook's other deliveries stay pending.
	DisableAfter  int
	DisableReason string

	// WarnAfter, if above 0, adds a warning in the same step when StreakExtend
	// brings ConsecutiveFailures of an active webhook to it, unless the same result
	// disables it. A streak has one warning, and a webhook none for WarnPause after
	// the last one, so that one that fails and recovers all day does not fill the
	// list.
	//
	// StreakReset of an active webhook that has been warned of or disabled by its
	// failures since its last recovery adds one notice of a recovery.
	WarnAfter int
	WarnPause time.Duration
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
	Disabled bool // this result disabled the webhook
}
