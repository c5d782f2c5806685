package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
)

// What keeps [Receiver.Process] from calling a handler.
var (
	// ErrInProgress is the error of an event that another process, or goroutine, has.
	ErrInProgress = errors.New("receiver: the event is being processed")
	// ErrSeen wraps an error of Options.Seen.
	ErrSeen = errors.New("receiver: the event cannot be looked up")
)

// refused is an error of Process itself.
type refused struct{ error }

// Unwrap returns what it is.
func (e *refused) Unwrap() error { return e.error }

// IsRefused reports whether Process has returned err without calling the handler, so that
// the event is not tried yet. A handler's own error is none, whatever it wraps.
func IsRefused(err error) bool {
	_, ok := err.(*refused) //nolint:errorlint // What a handler has wrapped is its own.
	return ok
}

// Process hands a message that was verified before to its handler: one that the host has
// kept in a queue of its own, say. It does all that is done of a request once that is
// verified, but for MaxPerSecond and Async. It returns nil if the event was processed, now or
// before, or has no handler, or its handler said [Acknowledge]. Otherwise it returns the
// handler's error; or, without calling the handler, [ErrInProgress] or [ErrSeen], of which
// [IsRefused] is true.
//
// The end of ctx ends the handler's. What the handler makes of that is what becomes of the
// event: with an error it is given up, without one it was processed. A handler that ends its
// goroutine, by [runtime.Goexit], ends the caller's, and its event has failed.
func (r *Receiver) Process(ctx context.Context, m verifier.Message) error {
	ctx = verifier.WithMessage(ctx, m)
	j := r.newJob(m)
	j.queued = true
	if j.handler == nil {
		r.unknown(ctx, j)
		return nil
	}
	switch state, err := r.take(ctx, j); {
	case err != nil:
		r.settle(ctx, SettledInfo{Event: j.Event, Outcome: Refused})
		return &refused{fmt.Errorf("%w: %w", ErrSeen, err)}
	case state == store.SeenInProgress:
		r.settle(ctx, SettledInfo{Event: j.Event, Outcome: Duplicate})
		return &refused{ErrInProgress}
	case state == store.SeenDone:
		r.duplicate(ctx, j)
		return nil
	case state == store.SeenConflict:
		r.conflict(ctx, j)
		return Never(errConflict)
	}
	err := r.process(ctx, j)
	if IsRefused(err) { // The handler has a Receiver of its own.
		err = fmt.Errorf("receiver: the handler: %w", err)
	}
	return err
}

var (
	errEnded   = errors.New("receiver: the handler ended its goroutine")
	errAborted = errors.New("receiver: the handler aborted")
)

// process runs the handler and remembers what became of it, also if the handler ends
// its goroutine.
func (r *Receiver) process(ctx context.Context, j *job) error {
	began, err := r.opts.Now(), errEnded
	ended := func(SettledInfo) {}
	defer func() { ended(r.finish(context.WithoutCancel(ctx), j, began, err)) }()
	ctx, ended = r.handling(ctx, j)
	err = r.handle(ctx, j)
	if _, says := errors.AsType[*handled](err); j.queued && !says && errors.Is(err, errData) {
		err = Never(err) // No repeat has other data, and Wrap has not said what to do.
	}
	if IsAcknowledged(err) {
		return nil
	}
	return err
}

// finish notes what became of an event, tells the host, and returns it.
func (r *Receiver) finish(ctx context.Context, j *job, began time.Time, err error) SettledInfo {
	i := SettledInfo{Event: j.Event, Outcome: Processed, Took: r.opts.Now().Sub(began), Err: err}
	if err != nil {
		i.Outcome = Failed
	}
	if err == nil || IsAcknowledged(err) || IsNever(err) && !j.queued {
		r.commit(ctx, j)
	} else {
		r.giveUp(ctx, j)
	}
	r.settle(ctx, i)
	if err != nil {
		r.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "webhook event not processed", j.attrs(slog.Any("error", err))...)
		r.report(ctx, j, err)
	}
	return i
}

// report tells OnError.
func (r *Receiver) report(ctx context.Context, j *job, err error) {
	defer r.recovered(ctx, "OnError")
	r.opts.OnError(ctx, j.Event, err)
}

// recovered is deferred around functions of the user's that must not end the process,
// or keep an answer back.
func (r *Receiver) recovered(ctx context.Context, what string) {
	if p := recover(); p != nil {
		r.opts.Logger.ErrorContext(ctx, "webhook receiver's option panicked", slog.String("option", what),
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	}
}

// guard calls a function of the user's whose panic is an error like any other.
func (r *Receiver) guard(ctx context.Context, what string, f func() error) error {
	err := errors.New("receiver: " + what + " panicked")
	func() {
		defer r.recovered(ctx, what)
		err = f()
	}()
	return err
}

// handle turns a panic into an error. As in net/http, [http.ErrAbortHandler] is no fault
// that somebody has to look for.
func (r *Receiver) handle(ctx context.Context, j *job) (err error) {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.HandlerTimeout,
		fmt.Errorf("receiver: HandlerTimeout, %s, is over: %w", r.opts.HandlerTimeout, context.DeadlineExceeded))
	defer cancel()
	defer r.hold(ctx, lost, j)()
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = errAborted
		default:
			err = fmt.Errorf("receiver: the handler of %s panicked: %v", j.Type, p)
			r.opts.Logger.LogAttrs(ctx, slog.LevelError, "webhook handler panicked", j.attrs(slog.String("stack", string(debug.Stack())))...)
		}
	}()
	handler := j.handler
	if r.opts.Wrap != nil {
		handler = r.opts.Wrap(handler)
	}
	return handler(ctx, j.Event)
}
