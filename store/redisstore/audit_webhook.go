package redisstore

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// pageSize is how many records a page of a log holds: see lua/lib.lua.
const pageSize = 100

// webhook looks at one webhook and all that belongs to it.
func (a *audit) webhook(n string, w map[string]string) {
	merchant, active := escape(w["m"]), w["st"] == "active"
	types, err := unpack(w["ev"])
	a.want(err == nil, "a webhook can be read", "%s", w["id"])
	if active {
		seen := map[string]bool{}
		for _, v := range types {
			kind, _ := v.(string)
			if k := merchant + " " + kind; !seen[k] {
				seen[k] = true
				a.subscribers[k] = append(a.subscribers[k], w["id"]+"="+n)
				slices.Sort(a.subscribers[k])
			}
		}
	}
	number := func(name string) int64 {
		v, _ := strconv.ParseInt(w[name], 10, 64) // Absent is 0.
		return v
	}
	t := tallies{pages: map[string]int{}, enqueued: map[string]int{}}
	off, paused := a.sets["off"][n]
	for id, packed := range a.hashes["d:"+n] {
		r, err := readRecord(packed)
		a.want(err == nil, "a delivery can be read", "%s of %s", unpackID(id), w["id"])
		if err != nil {
			continue
		}
		t.add(&r)
		a.place(n, id, &r)
		page := strconv.FormatInt(r.seq/pageSize, 10)
		t.pages[page]++
		a.want(a.hashes["g:"+n+":"+page][strconv.FormatInt(r.seq%pageSize, 10)] == id && r.seq <= number("seq"),
			"a delivery is in its webhook's list", "%s", unpackID(id))
		if r.state == statePending {
			a.pending[merchant+":"+escape(r.eventID)]++
			if _, leased := a.sets["l:"+n][id]; !active && !leased && r.flags&flagTest == 0 {
				a.want(paused && off <= r.created && r.seq > number("wk"), "a paused delivery is found by Prune", "%s", unpackID(id))
			}
		}
	}
	for page, size := range t.pages {
		_, named := a.sets["p:"+n][page]
		a.want(named && len(a.hashes["g:"+n+":"+page]) == size, "a page holds the deliveries that there are", "%s page %s", w["id"], page)
	}
	a.want(len(a.sets["p:"+n]) == len(t.pages), "a page that is named has deliveries", "%s", w["id"])
	a.want(t.succeeded == number("ok") && t.attempts == number("at"), "counters agree with the deliveries",
		"%s: %d succeeded, want %d; %d attempts, want %d", w["id"], number("ok"), t.succeeded, number("at"), t.attempts)
	queued := len(a.sets["q:"+n]) + len(a.sets["t:"+n]) + len(a.sets["l:"+n])
	a.want(queued == t.pending && len(a.sets["f:"+n]) == t.ended, "a queue holds deliveries that exist",
		"%s: %d queued, want %d; %d ended, want %d", w["id"], queued, t.pending, len(a.sets["f:"+n]), t.ended)
	for event, ids := range a.hashes["y:"+n] {
		a.want(len(ids) == t.enqueued[event]*deliveryBytes, "what was enqueued is found by its event", "%s of %s", event, w["id"])
		delete(t.enqueued, event)
	}
	a.want(len(t.enqueued) == 0, "what was enqueued is found by its event", "%v of %s", t.enqueued, w["id"])
	a.indexes(n, w["id"], active, a.refilled(w["id"], w["rl"]))
}

// refilled looks at a bucket, and returns the moment from which on it has a token:
// none if it has one left, or there is no limit.
func (a *audit) refilled(id, rl string) int64 {
	if rl == "" {
		return math.MinInt64
	}
	var rate, level, taken int64
	n, err := fmt.Sscanf(rl+" ", "%d %d %d ", &rate, &level, &taken)
	if n == 1 { // It is full.
		n, err, level = 3, nil, 1000*rate
	}
	a.want(n == 3 && err == nil && rate > 0, "a rate limit can be read", "%s: %q", id, rl)
	a.want(level >= 0 && level <= 1000*rate, "a bucket holds no more than a second's worth", "%s: %q", id, rl)
	if level >= 1000 || rate <= 0 {
		return math.MinInt64
	}
	return taken + (1000-level+rate-1)/rate
}

// tallies counts what the deliveries of a webhook are.
type tallies struct {
	pending, ended      int
	succeeded, attempts int64
	pages               map[string]int
	enqueued            map[string]int // by event
}

func (t *tallies) add(r *record) {
	switch r.state {
	case statePending:
		t.pending++
	case stateSuccess:
		t.succeeded++
		t.ended++
	default:
		t.ended++
	}
	t.attempts += int64(len(r.log))
	if r.flags&flagEnqueued != 0 {
		t.enqueued[r.eventID]++
	}
}

// place looks where a delivery is: in exactly one place, under its time.
func (a *audit) place(n, id string, r *record) {
	waits := "q:"
	if r.flags&flagTest != 0 {
		waits = "t:"
	}
	places := 0
	for _, kind := range []string{"q:", "t:", "l:", "f:"} {
		at, in := a.sets[kind+n][id]
		if !in {
			continue
		}
		places++
		fits := at == r.at
		switch kind {
		case "f:":
			fits = fits && r.state != statePending
		case "l:":
			fits = fits && r.state == statePending && r.open
		default:
			fits = fits && r.state == statePending && kind == waits
		}
		a.want(fits, "a delivery is where its state says", "%s is in %s%s at %d, state %d, time %d", unpackID(id), kind, n, at, r.state, r.at)
	}
	a.want(places == 1, "a delivery is in exactly one queue", "%s is in %d", unpackID(id), places)
}

// indexes looks at the sets over all webhooks. A webhook may be in ready too
// early, never too late, but for its turn. Before the given moment, its bucket has no
// token.
func (a *audit) indexes(n, id string, active bool, refilled int64) {
	least := func(kind string) (int64, bool) {
		least := int64(math.MaxInt64)
		for _, at := range a.sets[kind+n] {
			least = min(least, at)
		}
		return least, len(a.sets[kind+n]) > 0
	}
	over, leased := least("l:")
	held, in := a.sets["held"][n]
	a.want(in == leased && (!in || held <= over), "a claim finds the first lease that ends", "%s", id)
	limit, err := strconv.Atoi(a.hashes["c"]["cap"])
	if err != nil || len(a.sets["l:"+n]) < limit {
		at, ok := least("t:")
		if q, waiting := least("q:"); active && waiting {
			at, ok = min(at, q), true
		}
		at = max(at, refilled)
		ready, in := a.sets["ready"][n]
		a.want(!ok || in && ready <= max(at, a.now), "a claim finds what is due", "%s: ready %d, want %d", id, ready, at)
	}
	oldest, ended := least("f:")
	old, in := a.sets["old"][n]
	a.want(in == ended && (!in || old == oldest), "Prune finds the oldest ended delivery", "%s", id)
	a.want(a.sets["full"][n] == int64(len(a.sets["f:"+n])), "Prune knows how many deliveries have ended", "%s", id)
}
