package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/webhook"
)

// Churn keeps webhooks coming and going. At each interval of Every, it registers one,
// disables one, enables one, rotates one and deletes the oldest.
type Churn struct {
	Merchants []string
	URL       string
	Every     time.Duration
	Keep      int // how many webhooks there are at a time
}

func (w *worker) churn(c Churn) error {
	ours, ok := w.driver.(*driver.Ours)
	if !ok {
		return errors.New("worker: only this module has webhooks that change")
	}
	w.publishers.Go(func() { w.note(c.run(w.halt, ours.Service)) })
	return nil
}

// member is a webhook of the churn.
type member struct{ merchant, id string }

func (c Churn) run(ctx context.Context, svc *webhook.Service) error {
	var alive []member
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		merchant := c.Merchants[i%len(c.Merchants)]
		r, err := svc.Register(ctx, merchant, webhook.Registration{URL: c.URL, Events: []string{webhook.EveryType}})
		if err != nil {
			return fmt.Errorf("register: %w", err)
		}
		alive = append(alive, member{merchant, r.Webhook.ID})
		for step, change := range []func(member) error{
			func(m member) error { return setStatus(ctx, svc, m, webhook.Disabled) },
			func(m member) error { return setStatus(ctx, svc, m, webhook.Active) },
			func(m member) error { _, err := svc.Rotate(ctx, m.merchant, m.id, 0); return err },
		} {
			if n := len(alive) - 1 - 2*step; n >= 0 {
				if err := change(alive[n]); err != nil {
					return fmt.Errorf("change: %w", err)
				}
			}
		}
		if len(alive) > c.Keep {
			if err := svc.Delete(ctx, alive[0].merchant, alive[0].id, 0); err != nil {
				return fmt.Errorf("delete: %w", err)
			}
			alive = alive[1:]
		}
	}
}

func setStatus(ctx context.Context, svc *webhook.Service, m member, s webhook.Status) error {
	_, err := svc.Update(ctx, m.merchant, m.id, webhook.Update{Status: &s})
	return err
}
