package store

import "time"

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
