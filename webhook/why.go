package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Fate is what became of an event at a webhook, in one word.
type Fate string

// An event was delivered, is on its way, was given up, or never set out.
const (
	FateDelivered     Fate = "delivered"
	FatePending       Fate = "pending"
	FateFailed        Fate = "failed"
	FateNotSubscribed Fate = "not_subscribed" // at the time of publishing
	FateDisabled      Fate = "disabled"       // at the time of publishing
	FateNotThere      Fate = "not_registered" // the webhook was registered later
	FateMissed        Fate = "missed"         // too many deliveries were pending: see [Limits].Pending
	FatePruned        Fate = "pruned"         // a delivery was made, and retention has taken it
	FateDamaged       Fate = "damaged"        // the store has set a delivery aside that it cannot read
	FateUnknown       Fate = "unknown"        // what the webhook was like then is not kept any more
)

// Wait says what a pending delivery waits for.
type Wait string

// A pending delivery is being tried, or waits for one of these.
const (
	WaitAnswer  Wait = "answer"  // a try is under way
	WaitRetry   Wait = "retry"   // the next try, after one that failed
	WaitPlace   Wait = "place"   // held back for a while: its host is slow or asked for a pause, or this side was in trouble
	WaitRate    Wait = "rate"    // the webhook's rate limit
	WaitTurn    Wait = "turn"    // in line
	WaitEnabled Wait = "enabled" // its webhook is disabled
)

// Verdict says what became of an event at one webhook.
type Verdict struct {
	WebhookID string
	URL       string // as it is now
	Fate      Fate
	Wait      Wait // of a pending one

	// At is when that was: the delivery's end, since when the webhook is disabled or
	// registered, or since when the pending delivery waits. Until is when a pending one
	// goes on, if that is known.
	At    time.Time
	Until time.Time

	DeliveryID string // that the verdict goes by
	Attempts   int
	StatusCode int
	Code       Code
	Deliveries int // that are kept, of this event to this webhook
	Succeeded  int // of them: the receiver got it so often

	// Text is all of it in a sentence that begins with the verdict: "not subscribed: …". It
	// is in English, with times in UTC.
	Text string
}

// Explanation answers why a merchant did or did not get an event.
type Explanation struct {
	Event EventRecord // only the ID if it is not known
	Known bool
	Text  string

	Verdicts []Verdict // one for each webhook of now, oldest first
}

// Why says what became of an event at each of the merchant's webhooks. An event that is
// not known was never published by this merchant, or is older than what is kept: Text says
// how far back that goes. All of it is read from the store as it is now.
func (s *Service) Why(ctx context.Context, merchantID, eventID string) (Explanation, error) {
	d, err := s.Event(ctx, merchantID, eventID)
	if errors.Is(err, ErrNotFound) {
		return s.unknownEvent(ctx, merchantID, eventID)
	}
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{Event: d.EventRecord, Known: true, Verdicts: d.Verdicts}
	switch {
	case d.Type == "":
		out.Text = "The store cannot read this event. Its record is damaged, and was set aside."
	case len(d.Verdicts) == 0:
		out.Text = fmt.Sprintf("%s was published at %s. The merchant has no webhook.", d.Type, clock(d.CreatedAt))
	default:
		out.Text = fmt.Sprintf("%s was published at %s.", d.Type, clock(d.CreatedAt))
	}
	return out, nil
}

func (s *Service) unknownEvent(ctx context.Context, merchantID, eventID string) (Explanation, error) {
	out := Explanation{
		Event: EventRecord{ID: eventID},
		Text:  "This merchant has no event with this id. The merchant never published it, or it is not known any more: no event of the merchant is kept.",
	}
	oldest, err := s.store.Events(ctx, merchantID, store.EventQuery{Limit: 1})
	if err != nil {
		return Explanation{}, fmt.Errorf("webhook: explain event: %w", err)
	}
	if len(oldest.Events) > 0 {
		out.Text = "This merchant has no event with this id. The merchant never published it, or it is not known any more: older than " +
			clock(oldest.Events[0].CreatedAt) + ", when the oldest event that is kept was published."
	}
	return out, nil
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// verdicts judges each webhook of the merchant. Deliveries come oldest first.
func (s *Service) verdicts(ctx context.Context, merchantID string, e EventRecord, fate store.EventDeliveries, deliveries []Delivery) ([]Verdict, error) {
	var out []Verdict
	damaged, err := s.eachWebhook(ctx, merchantID, false, func(w store.Webhook) error {
		own := slices.DeleteFunc(slices.Clone(deliveries), func(d Delivery) bool { return d.WebhookID != w.ID })
		at := slices.IndexFunc(fate.Published, func(p store.PublishedDelivery) bool { return p.WebhookID == w.ID })
		v := Verdict{WebhookID: w.ID, URL: w.URL, Deliveries: len(own)}
		switch {
		case len(own) > 0:
			v.judge(own, w, s.now())
		case at >= 0 && slices.Contains(fate.Damaged, fate.Published[at].ID):
			v.Fate, v.DeliveryID = FateDamaged, fate.Published[at].ID
		case at >= 0:
			v.Fate, v.DeliveryID, v.At = FatePruned, fate.Published[at].ID, e.CreatedAt
		case e.Test:
			return nil // It was for one webhook.
		default:
			changes, err := s.store.Changes(ctx, merchantID, w.ID)
			if errors.Is(err, store.ErrNotFound) {
				return nil // deleted meanwhile
			}
			if err != nil && !errors.Is(err, store.ErrDamaged) {
				return err
			}
			v.absent(e, w, changes)
		}
		v.Text = v.text()
		out = append(out, v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: explain event: %w", err)
	}
	for _, id := range damaged {
		out = append(out, Verdict{WebhookID: id, Fate: FateUnknown, Text: "The store cannot read this webhook. Its record is damaged, and was set aside."})
	}
	return out, nil
}

// judge goes by the deliveries that there are: the first success, else one that is still
// pending, else the last failure.
func (v *Verdict) judge(own []Delivery, w store.Webhook, now time.Time) {
	pick := own[len(own)-1]
	for _, d := range slices.Backward(own) {
		if d.Status == DeliveryPending {
			pick = d
		}
	}
	for _, d := range slices.Backward(own) {
		if d.Status == DeliverySucceeded {
			pick = d
			v.Succeeded++
		}
	}
	v.DeliveryID, v.Attempts, v.StatusCode, v.Code, v.At = pick.ID, pick.Attempts, pick.StatusCode, pick.Code, pick.FinishedAt
	switch pick.Status {
	case DeliverySucceeded:
		v.Fate = FateDelivered
	case DeliveryFailed:
		v.Fate = FateFailed
	default:
		v.Fate, v.At = FatePending, pick.CreatedAt
		v.waits(&pick, w, now)
	}
}

// waits says what a pending delivery waits for.
func (v *Verdict) waits(d *Delivery, w store.Webhook, now time.Time) {
	switch {
	case d.Leased:
		v.Wait = WaitAnswer
	case w.Status != store.Active && !d.Test:
		v.Wait, v.At = WaitEnabled, w.DisabledAt
	case d.Attempts > 0 && d.DueAt.After(now):
		v.Wait, v.Until = WaitRetry, d.DueAt
	case d.DueAt.After(now):
		v.Wait, v.Until = WaitPlace, d.DueAt
	case w.RateLimit > 0:
		v.Wait = WaitRate
	default:
		v.Wait = WaitTurn
	}
}

// absent says why no delivery was made, from what the webhook was like at the time.
// Changes come newest first.
func (v *Verdict) absent(e EventRecord, w store.Webhook, changes []store.Change) {
	if e.CreatedAt.Before(w.CreatedAt) {
		v.Fate, v.At = FateNotThere, w.CreatedAt
		return
	}
	then := slices.DeleteFunc(changes, func(c store.Change) bool { return c.At.After(e.CreatedAt) })
	named := slices.IndexFunc(then, func(c store.Change) bool { return c.Events != nil })
	switch {
	case len(then) == 0:
		v.Fate = FateUnknown
	case then[0].Status != store.Active:
		v.Fate, v.At = FateDisabled, since(then)
	case named < 0:
		v.Fate = FateUnknown
	case !slices.Contains(then[named].Events, e.Type) && !slices.Contains(then[named].Events, store.EveryType):
		v.Fate, v.At = FateNotSubscribed, then[named].At
	default:
		v.Fate, v.At = FateMissed, e.CreatedAt
	}
}

// since is when the first entry was given its status.
func since(changes []store.Change) time.Time {
	at := changes[0].At
	for _, c := range changes {
		if c.Status != changes[0].Status {
			break
		}
		at = c.At
	}
	return at
}

// text puts a verdict into a sentence.
func (v *Verdict) text() string {
	switch v.Fate {
	case FateDelivered:
		text := fmt.Sprintf("delivered at %s, status %d, at attempt %d.", clock(v.At), v.StatusCode, v.Attempts)
		if v.Succeeded > 1 {
			text += fmt.Sprintf(" The receiver took it %d times.", v.Succeeded)
		}
		return text
	case FateFailed:
		tries := "1 attempt"
		if v.Attempts != 1 {
			tries = fmt.Sprintf("%d attempts", v.Attempts)
		}
		return fmt.Sprintf("failed at %s after %s: %s.", clock(v.At), tries, v.failure())
	case FatePending:
		return v.waiting()
	case FateNotSubscribed:
		return fmt.Sprintf("not subscribed: since %s the webhook did not subscribe to this type.", clock(v.At))
	case FateDisabled:
		return fmt.Sprintf("disabled: the webhook was disabled at %s and not enabled again when the event was published. A replay sends it.", clock(v.At))
	case FateNotThere:
		return fmt.Sprintf("not registered yet: the webhook was registered later, at %s. A replay with backfill sends it.", clock(v.At))
	case FateMissed:
		return "missed: too many deliveries of this webhook were pending. A replay sends it."
	case FatePruned:
		return "pruned: a delivery was made, and retention has removed it since, with its outcome."
	case FateDamaged:
		return "set aside: the store cannot read the record of the delivery."
	}
	return "not known any more: what the webhook was like then is older than the changes that are kept."
}

func (v *Verdict) failure() string {
	if v.StatusCode > 0 {
		return fmt.Sprintf("%s, status %d", v.Code, v.StatusCode)
	}
	return string(v.Code)
}

func (v *Verdict) waiting() string {
	last := ""
	if v.Attempts > 0 {
		last = fmt.Sprintf(" Attempts so far: %d, the last one %s.", v.Attempts, v.failure())
	}
	switch v.Wait {
	case WaitAnswer:
		return "pending: a try is under way." + last
	case WaitRetry:
		return fmt.Sprintf("pending: waiting for the next try at %s.", clock(v.Until)) + last
	case WaitPlace:
		return fmt.Sprintf("pending: held back until %s, because the endpoint is slow or asked for a pause, or sending was in trouble.", clock(v.Until)) + last
	case WaitRate:
		return "pending: waiting for the rate limit of the webhook." + last
	case WaitEnabled:
		return fmt.Sprintf("pending: waiting for the webhook to be enabled. It is disabled since %s.", clock(v.At)) + last
	}
	return "pending: in line, due now." + last
}
