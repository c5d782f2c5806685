package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/words"
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
	Disabled  bool   // it is now
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

	// Message is Text for those who say it in words of their own.
	Message words.Message
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// verdicts judges each webhook of the merchant. Deliveries come oldest first.
func (s *Service) verdicts(ctx context.Context, merchantID string, e EventRecord, fate store.EventDeliveries, deliveries []Delivery) ([]Verdict, error) {
	own := map[string][]Delivery{} // by webhook, oldest first
	for _, d := range deliveries {
		own[d.WebhookID] = append(own[d.WebhookID], d)
	}
	made := map[string]string{} // by Publish
	for _, p := range fate.Published {
		made[p.WebhookID] = p.ID
	}
	var out []Verdict
	damaged, err := s.eachWebhook(ctx, merchantID, false, func(w store.Webhook) error {
		v := Verdict{WebhookID: w.ID, URL: w.URL, Disabled: w.Status != store.Active, Deliveries: len(own[w.ID])}
		switch id := made[w.ID]; {
		case len(own[w.ID]) > 0:
			v.judge(own[w.ID], w, s.now())
		case id != "" && slices.Contains(fate.Damaged, id):
			v.Fate, v.DeliveryID = FateDamaged, id
		case id != "":
			v.Fate, v.DeliveryID, v.At = FatePruned, id, e.CreatedAt
		case e.Test:
			return nil // It was for one webhook.
		case e.Type == "": // It is damaged, and so its time is unknown.
			v.Fate, v.Message = FateUnknown, words.Message{Text: "not known: the store cannot read the event, and no delivery of it is kept."}
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
		if v.Message.Text == "" {
			v.Message = v.message()
		}
		v.Text = v.Message.String()
		out = append(out, v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("webhook: explain event: %w", err)
	}
	for _, id := range damaged {
		why := words.Message{Text: "not known: the store cannot read this webhook. Its record is damaged, and was set aside."}
		out = append(out, Verdict{WebhookID: id, Fate: FateUnknown, Text: why.String(), Message: why})
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
	case d.DueAt.After(now) && d.DueAt.After(d.CreatedAt): // The store's clock may be ahead.
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
	later := 0
	for later < len(changes) && changes[later].At.After(e.CreatedAt) {
		later++
	}
	if later == len(changes) {
		v.Fate = FateUnknown
		return
	}
	then := changes[later:]
	subscriptions := slices.DeleteFunc(slices.Clone(changes), func(c store.Change) bool { return c.Events == nil })
	older := slices.IndexFunc(subscriptions, func(c store.Change) bool { return !c.At.After(e.CreatedAt) })
	without := func(types []string) bool { return !store.Matches(types, e.Type) }
	switch {
	case then[0].Status != store.Active:
		v.Fate, v.At = FateDisabled, since(then, func(c store.Change) bool { return c.Status == then[0].Status })
	case older < 0 && len(subscriptions) > 0:
		v.Fate = FateUnknown // They have changed since, and what they were is not kept.
	case older < 0 && without(w.Events):
		v.Fate = FateNotSubscribed
	case older >= 0 && without(subscriptions[older].Events):
		v.Fate, v.At = FateNotSubscribed, since(subscriptions[older:], func(c store.Change) bool { return without(c.Events) })
	default:
		v.Fate, v.At = FateMissed, e.CreatedAt
	}
}

// since is when the oldest of the first entries was made that are alike. It is zero if
// there may be older ones, which are not kept.
func since(changes []store.Change, alike func(store.Change) bool) time.Time {
	n := 0
	for n < len(changes) && alike(changes[n]) {
		n++
	}
	if n == len(changes) && changes[n-1].Version > 1 {
		return time.Time{}
	}
	return changes[n-1].At
}

// say is a [words.Message].
func say(text words.Text, args ...any) words.Message { return words.Message{Text: text, Args: args} }

// message puts a verdict into a sentence.
func (v *Verdict) message() words.Message {
	switch v.Fate {
	case FateDelivered:
		if v.Succeeded > 1 {
			return say("delivered at %s, status %d, at attempt %d. The receiver took it %d times.", clock(v.At), v.StatusCode, v.Attempts, v.Succeeded)
		}
		return say("delivered at %s, status %d, at attempt %d.", clock(v.At), v.StatusCode, v.Attempts)
	case FateFailed:
		return say("failed at %s after %s: %s.", clock(v.At), v.tries(), v.failure())
	case FatePending:
		return v.waiting()
	case FateNotSubscribed:
		if v.At.IsZero() {
			return say("not subscribed: the webhook did not subscribe to this type when the event was published.")
		}
		return say("not subscribed: since %s, the webhook did not subscribe to this type.", clock(v.At))
	case FateDisabled:
		if v.At.IsZero() {
			return say("disabled: the webhook was disabled when the event was published. A replay sends it.")
		}
		return say("disabled: the webhook was disabled at %s, and still was when the event was published. A replay sends it.", clock(v.At))
	case FateNotThere:
		return say("not registered yet: the webhook was registered later, at %s. A replay with backfill sends it.", clock(v.At))
	case FateMissed:
		return say("missed: too many deliveries of this webhook were pending. A replay sends it.")
	case FatePruned:
		return say("pruned: a delivery was made, and retention has removed it since, with its outcome.")
	case FateDamaged:
		return say("set aside: the store cannot read the record of the delivery.")
	}
	return say("not known any more: what the webhook was like then is older than the changes that are kept.")
}

// tries counts them in words.
func (v *Verdict) tries() words.Message {
	switch v.Attempts {
	case 0:
		return say("no attempt")
	case 1:
		return say("1 attempt")
	}
	return say("%d attempts", v.Attempts)
}

func (v *Verdict) failure() any {
	switch {
	case v.Code == CodeStatus:
		return say("status %d", v.StatusCode)
	case v.StatusCode > 0:
		return say("%s, status %d", v.Code, v.StatusCode)
	}
	return v.Code
}

func (v *Verdict) waiting() words.Message {
	state := v.held()
	if v.Attempts == 0 {
		return state
	}
	return say("%s It has failed after %s so far, the last time with %s.", state, v.tries(), v.failure())
}

// held says what a pending delivery waits for.
func (v *Verdict) held() words.Message {
	switch v.Wait {
	case WaitAnswer:
		return say("pending: a try is under way.")
	case WaitRetry:
		return say("pending: waiting for the next try at %s.", clock(v.Until))
	case WaitPlace:
		return say("pending: held back until %s, because the endpoint is slow or asked for a pause, or sending was in trouble.", clock(v.Until))
	case WaitRate:
		return say("pending: waiting for the rate limit of the webhook.")
	case WaitEnabled:
		return say("pending: waiting for the webhook to be enabled. It is disabled since %s.", clock(v.At))
	}
	return say("pending: in line, due now.")
}
