package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// replayPage is how many events one step of a replay looks at, each of which costs a store
// some reads.
const replayPage = 50

// replayPages is how many of them come before a replay's place is stored.
const replayPages = 4

// replayStore is what a step of a replay needs.
type replayStore interface {
	Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error)
	Events(ctx context.Context, merchantID string, q store.EventQuery) (store.EventPage, error)
	Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error)
}

// step looks at one page of events, makes their deliveries, and says if there is more to
// do. With the same nonce it can be repeated. Without one it only counts. If it fails,
// p is as it was.
func (p *replaying) step(ctx context.Context, st replayStore, merchantID, nonce string) (more bool, err error) {
	next := *p
	page, err := st.Events(ctx, merchantID, store.EventQuery{
		Since: p.Since, Until: p.Until, WebhookID: p.WebhookID, Limit: replayPage, Cursor: p.Cursor,
	})
	if err != nil {
		return false, err
	}
	// The webhook is read after the events: what retention removes from now on still
	// has a delivery on this page, and PrunedUntil tells of what it removed before.
	w, err := st.Webhook(ctx, merchantID, p.WebhookID)
	if err != nil {
		return false, err
	}
	again := next.choose(page.Events, w)
	if nonce == "" {
		next.Done.Deliveries += len(again)
	} else if next.Done.Waiting > 0 { // Nothing overtakes what is left.
		next.Done.Waiting += len(again)
	} else if err := next.send(ctx, st, merchantID, nonce, again); err != nil {
		return false, err
	}
	next.Done.Events += len(page.Events)
	if n := len(page.Events); n > 0 {
		next.At = page.Events[n-1].CreatedAt
	}
	next.Cursor, next.Faults = page.Next, 0
	*p = next
	return page.Next != "", nil
}

// choose lists those events of a page that are to be sent, and counts those that are
// left out.
func (p *replaying) choose(events []store.Event, w store.Webhook) (again []string) {
	for _, e := range events {
		missed := p.Missed && e.Delivered == "" && (p.Backfill || !e.CreatedAt.Before(w.CreatedAt))
		switch {
		case !store.Matches(w.Events, e.Type):
		case p.Failed && e.Delivered == store.DeliveryFailed, missed && e.CreatedAt.After(w.PrunedUntil):
			again = append(again, e.ID)
		case missed:
			p.Done.LeftOut++
		}
	}
	return again
}

// send makes a delivery of each event, and counts them.
func (p *replaying) send(ctx context.Context, st replayStore, merchantID, nonce string, events []string) error {
	if len(events) == 0 {
		return nil
	}
	answers, err := st.Enqueue(ctx, merchantID, p.WebhookID, events, nonce, p.Pending)
	if err == nil && len(answers) != len(events) {
		err = errAnswers
	}
	if err != nil {
		return err
	}
	for _, a := range answers {
		switch {
		case a.Full:
			p.Done.Full++
		case a.Crowded:
			p.Done.Waiting++
		case a.DeliveryID != "":
			p.Done.Deliveries++
		}
	}
	return nil
}

// add puts what one step has done, from before to after, on top of what is known.
func (p *replaying) add(before, after replaying) {
	p.Done.Events += after.Done.Events - before.Done.Events
	p.Done.Deliveries += after.Done.Deliveries - before.Done.Deliveries
	p.Done.LeftOut += after.Done.LeftOut - before.Done.LeftOut
	p.Done.Full += after.Done.Full - before.Done.Full
	p.Done.Waiting += after.Done.Waiting - before.Done.Waiting
	p.Cursor, p.At = after.Cursor, latest(p.At, after.At)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// replaying is what is kept of a replay between two steps.
type replaying struct {
	WebhookID string       `json:"webhook"`
	Since     time.Time    `json:"since,omitzero"`
	Until     time.Time    `json:"until,omitzero"`
	Missed    bool         `json:"missed,omitempty"`
	Failed    bool         `json:"failed,omitempty"`
	Backfill  bool         `json:"backfill,omitempty"`
	Pending   int          `json:"pending,omitempty"` // how many of the webhook may be
	Cursor    string       `json:"cursor,omitempty"`
	At        time.Time    `json:"at,omitzero"`
	Done      Replayed     `json:"done"`
	Status    ReplayStatus `json:"status,omitempty"` // once it has ended
	Faults    int          `json:"faults,omitempty"` // steps that failed since the last one that did not
}

func newReplaying(webhookID string, r Replay) replaying {
	return replaying{WebhookID: webhookID, Since: r.Since, Until: r.Until, Missed: r.Missed, Failed: r.Failed, Backfill: r.Backfill}
}

func unpackReplaying(packed []byte) (replaying, error) {
	var p replaying
	if err := json.Unmarshal(packed, &p); err != nil {
		return p, fmt.Errorf("webhook: read the state of a replay: %w", err)
	}
	return p, nil
}

func (p *replaying) pack() []byte {
	packed, _ := json.Marshal(p) //nolint:errchkjson // It has texts, numbers and times only.
	return packed
}

// until is the end of the range: an open one ends when the replay was asked for.
func (p *replaying) until(j store.Job) time.Time {
	if p.Until.IsZero() {
		return j.CreatedAt.Add(time.Millisecond)
	}
	return p.Until
}

func (p *replaying) view() ReplayJob {
	return ReplayJob{
		WebhookID: p.WebhookID, Status: p.Status, Replayed: p.Done, At: p.At,
		Range: Replay{Since: p.Since, Until: p.Until, Missed: p.Missed, Failed: p.Failed, Backfill: p.Backfill},
	}
}
