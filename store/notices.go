package store

import "time"

// NoticeKind says what a [Notice] is about.
type NoticeKind string

// A webhook is warned of, disabled, well again, moved, misses events, or is enabled. The
// store itself adds notices of the first kind only.
const (
	NoticeDisabled  NoticeKind = "disabled"  // its failures have disabled it
	NoticeWarning   NoticeKind = "warning"   // its failures may soon disable it
	NoticeRecovered NoticeKind = "recovered" // the first success after one of the first two
	NoticeMoved     NoticeKind = "moved"     // a webhook that has headers leads to another origin
	NoticeCrowded   NoticeKind = "crowded"   // it has so many pending deliveries that it misses events
	NoticeEnabled   NoticeKind = "enabled"   // a test has succeeded while it was disabled
)

// Notice says what has become of a webhook, as of then. A notice that a later one
// has overtaken stays, so a caller may get a warning after the webhook was disabled.
type Notice struct {
	ID         string // made by the store; unique within the merchant and never used again
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

	Since time.Time // when the streak began
	At    time.Time
}

// NoticeLease is a notice that was claimed.
type NoticeLease struct {
	Notice

	Token int64 // goes with DeferNotice; 0 before the first claim
}
