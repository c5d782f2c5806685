package redisstore

import (
	"math"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Flags of an element: see lua/lib.lua.
const (
	flagTest   = 1
	flagForged = 4
)

// element is what a queue holds of a delivery.
type element struct {
	created       time.Time
	flags         int64
	kind, eventID string
}

func unpackElement(packed string) (element, bool) {
	u := unpacker{rest: packed}
	e := element{created: u.time(), flags: u.num(1)}
	u.num(4) // size of the body
	e.kind = u.text(2)
	e.eventID = u.rest
	return e, !u.bad && e.eventID != ""
}

// packElement writes all of an element but its creation, which the script knows.
func packElement(e *store.NewEvent) packer {
	flags := int64(0)
	if e.Test != "" {
		flags |= flagTest
	}
	if e.Forged {
		flags |= flagForged
	}
	return append(packer(nil).num(flags, 1).num(int64(len(e.Body)), 4).text(e.Type, 2), e.ID...)
}

func (e *element) event() store.Event {
	return store.Event{ID: e.eventID, Type: e.kind, Test: e.flags&flagTest != 0, CreatedAt: e.created}
}

// record is a delivery that was claimed, or has ended.
type record struct {
	element

	token    int64
	state    int64 // of one that has not ended: see stateLeased
	end      time.Time
	reclaims int64
	attempts int64
	log      string // of all attempts or the last, and the code, if it ended without an attempt
}

const stateLeased = 1

func unpackRecord(packed string) (record, bool) {
	u := unpacker{rest: packed}
	r := record{token: u.num(6), state: u.num(1), reclaims: u.num(2)}
	u.num(4) // epoch
	r.end, r.attempts = u.time(), u.num(2)
	return r, r.unpackRest(&u)
}

// unpackEnded reads what l holds of a delivery: its slot on the page, s or f, and the rest.
func unpackEnded(packed string) (slot int64, outcome string, r record, ok bool) {
	u := unpacker{rest: packed}
	slot, outcome = u.num(1), u.take(1)
	r = record{end: u.time(), token: u.num(6), reclaims: u.num(2), attempts: u.num(2)}
	return slot, outcome, r, r.unpackRest(&u)
}

func (r *record) unpackRest(u *unpacker) bool {
	var ok bool
	r.element, ok = unpackElement(u.text(2))
	r.log = u.rest
	return ok && !u.bad
}

// attemptsOf reads the attempts that the log holds, and the code of what ended without one.
func (r *record) attemptsOf(held int64) (out []store.Attempt, code string, ok bool) {
	u := unpacker{rest: r.log}
	for i := range int(held) {
		a := store.Attempt{Number: i + 1, At: u.time(), Duration: time.Duration(u.num(4)) * time.Millisecond, StatusCode: int(u.num(2))}
		a.Code, a.ResponseBody, a.Exchange = u.text(2), u.text(4), u.text(2)
		if u.bad {
			return nil, "", false
		}
		out = append(out, a)
	}
	return out, u.rest, true
}

// cut keeps of a text what a length of two bytes can say.
func cut(s string) string { return s[:min(len(s), 1<<16-1)] }

func packAttempt(a *store.Attempt) packer {
	p := packer(nil).num(min(max(a.Duration.Milliseconds(), 0), 1<<32-1), 4).num(int64(a.StatusCode), 2)
	return p.text(cut(a.Code), 2).text(a.ResponseBody, 4).text(cut(a.Exchange), 2)
}

// unpackDelivery reads a delivery as lua/delivery.lua answers it.
func unpackDelivery(packed string, now time.Time) (store.Delivery, bool) {
	return unpackShown(packed, now, math.MaxUint16)
}

// unpackListed reads a delivery as lua/deliveries.lua answers it.
func unpackListed(packed string, now time.Time) (store.Delivery, bool) {
	d, ok := unpackShown(packed, now, 1)
	d.Log = nil
	return d, ok
}

// unpackShown reads a delivery of which so many attempts are there at most.
func unpackShown(packed string, now time.Time, most int64) (store.Delivery, bool) {
	u := unpacker{rest: packed}
	var d store.Delivery
	var r record
	var ok bool
	switch u.take(1) {
	case "q":
		r.element, ok = unpackElement(u.rest)
		d.Status, d.DueAt = store.DeliveryPending, r.created
	case "a":
		d.Status, d.DueAt = store.DeliveryPending, u.time()
		r, ok = unpackRecord(u.rest)
		if d.Leased = r.state == stateLeased && r.end.After(now); d.Leased {
			d.DueAt = time.Time{}
		} else if r.state == stateLeased {
			d.DueAt = r.end // Nobody has put it back yet.
		}
	case "l":
		var outcome string
		_, outcome, r, ok = unpackEnded(u.rest)
		d.Status, d.FinishedAt = store.DeliveryFailed, r.end
		if outcome == "s" {
			d.Status, d.DeliveredAt = store.DeliverySucceeded, r.end
		}
	default:
		ok = false
	}
	d.EventID, d.EventType, d.Test, d.CreatedAt = r.eventID, r.kind, r.flags&flagTest != 0, r.created
	d.Attempts, d.Reclaims = int(r.attempts), int(r.reclaims)
	log, code, fine := r.attemptsOf(min(r.attempts, most))
	d.Log = log
	if n := len(log); n > 0 {
		last := &log[n-1]
		d.StatusCode, d.Code, d.ResponseBody, d.LastAttemptAt = last.StatusCode, last.Code, last.ResponseBody, last.At
	}
	if code != "" {
		d.Code = code
	}
	return d, ok && fine
}

// unpackEvent reads an event: see EVENT in lua/lib.lua.
func unpackEvent(packed string) (e element, trace, body string, ok bool) {
	u := unpacker{rest: packed}
	size, length, count := int(u.num(2)), int(u.num(2)), int(u.num(2))
	e, ok = unpackElement(u.take(size))
	u.take(printBytes)
	trace = u.take(length)
	u.take(10 * count)
	return e, trace, u.rest, ok && !u.bad
}
