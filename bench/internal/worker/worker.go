// Package worker runs a driver in a process of its own: a publisher, a dispatcher,
// or both.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/bench/internal/proc"
)

// Role is the role of a process that runs [Main].
const Role = "worker"

// A Stream is what to publish.
type Stream struct {
	Merchants  []string // in turn
	Count      int      // events; 0: until Halt
	Rate       float64  // events per second over all publishers; 0: as fast as it goes
	Publishers int      // at once
	Batch      int      // events per call without a Rate
}

// Report is what a worker tells of itself.
type Report struct {
	proc.Usage

	Published int64
	Late      int64 // events of a Rate that were published over 20 ms after their time
}

// worker is a driver and what it is doing.
type worker struct {
	driver    driver.Driver
	published atomic.Int64
	late      atomic.Int64

	halt       context.Context //nolint:containedctx // ends what Halt ends
	stop       context.CancelFunc
	publishers sync.WaitGroup
	background sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

// Main answers the parent's calls.
func Main(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	w := &worker{}
	w.halt, w.stop = context.WithCancel(ctx)
	err := proc.Serve(ctx, in, out, map[string]proc.Handler{
		"open": proc.On(func(ctx context.Context, s driver.Spec) (any, error) {
			var err error
			w.driver, err = driver.Open(ctx, s)
			return nil, err
		}),
		"register": proc.On(func(ctx context.Context, e []driver.Endpoint) (any, error) {
			return nil, w.driver.Register(ctx, e)
		}),
		"publish": proc.On(func(_ context.Context, s Stream) (any, error) {
			w.publish(s)
			return nil, nil //nolint:nilnil // there is nothing to say
		}),
		"churn": proc.On(func(_ context.Context, c Churn) (any, error) { return nil, w.churn(c) }),
		"wait": func(context.Context, json.RawMessage) (any, error) {
			w.publishers.Wait()
			return nil, w.failed()
		},
		"halt": func(context.Context, json.RawMessage) (any, error) {
			w.stop()
			w.publishers.Wait()
			return nil, w.failed()
		},
		"deliver": func(ctx context.Context, _ json.RawMessage) (any, error) {
			w.background.Go(func() { w.note(w.driver.Deliver(ctx)) })
			return nil, nil //nolint:nilnil // there is nothing to say
		},
		"report": func(context.Context, json.RawMessage) (any, error) {
			return Report{Usage: proc.Measure(), Published: w.published.Load(), Late: w.late.Load()}, w.failed()
		},
	})
	cancel()
	w.publishers.Wait()
	w.background.Wait()
	if w.driver != nil {
		w.driver.Close()
	}
	return errors.Join(err, w.failed())
}

// note keeps an error, unless it is that of an orderly end.
func (w *worker) note(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs[:min(len(w.errs), 3)], err)
}

func (w *worker) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.errs...)
}

// publish starts publishers.
func (w *worker) publish(s Stream) {
	if s.Rate > 0 {
		began := time.Now()
		for p := range s.Publishers {
			w.publishers.Go(func() { w.paced(s, began, p) })
		}
		return
	}
	var next atomic.Int64
	for range s.Publishers {
		w.publishers.Go(func() { w.unpaced(s, &next) })
	}
}

// lateAfter is the delay from which on an event counts as late.
const lateAfter = 20 * time.Millisecond

// paced publishes every event at its time. The wait of a late event counts from that
// time, not from when it was published.
func (w *worker) paced(s Stream, began time.Time, first int) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for i := first; s.Count == 0 || i < s.Count; i += s.Publishers {
		due := began.Add(time.Duration(float64(i) / s.Rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-w.halt.Done():
				return
			}
		} else if w.halt.Err() != nil {
			return
		}
		sent := time.Now()
		if sent.Sub(due) > lateAfter {
			sent = due
			w.late.Add(1)
		}
		if err := w.driver.Publish(w.halt, s.Merchants[i%len(s.Merchants)], []time.Time{sent}); err != nil {
			w.unlessHalted(err)
			return
		}
		w.published.Add(1)
	}
}

// unpaced publishes batch after batch.
func (w *worker) unpaced(s Stream, next *atomic.Int64) {
	for w.halt.Err() == nil {
		turn := int(next.Add(1) - 1)
		n := s.Batch
		if s.Count > 0 {
			n = min(n, s.Count-turn*s.Batch)
		}
		if n <= 0 {
			return
		}
		sent := make([]time.Time, n)
		for i := range sent {
			sent[i] = time.Now()
		}
		if err := w.driver.Publish(w.halt, s.Merchants[turn%len(s.Merchants)], sent); err != nil {
			w.unlessHalted(err)
			return
		}
		w.published.Add(int64(n))
	}
}

// unlessHalted returns err, unless halting has caused it.
func (w *worker) unlessHalted(err error) {
	if w.halt.Err() == nil {
		w.note(err)
	}
}
