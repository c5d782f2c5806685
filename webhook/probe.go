package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

// probing is what a job that probes a webhook needs between two steps. It waits, sends
// a test event, waits for its outcome, and after a success enables the webhook. For as
// long as its last pause it then watches whether failures disable it again.
type probing struct {
	WebhookID  string    `json:"webhook"`
	Phase      string    `json:"phase,omitempty"` // what the next step does
	Until      time.Time `json:"until,omitzero"`  // not before
	Probes     int       `json:"probes,omitempty"`
	DeliveryID string    `json:"delivery,omitempty"` // of the last of them

	Epoch      int64 `json:"epoch,omitempty"`      // another one says that the owner did something
	Disablings int64 `json:"disablings,omitempty"` // another one says that failures did
}

const (
	probeSends   = "send"
	probeAwaits  = "await"
	probeWatches = "watch"
)

func (p *probing) pack() []byte {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // None of its fields can fail.
	}
	return text
}

// step does what is next, and says after which pause to go on. With a state that was
// not stored it can be repeated.
func (p *probing) step(ctx context.Context, r *run, j *store.Job) (pause time.Duration, end bool, err error) {
	w, err := r.store.Webhook(ctx, j.MerchantID, p.WebhookID)
	if err != nil {
		return 0, false, err
	}
	if w.Epoch != p.Epoch {
		*p = probing{WebhookID: p.WebhookID, Epoch: w.Epoch}
	}
	left := time.Until(p.Until)
	switch {
	case w.Status != store.Active && Reason(w.DisabledReason) != ReasonFailures:
		return 0, true, nil
	case w.Status != store.Active && w.Disablings != p.Disablings:
		p.Disablings = w.Disablings
		return p.rest(r), false, nil
	case left > 0 && (w.Status != store.Active || p.Phase == probeWatches):
		return left, false, nil
	case w.Status == store.Active, p.Phase == probeWatches:
		return 0, true, nil
	case p.Phase == probeSends:
		return r.opts.AttemptTimeout, false, p.send(ctx, r, j, &w)
	}
	return p.await(ctx, r, &w)
}

// rest begins the pause before the next probe, or that after the last one.
func (p *probing) rest(r *run) time.Duration {
	if p.Probes >= len(r.opts.Probe) {
		return p.watch(r)
	}
	pause := r.opts.Probe[p.Probes]
	// What one outage has disabled must not all come back in one moment.
	pause += rand.N(pause/4 + 1) //nolint:gosec // It is no secret.
	p.Phase, p.Until = probeSends, time.Now().Add(pause)
	return pause
}

func (p *probing) watch(r *run) time.Duration {
	pause := r.opts.Probe[len(r.opts.Probe)-1]
	p.Phase, p.Until = probeWatches, time.Now().Add(pause)
	return pause
}

// send publishes a test event. Its id is made of the job, the disabling and the probe, so
// that each is sent once.
func (p *probing) send(ctx context.Context, r *run, j *store.Job, w *store.Webhook) error {
	e, err := newTest(shaper{r.opts.Catalog.Shape(), r.own, r.opts.Logger}, fmt.Sprintf("evt_test_%s_%d_%d", strings.TrimPrefix(j.ID, "prb_"), p.Disablings, p.Probes+1), time.Now(), w.ID, trial{
		message:   "This webhook was disabled by failures; if you answer with a 2xx status, it is enabled again",
		encodings: []jcs.Encoding{jcs.Encoding(w.Encoding)},
	})
	if err != nil {
		return err
	}
	out, err := r.store.Publish(ctx, w.MerchantID, []store.NewEvent{e})
	if err == nil && (len(out) != 1 || len(out[0].Deliveries) != 1) {
		err = errAnswers
	}
	if err != nil {
		return err
	}
	p.DeliveryID, p.Phase = out[0].Deliveries[0].ID, probeAwaits
	p.Probes++
	signal(r.wakes)
	return nil
}

// await looks for the outcome of a probe.
func (p *probing) await(ctx context.Context, r *run, w *store.Webhook) (pause time.Duration, end bool, err error) {
	d, err := r.store.Delivery(ctx, w.MerchantID, w.ID, p.DeliveryID)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound): // not pruned
		return 0, false, err
	case d.Status == store.DeliveryPending:
		return r.opts.AttemptTimeout, false, nil
	case d.Status != store.DeliverySucceeded:
		return p.rest(r), false, nil
	}
	// The notice comes first, for what waited is delivered at once, and that would make one
	// of a recovery.
	if err := r.noteEnabled(ctx, w); err != nil {
		return 0, false, err
	}
	active := store.Active
	now, err := r.store.UpdateWebhook(ctx, w.MerchantID, w.ID, store.WebhookUpdate{IfVersion: w.Version, Status: &active, By: ActorProbe})
	if err != nil {
		return 0, false, err
	}
	p.Epoch = now.Epoch
	r.opts.Logger.InfoContext(ctx, "webhook enabled by a probe",
		slog.String("merchant_id", w.MerchantID), slog.String("webhook_id", w.ID), slog.Int("probe", p.Probes))
	signal(r.wakes)
	return p.watch(r), false, nil
}

// noteEnabled adds a notice for the owner, once for each disabling.
func (r *run) noteEnabled(ctx context.Context, w *store.Webhook) error {
	m := parseMark(w.Mark)
	if m.disablings >= w.Disablings {
		return nil
	}
	m.since, m.disablings = time.Time{}, w.Disablings
	added, err := r.store.AddNotice(ctx, w.MerchantID, store.Notice{
		Kind: store.NoticeEnabled, WebhookID: w.ID, URL: w.URL, Since: w.DisabledAt,
	}, w.Mark, m.String())
	if err == nil && !added {
		err = store.ErrVersion // The mark is another one by now.
	}
	signal(r.notices)
	return err
}
