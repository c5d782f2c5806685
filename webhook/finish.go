package webhook

import (
	"context"
	"log/slog"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// settled is the result of an attempt on its way to the store.
type settled struct {
	result store.Result
	info   SettledInfo
	until  time.Time // the lease's end, by this process's clock
}

// work makes attempts until there are no more leases.
func (r *run) work(ctx context.Context) {
	for c := range r.leases {
		s := r.try(ctx, c)
		r.slots.Release(1)
		r.results <- s
	}
}

// finish stores results until there are no more. It takes what has gathered
// while the call before was under way, so that a lone result waits for nobody
// and many share a round trip.
func (r *run) finish(ctx context.Context) {
	batch := make([]settled, 0, maxBatch)
	results := make([]store.Result, 0, maxBatch)
	for first := range r.results {
		batch, results = append(batch[:0], first), results[:0]
	gather:
		for len(batch) < maxBatch {
			select {
			case next, open := <-r.results:
				if !open {
					break gather
				}
				batch = append(batch, next)
			default:
				break gather
			}
		}
		for i := range batch {
			results = append(results, batch[i].result)
		}
		r.settle(ctx, batch, results)
	}
}

// settle stores one batch, again and again while the store fails, until the last
// lease of it has ended: then another dispatcher has taken over.
func (r *run) settle(ctx context.Context, batch []settled, results []store.Result) {
	var until time.Time
	for i := range batch {
		if batch[i].until.After(until) {
			until = batch[i].until
		}
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	pause := backoff{}
	for {
		var answers []store.Finished
		err := r.call(ctx, "finish", func(ctx context.Context) (err error) {
			answers, err = r.store.Finish(ctx, results)
			return err
		})
		if err == nil {
			// A slot of a webhook that was at its bound is free again.
			signal(r.wakes)
			for i := range answers {
				r.report(ctx, &batch[i], answers[i])
			}
			return
		}
		if !pause.wait(ctx) {
			r.opts.Logger.ErrorContext(ctx, "webhook results lost; the deliveries will be tried again",
				slog.Int("results", len(batch)))
			return
		}
	}
}

// report tells observer and log what a stored result means.
func (r *run) report(ctx context.Context, s *settled, answer store.Finished) {
	log := r.opts.Logger
	if answer.State == store.FinishStale || answer.State == store.FinishGone {
		log.DebugContext(ctx, "webhook result not needed", slog.String("state", string(answer.State)),
			slog.String("delivery_id", s.result.DeliveryID))
		return
	}
	s.info.Disabled = answer.Disabled
	level := slog.LevelDebug
	switch s.result.Outcome {
	case store.Succeeded:
		s.info.Status = store.DeliverySucceeded
	case store.Failed:
		s.info.Status = store.DeliveryFailed
		level = slog.LevelWarn
	case store.Retry, store.Released:
		s.info.Status, s.info.RetryIn = store.DeliveryPending, s.result.Delay
	}
	r.opts.Observer.settled(ctx, s.info)
	if log.Enabled(ctx, level) {
		log.LogAttrs(ctx, level, "webhook attempt", slog.String("outcome", string(s.result.Outcome)),
			slog.String("merchant_id", s.result.MerchantID), slog.String("webhook_id", s.result.WebhookID),
			slog.String("delivery_id", s.result.DeliveryID), slog.String("event_type", s.info.EventType),
			slog.Int("attempt", s.info.Number), slog.Int("status_code", s.info.StatusCode),
			slog.String("code", s.info.Code), slog.Duration("took", s.info.Duration),
			slog.Duration("retry_in", s.info.RetryIn))
	}
	if answer.Disabled {
		log.LogAttrs(ctx, slog.LevelWarn, "webhook disabled by its failures",
			slog.String("merchant_id", s.result.MerchantID), slog.String("webhook_id", s.result.WebhookID))
	}
}
