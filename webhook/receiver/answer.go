package receiver

import (
	"errors"
	"time"
)

// Acknowledge returns the error with which a handler says that an event needs no
// repeat, though err came of it. The sender is answered with 2xx and the event counts
// as processed; OnError and the log are told. It returns nil if err is nil.
func Acknowledge(err error) error {
	if err == nil {
		return nil
	}
	return &handled{error: err, acknowledged: true}
}

// RetryAfter returns the error with which a handler says that the event should come
// again after d. The sender is answered with 503 and Retry-After. With Options.Async it
// is an error like any other, since the sender has its answer already.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		err = errors.New("receiver: the handler wants the event later")
	}
	return &handled{error: err, wait: d}
}

// Never returns the error with which a handler says that an event fails, and that no
// repeat will mend it. It counts as failed, and OnError and the log are told. The sender
// is answered with 2xx, for it would send the event again, and Seen drops repeats; a queue of
// the host's that calls [Receiver.Process] gives it up: see [IsNever]. It returns nil if err
// is nil.
func Never(err error) error {
	if err == nil {
		return nil
	}
	return &handled{error: err, never: true}
}

// IsAcknowledged reports whether err is one of [Acknowledge].
func IsAcknowledged(err error) bool {
	h, ok := errors.AsType[*handled](err)
	return ok && h.acknowledged
}

// IsNever reports whether err is one of [Never].
func IsNever(err error) bool {
	h, ok := errors.AsType[*handled](err)
	return ok && h.never
}

// Wait returns after how long an event should come again, if err is one of [RetryAfter].
func Wait(err error) (after time.Duration, ok bool) {
	h, ok := errors.AsType[*handled](err)
	if !ok || h.never || h.acknowledged {
		return 0, false
	}
	return h.wait, true
}

// handled is an error of a handler that says what becomes of the event.
type handled struct {
	error

	acknowledged, never bool

	wait time.Duration
}

// Unwrap returns what the handler has wrapped.
func (e *handled) Unwrap() error { return e.error }
