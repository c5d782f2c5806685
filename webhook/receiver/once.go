package receiver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// leaseTime is how long an event is nobody else's when its process has died, and
	// renewAfter how often a process that lives renews it.
	leaseTime  = 30 * time.Second
	renewAfter = 10 * time.Second
	// seenTimeout bounds one call of Seen.
	seenTimeout = 5 * time.Second
)

// begin reports whether this process may process the event. If not, it answers the
// request.
func (r *Receiver) begin(ctx context.Context, w http.ResponseWriter, j *job) bool {
	state, err := r.take(ctx, j)
	switch {
	case err != nil:
		r.refuseEvent(ctx, w, j, Refused, "unavailable")
	case state == store.SeenInProgress:
		r.refuseEvent(ctx, w, j, Duplicate, "the event is being processed")
	case state == store.SeenDone:
		r.duplicate(ctx, j)
	case state == store.SeenConflict:
		r.conflict(ctx, j)
		refuse(w, http.StatusConflict, 0, "the id was used before with other content")
	}
	return err == nil && state == store.SeenNew
}

// take asks for an event that this process has not had yet. Senders other than this module
// may repeat an event with another body: Stripe counts in it how many webhooks wait. An event
// without an id cannot be told from another one, and is processed.
func (r *Receiver) take(ctx context.Context, j *job) (store.SeenState, error) {
	if r.opts.Seen == nil || j.ID == "" {
		return store.SeenNew, nil
	}
	j.holder = rand.Text()
	if !r.foreign {
		j.fingerprint = fingerprintOf(j)
	}
	return r.ask(ctx, j)
}

var errConflict = errors.New("receiver: the event's id came before with other content")

func (r *Receiver) conflict(ctx context.Context, j *job) {
	r.settle(ctx, SettledInfo{Event: j.Event, Outcome: Conflict})
	r.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "webhook event id came before with other content", j.attrs()...)
}

// duplicate counts an event that was processed before.
func (r *Receiver) duplicate(ctx context.Context, j *job) {
	r.settle(ctx, SettledInfo{Event: j.Event, Outcome: Duplicate})
	r.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "webhook event came before", j.attrs()...)
}

// ask takes the lease of the event's id, or renews it for the same holder.
func (r *Receiver) ask(ctx context.Context, j *job) (store.SeenState, error) {
	var answer store.SeenAnswer
	err := r.callSeen(ctx, func(ctx context.Context) (err error) {
		answer, err = r.opts.Seen.BeginSeen(ctx, j.scope, j.ID, store.SeenBegin{
			Holder: j.holder, Fingerprint: j.fingerprint, Lease: leaseTime,
		})
		return err
	})
	if err != nil {
		r.opts.Logger.LogAttrs(ctx, slog.LevelError, "webhook event cannot be looked up", j.attrs(slog.Any("error", err))...)
	}
	return answer.State, err
}

// callSeen bounds a call of Seen.
func (r *Receiver) callSeen(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, seenTimeout)
	defer cancel()
	return r.guard(ctx, "Seen", func() error { return call(ctx) })
}

var errLeaseLost = errors.New("receiver: another process has the event")

// hold renews the lease of an event until the function that it returns is called, or
// ctx ends. What a queue has is held beyond that, for the queue brings it again, and the handler
// still has it. If somebody else has the event by then, hold calls lost.
func (r *Receiver) hold(ctx context.Context, lost context.CancelCauseFunc, j *job) (release func()) {
	if j.holder == "" {
		return func() {}
	}
	var mu sync.Mutex // No renewal may come after release.
	mu.Lock()
	defer mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(renewAfter, func() {
		mu.Lock()
		defer mu.Unlock()
		if timer == nil || ctx.Err() != nil && !j.queued {
			return
		}
		if state, err := r.ask(context.WithoutCancel(ctx), j); err == nil && state != store.SeenNew {
			lost(errLeaseLost)
			return
		}
		timer.Reset(renewAfter)
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
		timer = nil
	}
}

// commit notes that an event is processed.
func (r *Receiver) commit(ctx context.Context, j *job) {
	if j.holder == "" {
		return
	}
	err := r.callSeen(ctx, func(ctx context.Context) error {
		return r.opts.Seen.CommitSeen(ctx, j.scope, j.ID, j.holder, nil, r.opts.Remember)
	})
	switch {
	case errors.Is(err, store.ErrStale):
		r.opts.Logger.LogAttrs(ctx, slog.LevelError, "webhook handler took longer than its time; the event may be processed again", j.attrs()...)
	case err != nil:
		r.opts.Logger.LogAttrs(ctx, slog.LevelError, "webhook event cannot be noted as processed; it may be processed again",
			j.attrs(slog.Any("error", err))...)
	}
}

// giveUp lets the event be processed anew.
func (r *Receiver) giveUp(ctx context.Context, j *job) {
	if j.holder == "" {
		return
	}
	err := r.callSeen(ctx, func(ctx context.Context) error {
		return r.opts.Seen.ForgetSeen(ctx, j.scope, j.ID, j.holder)
	})
	if err != nil {
		r.opts.Logger.LogAttrs(ctx, slog.LevelError, "webhook event cannot be given up; it can be processed when its lease ends",
			j.attrs(slog.Any("error", err))...)
	}
}

// fingerprintOf returns a hash of what an event says, not of how it is written: the
// same event may come in another encoding. It leaves the time out, which may be that
// of the attempt.
func fingerprintOf(j *job) string {
	text, err := json.Marshal([]any{j.Type, sortable(j.Data)})
	if err != nil {
		return "" // Cannot happen, since the event was parsed. Then nothing is compared.
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// sortable returns data in a form in which json.Marshal sorts the names of objects.
func sortable(data any) any {
	raw, ok := data.(json.RawMessage)
	if !ok {
		return data
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	return v
}
