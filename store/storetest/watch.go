package storetest

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const wakePromise = "Watch calls wake when a delivery may have become claimable sooner than the last Claim announced, and once when watching has begun."

func watchCases() []testCase {
	return []testCase{
		{
			name:    "begins and ends",
			promise: "and once when watching has begun. It blocks until ctx ends and then returns nil.",
			run: func(x *trial) {
				one, two := x.watch(), x.watch()
				one.ends()
				two.ends()
			},
		},
		{
			name:    "publish",
			promise: wakePromise,
			run: func(x *trial) {
				x.webhook("a")
				one, two := x.watch(), x.watch()
				for range 3 {
					x.quiet(one, two)
					x.publish("a", 1)
					one.woken("by Publish")
					two.woken("by Publish")
					x.take()
				}
				one.ends()
				x.quiet(two)
				x.publish("a", 1)
				two.woken("by Publish, beside one that ended")
				two.ends()
			},
		},
		{
			name:    "test event",
			promise: wakePromise,
			run: func(x *trial) {
				w := x.disable(x.webhook("a"))
				one := x.watch()
				x.quiet(one)
				x.publishAll(x.testEvent(w))
				one.woken("by Publish of a test")
				one.ends()
			},
		},
		{
			name:    "enqueue",
			promise: wakePromise,
			run: func(x *trial) {
				w := x.webhook("a")
				e := x.publish("b", 1)[0]
				one := x.watch()
				x.quiet(one)
				x.enqueue(w, e, "n")
				one.woken("by Enqueue")
				one.ends()
			},
		},
		{
			name:    "enable",
			promise: wakePromise,
			run: func(x *trial) {
				w := x.webhook("a")
				x.publish("a", 1)
				x.disable(w)
				one := x.watch()
				x.quiet(one)
				x.enable(w)
				one.woken("by UpdateWebhook that enables")
				x.take()
				one.ends()
			},
		},
		{
			name:    "another rate",
			promise: wakePromise,
			run: func(x *trial) {
				w := x.limited(1, "a")
				x.publish("a", 9)
				one := x.watch()
				for _, rate := range []int{2, 0} {
					x.claim(endless)
					x.deafen(one)
					x.update(w, store.WebhookUpdate{RateLimit: &rate})
					one.woken("by UpdateWebhook that fills the bucket")
					x.take()
				}
				one.ends()
			},
		},
		{
			name:    "release",
			promise: wakePromise,
			run: func(x *trial) {
				x.webhook("a")
				x.publish("a", 1)
				l := x.take()
				one := x.watch()
				x.quiet(one)
				x.finish(release(l, 0), store.FinishAccepted)
				one.woken("by a release")
				x.take()
				one.ends()
			},
		},
	}
}

// watcher is one Watch at work.
type watcher struct {
	x     *trial
	wakes chan struct{}
	stop  context.CancelFunc
	done  chan error
}

// watch begins to watch and waits until it is told so.
func (x *trial) watch() *watcher {
	x.Helper()
	ctx, cancel := context.WithCancel(x.Context())
	w := &watcher{x: x, wakes: make(chan struct{}, 1), stop: cancel, done: make(chan error, 1)}
	go func() {
		w.done <- x.st.Watch(ctx, func() {
			select {
			case w.wakes <- struct{}{}:
			default:
			}
		})
	}()
	w.woken("when watching has begun")
	return w
}

// quiet asks for all that is due, as a caller does before it waits, and forgets
// earlier wakes. Nothing may be due.
func (x *trial) quiet(watchers ...*watcher) {
	x.Helper()
	x.claims("before waiting")
	x.deafen(watchers...)
}

// deafen forgets earlier wakes.
func (x *trial) deafen(watchers ...*watcher) {
	for _, w := range watchers {
		select {
		case <-w.wakes:
		default:
		}
	}
}

// woken waits for a wake.
func (w *watcher) woken(when string) {
	w.x.Helper()
	select {
	case <-w.wakes:
	case err := <-w.done:
		w.x.fatalf("Watch returned %v before its context ended", err)
	case <-time.After(w.x.patience):
		w.x.fatalf("Watch did not wake %s within %s", when, w.x.patience)
	}
}

// ends stops the Watch and waits for it.
func (w *watcher) ends() {
	w.x.Helper()
	w.stop()
	select {
	case err := <-w.done:
		if err != nil {
			w.x.Errorf("Watch returned %v after its context ended, want nil", err)
		}
	case <-time.After(w.x.patience):
		w.x.fatalf("Watch did not return within %s after its context ended", w.x.patience)
	}
}
