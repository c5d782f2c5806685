package webhook

import (
	"context"
	"time"
)

// Observer holds callbacks for metrics and traces. Any of them may be nil. They
// are called from many goroutines, so they must be quick and safe for that; a
// panic in one is contained.
type Observer struct {
	// Published is called after an event was stored, or found stored before.
	Published func(context.Context, PublishedInfo)

	// Attempted is called after each try of a delivery, before its result is
	// stored.
	Attempted func(context.Context, AttemptInfo)

	// Settled is called after the store has accepted a result.
	Settled func(context.Context, SettledInfo)
}

// PublishedInfo describes a published event.
type PublishedInfo struct {
	MerchantID string
	EventID    string
	EventType  string
	Deliveries int
	Duplicate  bool
	Bytes      int
}

// AttemptInfo describes one try.
type AttemptInfo struct {
	MerchantID string
	WebhookID  string
	DeliveryID string
	EventID    string
	EventType  string
	Test       bool
	Number     int // from 1
	Duration   time.Duration
	StatusCode int    // 0: no answer
	Code       string // why it failed, one of the Code constants; empty on success
}

// SettledInfo describes what a try led to.
type SettledInfo struct {
	AttemptInfo
	Status   DeliveryStatus // pending: it will be tried again
	RetryIn  time.Duration  // while pending
	Disabled bool           // it disabled the webhook
}

func (o *Observer) published(ctx context.Context, i PublishedInfo) {
	if o.Published != nil {
		defer contain()
		o.Published(ctx, i)
	}
}

func (o *Observer) attempted(ctx context.Context, i AttemptInfo) {
	if o.Attempted != nil {
		defer contain()
		o.Attempted(ctx, i)
	}
}

func (o *Observer) settled(ctx context.Context, i SettledInfo) {
	if o.Settled != nil {
		defer contain()
		o.Settled(ctx, i)
	}
}

// contain keeps a panic of a callback from ending the process: an observer must
// not cost a delivery.
func contain() { _ = recover() }
