package store

import "time"

// SeenBegin describes who wants to process an id, and what it stands for.
type SeenBegin struct {
	Holder      string        // unique to this try
	Fingerprint string        // empty: never a conflict
	Lease       time.Duration // 0 ends at once

	// Keep is how long the id is remembered from now, if longer than Lease, should the
	// lease end without a commit: with its fingerprint and its First, for the next
	// holder.
	Keep time.Duration
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

// SeenAnswer is the state of an id.
type SeenAnswer struct {
	State SeenState
	Value []byte // what was committed, if it is done

	// First is the holder that began a new id: the caller's, or that of a try before
	// it which was neither committed nor forgotten and is kept.
	First string

	Left time.Duration // of the other holder's lease, if it is in progress
}
