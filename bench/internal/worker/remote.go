package worker

import (
	"context"
	"errors"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/bench/internal/proc"
)

// Remote is a worker in another process.
type Remote struct {
	child *proc.Child
}

// Start starts a worker with a driver.
func Start(ctx context.Context, s driver.Spec) (*Remote, error) {
	child, err := proc.Start(ctx, Role)
	if err != nil {
		return nil, err
	}
	if err := child.Call("open", s, nil); err != nil {
		return nil, errors.Join(err, child.Close())
	}
	return &Remote{child}, nil
}

// Register makes endpoints known.
func (r *Remote) Register(e []driver.Endpoint) error { return r.child.Call("register", e, nil) }

// Publish begins to publish.
func (r *Remote) Publish(s Stream) error { return r.child.Call("publish", s, nil) }

// Churn begins to change webhooks.
func (r *Remote) Churn(c Churn) error { return r.child.Call("churn", c, nil) }

// Wait waits until all streams with a Count are published.
func (r *Remote) Wait() error { return r.child.Call("wait", nil, nil) }

// Halt ends all publishing, for good.
func (r *Remote) Halt() error { return r.child.Call("halt", nil, nil) }

// Deliver begins to deliver.
func (r *Remote) Deliver() error { return r.child.Call("deliver", nil, nil) }

// Report tells what the worker has used and done.
func (r *Remote) Report() (Report, error) {
	var out Report
	err := r.child.Call("report", nil, &out)
	return out, err
}

// Close ends the process in an orderly way.
func (r *Remote) Close() error { return r.child.Close() }
