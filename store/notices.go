package store

import (
	"strconv"
	"time"
)

// NoticeID derives the id of the notice for a webhook that was disabled in the
// given epoch.
func NoticeID(webhookID string, epoch int64) string {
	return webhookID + "." + strconv.FormatInt(epoch, 10)
}

// Notice says that a webhook was disabled by its failures.
type Notice struct {
	// ID is [NoticeID] of the webhook and its epoch, so that one transition has
	// one notice.
	ID         string
	MerchantID string
	WebhookID  string
	URL        string
	Reason     string
	Failures   int // the streak that disabled it
	At         time.Time
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
