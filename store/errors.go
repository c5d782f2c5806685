package store

import "errors"

// The errors that callers branch on. Stores return them wrapped or bare; test
// with [errors.Is].
var (
	// ErrNotFound says that the merchant has no such record.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the id is taken by something else.
	ErrConflict = errors.New("id is taken")
	// ErrVersion says that the record has changed since the caller read it.
	ErrVersion = errors.New("version differs")
	// ErrLimit says that the merchant may not have one more.
	ErrLimit = errors.New("limit reached")
	// ErrStale says that the caller has lost what it held.
	ErrStale = errors.New("no longer held")
	// ErrUnavailable says that the store, or the part of it that was asked, cannot
	// answer or take anything now. The same call may succeed later.
	ErrUnavailable = errors.New("unavailable")
	// ErrDamaged says that the record is there and cannot be read. The same call fails
	// again until somebody has mended or deleted it: see Damage in the comment of this
	// package.
	ErrDamaged = errors.New("record is damaged")
	// ErrCursor says that a cursor cannot be one of this store's.
	ErrCursor = errors.New("cursor is not valid")
)
