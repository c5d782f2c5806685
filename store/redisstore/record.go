package redisstore

import (
	"encoding/binary"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// States and flags of a packed delivery: see lua/lib.lua.
const (
	statePending = iota
	stateSuccess
)

const (
	flagTest     = 1
	flagEnqueued = 2
	flagForged   = 4
)

// fields reads the values of a packed list one by one.
type fields struct {
	list []any
	bad  bool
}

func (f *fields) next() any {
	if len(f.list) == 0 {
		f.bad = true
		return nil
	}
	v := f.list[0]
	f.list = f.list[1:]
	return v
}

func (f *fields) int() int64 {
	n, ok := f.next().(int64)
	f.bad = f.bad || !ok
	return n
}

func (f *fields) text() string {
	s, ok := f.next().(string)
	f.bad = f.bad || !ok
	return s
}

func (f *fields) part() fields {
	l, ok := f.next().([]any)
	f.bad = f.bad || !ok
	return fields{list: l}
}

// record is a delivery as it is stored.
type record struct {
	seq           int64
	eventID, kind string
	flags         int64
	created       int64
	state         int64
	claims        int64
	open          bool
	reclaims      int64
	epoch         int64
	at            int64 // due time, lease's end or end
	fault         string
	log           []store.Attempt
}

func readRecord(packed string) (record, error) {
	list, err := unpack(packed)
	if err != nil {
		return record{}, err
	}
	f := fields{list: list}
	r := record{
		seq: f.int(), eventID: f.text(), kind: f.text(), flags: f.int(), created: f.int(), state: f.int(),
		claims: f.int(), open: f.int() == 1, reclaims: f.int(), epoch: f.int(),
	}
	r.at = r.created + f.int()
	r.fault = f.text()
	log := f.part()
	for len(log.list) > 0 {
		a := log.part()
		r.log = append(r.log, store.Attempt{
			Number: len(r.log) + 1, At: stamp(a.int()), Duration: time.Duration(a.int()) * time.Millisecond,
			StatusCode: int(a.int()), Code: a.text(), ResponseBody: a.text(),
		})
		log.bad = log.bad || a.bad
	}
	if f.bad || log.bad {
		return record{}, errPacked
	}
	return r, nil
}

// statuses are what merchants see of the states.
func statuses() []store.DeliveryStatus {
	return []store.DeliveryStatus{store.DeliveryPending, store.DeliverySucceeded, store.DeliveryFailed}
}

// status is what merchants see of a state, and empty for none.
func status(state int64) store.DeliveryStatus {
	if all := statuses(); state >= 0 && state < int64(len(all)) {
		return all[state]
	}
	return ""
}

// view shows a delivery as of now, without its attempts.
func (r *record) view(merchantID, webhookID, id string, now int64) store.Delivery {
	d := store.Delivery{
		ID: id, MerchantID: merchantID, WebhookID: webhookID, EventID: r.eventID, EventType: r.kind,
		Test: r.flags&flagTest != 0, Status: status(r.state), Attempts: len(r.log), Reclaims: int(r.reclaims),
		CreatedAt: stamp(r.created),
	}
	if n := len(r.log); n > 0 {
		last := &r.log[n-1]
		d.StatusCode, d.Code, d.ResponseBody, d.LastAttemptAt = last.StatusCode, last.Code, last.ResponseBody, last.At
	}
	if r.fault != "" {
		d.Code = r.fault
	}
	switch {
	case r.state != statePending:
		d.FinishedAt = stamp(r.at)
		if r.state == stateSuccess {
			d.DeliveredAt = d.FinishedAt
		}
	case r.open && r.at > now:
		d.Leased = true
	default:
		d.DueAt = stamp(r.at)
	}
	return d
}

// headFields is how many fields a packed head has without a trace.
const headFields = 6

// eventHead is the packed head of a stored event.
type eventHead struct {
	flags, created, seq int64
	kind                string
}

// cutHead takes apart what is stored of an event: see lua/lib.lua.
func cutHead(stored string) (head, body string, ok bool) {
	const fixed = 8
	if len(stored) < fixed {
		return "", "", false
	}
	size := binary.BigEndian.Uint32([]byte(stored[4:fixed]))
	if int64(size) > int64(len(stored)-fixed) {
		return "", "", false
	}
	return stored[fixed : fixed+size], stored[fixed+size:], true
}

func readHead(packed string) (eventHead, error) {
	list, err := unpack(packed)
	if err != nil {
		return eventHead{}, err
	}
	f := fields{list: list}
	h := eventHead{flags: f.int(), created: f.int(), seq: f.int(), kind: f.text()}
	if f.bad {
		return eventHead{}, errPacked
	}
	return h, nil
}

func (h *eventHead) view(id string) store.Event {
	return store.Event{ID: id, Type: h.kind, Test: h.flags&flagTest != 0, CreatedAt: stamp(h.created)}
}
