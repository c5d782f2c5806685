package store

import (
	"strconv"
	"time"
)

// NoticeKind says what a [Notice] is about.
type NoticeKind string

// A webhook is warned of, disabled, or well again.
const (
	NoticeDisabled  NoticeKind = "disabled"  // its failures have disabled it
	NoticeWarning   NoticeKind = "warning"   // its failures may soon disable it
	NoticeRecovered NoticeKind = "recovered" // the first success after one of the others
)

// NoticeID derives the id of a notice from the transition that it is about, so
// that one transition has one notice. Failures disable a webhook once in an epoch;
// round counts the recoveries before the others.
func NoticeID(kind NoticeKind, webhookID string, epoch, round int64) string {
	out := webhookID + "." + strconv.FormatInt(epoch, 10)
	if kind == NoticeDisabled {
		return out
	}
	return out + "." + string(kind) + "." + strconv.FormatInt(round, 10)
}

// Notice says what has become of a webhook, as of then. A notice that a later one
// has overtaken stays, so a caller may get a warning after the webhook was disabled.
type Notice struct {
	ID         string // see [NoticeID]
	Kind       NoticeKind
	MerchantID string
	WebhookID  string
	URL        string

	// Reason is that of a disabled webhook: see [Result].
	Reason string
	// Failures is the streak that led to the notice, and 0 in a recovery.
	Failures int
	// DisableAfter is the streak that disables the webhook: 0 if none does, and in
	// a recovery.
	DisableAfter int

	// Since is when the streak began. In a recovery, it is when the one began that
	// led to the first notice since the recovery before.
	Since time.Time
	At    time.Time
}

// NoticeLease is a notice that was claimed.
type NoticeLease struct {
	Notice

	Token int64 // goes with DeferNotice; 0 before the first claim
}

// SeenBegin describes who wants to process an id, and what it stands for.
type SeenBegin struct {
	Holder      string // unique to this try
	Fingerprint string // empty: never a conflict
	Lease       time.Duration
}

// SeenState is the answer to BeginSeen.
type SeenState string

// An id is new, in work, done, or stands for something else.
const (
	SeenNew        SeenState = "new"
	SeenInProgress SeenState = "in_progress"
	SeenDone       SeenState = "done"
	SeenConflict   SeenState = "conflict"
)

// SeenAnswer is the state of an id and, if it is done, its committed value.
type SeenAnswer struct {
	State SeenState
	Value []byte
}
