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

// handled is an error of a handler that says what becomes of the event.
type handled struct {
	error

	acknowledged bool
	wait         time.Duration
}

// Unwrap returns what the handler has wrapped.
func (e *handled) Unwrap() error { return e.error }
