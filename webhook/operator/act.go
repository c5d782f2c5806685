package operator

import (
	"context"
	"errors"
	"slices"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
)

// done is what was done to one webhook.
type done struct {
	Counts

	more bool // it is to be acted on again
}

func changed(deliveries int64) done {
	return done{Counts: Counts{Changed: 1, Deliveries: deliveries}}
}

// changedBy is changed if there were any deliveries.
func changedBy(deliveries int64) done {
	if deliveries == 0 {
		return skipped()
	}
	return changed(deliveries)
}

func skipped() done { return done{Counts: Counts{Skipped: 1}} }
func failed() done  { return done{Counts: Counts{Failed: 1}} }

// maxTries is how often a change of a webhook that changes meanwhile is tried.
const maxTries = 10

// act does to one webhook what the job is for. An error ends the step, which is repeated:
// it is for what may be over then. What has to do with this webhook alone is counted.
func (r *running) act(ctx context.Context, w webhook.Webhook) (did done, err error) {
	switch r.Request.Kind {
	case KindEnable:
		did, err = r.set(ctx, w, webhook.Active)
	case KindDisable:
		did, err = r.set(ctx, w, webhook.Disabled)
	case KindReplay:
		did, err = r.replay(ctx, w)
	case KindCancel:
		did, err = r.cancel(ctx, w)
	case KindRewrap:
		did, err = r.rewrap(ctx, w)
	case KindDelete:
		did, err = r.remove(ctx, w)
	}
	switch {
	case errors.Is(err, webhook.ErrNotFound):
		return skipped(), nil // It was deleted meanwhile.
	case errors.Is(err, webhook.ErrDamaged), errors.Is(err, webhook.ErrInvalid), errors.Is(err, webhook.ErrReplaying):
		return failed(), nil
	}
	return did, err
}

// actDamaged counts a webhook that the store cannot read, and deletes it if that is the job.
func (r *running) actDamaged(ctx context.Context, merchantID, webhookID string) (done, error) {
	if r.Request.Kind != KindDelete {
		return failed(), nil
	}
	return r.act(ctx, webhook.Webhook{ID: webhookID, MerchantID: merchantID})
}

// set gives a webhook a status, if it is still one that the selection takes.
func (r *running) set(ctx context.Context, w webhook.Webhook, to webhook.Status) (done, error) {
	for try := 1; ; try++ {
		if w.Status == to || !r.Request.Selection.takes(w) || to == webhook.Active && r.paused(w) {
			return skipped(), nil
		}
		if r.Request.DryRun {
			return changed(0), nil
		}
		_, err := r.svc.Update(ctx, w.MerchantID, w.ID, webhook.Update{Status: &to, IfVersion: w.Version})
		if errors.Is(err, webhook.ErrVersion) && try < maxTries {
			if w, err = r.svc.Webhook(ctx, w.MerchantID, w.ID); err == nil {
				continue
			}
		}
		return changed(0), err
	}
}

// paused says that somebody wanted the webhook to be disabled, and the job does not say
// that it knows.
func (r *running) paused(w webhook.Webhook) bool {
	s := &r.Request.Selection
	return w.DisabledReason == webhook.ReasonRequest && s.Reason != webhook.ReasonRequest && !slices.Contains(s.Webhooks, w.ID)
}

// replay begins a replay, whose id is the same at each try, or counts what one would send.
func (r *running) replay(ctx context.Context, w webhook.Webhook) (done, error) {
	ctx = once.Named(ctx, r.job.ID+"|"+w.MerchantID+"|"+w.ID)
	in := webhook.Replay{Since: r.Request.Since, Until: r.Request.Until, DryRun: r.Request.DryRun}
	if !in.Since.Before(in.Until) {
		return skipped(), nil // It begins after the job was begun.
	}
	j, err := r.svc.Replay(ctx, w.MerchantID, w.ID, in)
	switch {
	case err != nil:
		return done{}, err
	case in.DryRun:
		return changedBy(int64(j.Deliveries)), nil
	}
	r.Open = append(slices.Clone(r.Open), replay{w.MerchantID, w.ID, j.ID})
	return done{Counts: Counts{Changed: 1}}, nil
}

// poll looks at the replays that the job has begun, and counts those that are over.
func (r *running) poll(ctx context.Context) error {
	open := r.Open
	r.Open = nil
	for _, one := range open {
		j, err := r.svc.ReplayStatus(ctx, one.Merchant, one.Webhook, one.ID)
		switch {
		case absent(err):
			r.ended(failed())
		case err != nil:
			return err
		case j.Status == webhook.ReplayRunning:
			r.Open = append(r.Open, one)
		case j.Status != webhook.ReplayDone || j.Waiting > 0:
			did := failed()
			did.Deliveries = int64(j.Deliveries)
			r.ended(did)
		default:
			r.ended(changedBy(int64(j.Deliveries)))
		}
	}
	return nil
}

// ended counts a replay that is over: until now it counted as a change.
func (r *running) ended(did done) {
	r.Counts.Changed += did.Changed - 1
	r.Counts.Skipped += did.Skipped
	r.Counts.Failed += did.Failed
	r.Counts.Deliveries += did.Deliveries
}

func (r *running) cancel(ctx context.Context, w webhook.Webhook) (done, error) {
	if r.Request.DryRun {
		stats, err := r.svc.Stats(ctx, w.MerchantID, w.ID)
		return changedBy(stats.Pending), err
	}
	cancelled, err := r.svc.CancelPending(ctx, w.MerchantID, w.ID)
	did := changedBy(int64(cancelled.Deliveries))
	did.more = cancelled.More
	return did, err
}

func (r *running) rewrap(ctx context.Context, w webhook.Webhook) (done, error) {
	switch {
	case w.SecretLost || w.HeadersLost:
		return failed(), nil // No key opens it.
	case r.Request.DryRun:
		return skipped(), nil
	}
	did, err := r.svc.RewrapWebhook(ctx, w.MerchantID, w.ID)
	if did {
		return changed(0), err
	}
	return skipped(), err
}

// remove deletes a webhook, and counts the deliveries that go with it.
func (r *running) remove(ctx context.Context, w webhook.Webhook) (done, error) {
	stats, err := r.svc.Stats(ctx, w.MerchantID, w.ID)
	if err != nil && !errors.Is(err, webhook.ErrDamaged) || r.Request.DryRun {
		return changed(stats.Total), err
	}
	return changed(stats.Total), r.svc.Delete(ctx, w.MerchantID, w.ID, 0)
}
