package webhook

import "time"

// Replay selects events to send again to one webhook.
type Replay struct {
	Since time.Time // events published from here; zero: from the start of the log
	Until time.Time // and before here; zero: until now

	// Missed and Failed ask for events that made no delivery to this webhook, as
	// while it was disabled, and for those whose youngest delivery failed. Neither
	// set means both.
	Missed bool
	Failed bool

	// Backfill also counts events as missed that were published before the webhook was
	// registered. Without it, a new webhook gets nothing of before.
	Backfill bool

	// DryRun counts what would be sent, and sends nothing. It looks at some thousand
	// events and no more, and does not know which events were sent again too often.
	DryRun bool
}

// Replayed counts what a replay did so far. After a crash, it may leave out what the
// step that was cut short had made.
type Replayed struct {
	Events     int // that it has looked at
	Deliveries int // that it made, or would make

	// LeftOut counts events without a delivery that may have had one, which retention
	// has removed. Nobody can say any more whether the webhook missed them.
	LeftOut int
	// Full counts events that were sent again too often already: see [ErrFull].
	Full int
	// Waiting counts events that are left for another replay, because the webhook has as
	// many pending deliveries as it may have: see [Limits].Pending.
	Waiting int
}

// ReplayJob is a replay under way, or one that is over.
type ReplayJob struct {
	ID        string // "rpl_…"; empty for a dry run
	WebhookID string
	Status    ReplayStatus
	Range     Replay // what was asked for, with an Until
	Replayed

	At      time.Time // when the event was published that it has come to; zero at first
	BegunAt time.Time
	EndedAt time.Time // zero while it is running

	// WaitingSince is when the last step was made, or the replay was asked for, and zero
	// once it is over. One that lies further back than a minute says that no dispatcher
	// is there, or that the store refuses its steps.
	WaitingSince time.Time

	// AtLeast says of a dry run that it has stopped counting before the end.
	AtLeast bool
}

// ReplayStatus says what has become of a replay.
type ReplayStatus string

// A replay runs until it has come to its end, is stopped, or cannot go on.
const (
	ReplayRunning ReplayStatus = "running"
	ReplayDone    ReplayStatus = "done"
	ReplayStopped ReplayStatus = "stopped"
	ReplayFailed  ReplayStatus = "failed" // its webhook was deleted, or the store has lost its place
)

// ReplayQuery selects a page of replays.
type ReplayQuery struct {
	Limit  int    // 1 to 1000
	Cursor string // from a page's Next
}

// ReplayPage is a page of replays, newest first.
type ReplayPage struct {
	Replays []ReplayJob
	Next    string // continues after this page, empty at the end
}
