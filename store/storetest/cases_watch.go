package storetest

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

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

// deafen asks for all that is due, as a caller does before it waits, and forgets
// earlier wakes.
func (w *watcher) deafen() {
	w.x.claim(endless)
	select {
	case <-w.wakes:
	default:
	}
}

// woken waits for a wake.
func (w *watcher) woken(when string) {
	w.x.Helper()
	select {
	case <-w.wakes:
	case err := <-w.done:
		w.x.fatalf("Watch returned %v before its context ended", err)
	case <-time.After(w.x.timeout):
		w.x.fatalf("Watch did not wake %s within %s", when, w.x.timeout)
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
	case <-time.After(w.x.timeout):
		w.x.fatalf("Watch did not return within %s after its context ended", w.x.timeout)
	}
}

// woken lets two watch what makes a delivery claimable.
func woken(x *trial) {
	w := x.webhook("a")
	e := x.publish("a", 3)[0]
	one, two := x.watch(), x.watch()
	x.per = endless
	wakes := func(by string, do func()) {
		x.Helper()
		one.deafen()
		two.deafen()
		do()
		one.woken("by " + by)
		two.woken("by " + by + " as another one did")
	}
	wakes("Publish", func() { x.publish("a", 1) })
	wakes("Enqueue", func() { x.enqueue(w, e, "n") })
	x.publish("a", 1)
	l := x.claim(endless)[0]
	wakes("a release", func() { x.finish(release(l, 0), store.FinishAccepted) })
	x.publish("a", 1)
	x.disable(w)
	wakes("an update that enables", func() { x.enable(w) })
	x.disable(w)
	wakes("Publish of a test", func() { x.publishAll(x.testEvent(w)) })
	x.update(x.enable(w), store.WebhookUpdate{RateLimit: new(1)})
	x.publish("a", 9)
	wakes("another rate", func() { x.update(w, store.WebhookUpdate{RateLimit: new(2)}) })
	one.ends()
	two.ends()
}
