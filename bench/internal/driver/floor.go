package driver

import (
	"context"
	"sync"
	"time"
)

// floor is a loop that signs and posts. It retries nothing and keeps nothing.
type floor struct {
	*poster

	spec      Spec
	addresses addresses
	jobs      chan job
}

type job struct {
	url  string
	body []byte
}

// maxJobs is how many jobs may wait.
const maxJobs = 1 << 20

func newFloor(s Spec) (*floor, error) {
	p, err := newPoster(s)
	if err != nil {
		return nil, err
	}
	f := &floor{poster: p, spec: s}
	if !s.Inline {
		f.jobs = make(chan job, maxJobs)
	}
	return f, nil
}

// Register implements [Driver].
func (f *floor) Register(_ context.Context, endpoints []Endpoint) error {
	f.addresses = newAddresses(endpoints)
	return nil
}

// Publish implements [Driver].
func (f *floor) Publish(ctx context.Context, merchant string, sent []time.Time) error {
	for _, at := range sent {
		b := body(at)
		for _, url := range f.addresses[merchant] {
			if f.spec.Inline {
				if err := f.post(ctx, url, b); err != nil {
					return err
				}
				continue
			}
			select {
			case f.jobs <- job{url, b}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// Deliver implements [Driver].
func (f *floor) Deliver(ctx context.Context) error {
	var workers sync.WaitGroup
	for range f.spec.Concurrency {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case j := <-f.jobs:
					_ = f.post(ctx, j.url, j.body) // The receiver counts.
				}
			}
		})
	}
	workers.Wait()
	return nil
}

// Close implements [Driver].
func (f *floor) Close() { f.client.CloseIdleConnections() }
