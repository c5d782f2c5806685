package redisstore

import (
	"math"
	"strconv"
	"strings"
)

// counting counts what the deliveries of a webhook are.
type counting struct {
	*audit

	n, merchant string
	t           *state
	seen        map[int64]bool // by seq
	pages       map[int64]bool // that must be in g
	off         int64          // oldest creation of what waits

	pending, leased, tries, ok, failed, holes int64
}

func (c *counting) see(seq int64, e *element, pending bool) {
	c.want(!c.seen[seq] && seq >= 1 && seq <= c.t.last, "a delivery is in one place", "%s:%d", c.n, seq)
	c.seen[seq] = true
	event := escape(e.eventID)
	if pending {
		c.pending++
		c.carried[c.merchant+":"+event] = true
	}
	if e.flags&2 != 0 {
		c.enqueued[c.n+":"+event]++
	}
}

func (c *counting) fresh() {
	q := c.lists["q:"+c.n]
	c.want(int64(len(q)) == c.t.last-c.t.head, "a queue has what was numbered and did not leave it", "%s: %d, want %d", c.n, len(q), c.t.last-c.t.head)
	for i, packed := range q {
		if packed == "" {
			c.want(i > 0, "a queue begins with a delivery", "%s", c.n)
			c.holes++
			continue
		}
		e, ok := unpackElement(packed)
		c.want(ok, "a delivery can be read", "%s:%d", c.n, c.t.head+1+int64(i))
		c.see(c.t.head+1+int64(i), &e, true)
		c.off = min(c.off, millis(e.created))
	}
}

func (c *counting) claimed() {
	z, y := c.sets["z:"+c.n], c.sets["y:"+c.n]
	waiting := 0
	for field, packed := range c.hashes["a"] {
		n, s, _ := strings.Cut(field, ":")
		if n != c.n {
			continue
		}
		seq := integer(s)
		r, ok := unpackRecord(packed)
		_, _, fine := r.attemptsOf(r.attempts)
		c.want(ok && fine, "a delivery can be read", "%s", field)
		test := r.flags&flagTest != 0
		c.want(seq <= c.t.head || test, "what was claimed has left its queue", "%s", field)
		c.see(seq, &r.element, true)
		c.tries += r.attempts
		c.pages[seq/pageSize] = true
		if r.state == stateLeased {
			c.leased++
			c.want(c.leases[field] == packed[:6], "a lease is of the last claim that has it", "%s", field)
			continue
		}
		waiting++
		set := z
		if test {
			set = y
		} else {
			c.off = min(c.off, millis(r.created))
		}
		due, there := set[s]
		c.want(there && (test || due >= c.t.next), "what waits again is in line", "%s", field)
	}
	c.want(waiting == len(z)+len(y), "what is in line waits", "%s: %d, want %d", c.n, len(z)+len(y), waiting)
	c.want(int64(len(z)) == c.t.waiting && int64(len(y)) == c.t.tests && c.leased == c.t.leased, "counters of what was claimed agree",
		"%s: %d %d %d, want %d %d %d", c.n, c.t.waiting, c.t.tests, c.t.leased, len(z), len(y), c.leased)
}

func (c *counting) ended() {
	each(c.lists, "l:"+c.n, func(p string, list []string) {
		page := integer(p)
		for _, packed := range list {
			slot, outcome, r, ok := unpackEnded(packed)
			_, _, fine := r.attemptsOf(r.attempts)
			seq := page*pageSize + slot
			c.want(ok && fine && (outcome == "s" || outcome == "f"), "a delivery can be read", "%s:%d", c.n, seq)
			c.see(seq, &r.element, false)
			c.tries += r.attempts
			if outcome == "s" {
				c.ok++
			} else {
				c.failed++
			}
		}
		c.pages[page] = true
		_, _, first, _ := unpackEnded(list[0])
		c.want(c.sets["p"][c.n+":"+p] == millis(first.end), "a page is found by its oldest end", "%s:%s", c.n, p)
	})
}

func (c *counting) compare(id string) {
	t := c.t
	c.want(c.ok == t.ok && c.failed == t.failed && c.tries == t.tries && c.pending == t.pending() && c.holes == t.holes, "counters agree with the deliveries",
		"%s: %d %d %d %d, want %d %d %d %d", id, t.ok, t.failed, t.tries, t.pending(), c.ok, c.failed, c.tries, c.pending)
	for page := range c.pages {
		_, there := c.sets["g:"+c.n][strconv.FormatInt(page, 10)]
		c.want(there, "a page that has something is listed", "%s:%d", id, page)
	}
	ended := c.ok + c.failed
	c.want(ended < 50 || ended-c.sets["f"][c.n] < 50, "many ended deliveries are known", "%s: %d, want %d", id, c.sets["f"][c.n], ended)
	off, there := c.sets["off"][c.n]
	c.want(!there || !t.active, "only a disabled webhook is paused", "%s", id)
	c.want(t.active || c.off == math.MaxInt64 || there && off <= c.off, "a paused delivery is found by Prune", "%s", id)
	c.want(t.level <= 1000*t.rate, "a bucket holds no more than a second's worth", "%s", id)
	c.want(!t.parked || t.leased > 0, "a webhook without room has leases", "%s", id)
	at, ready := c.sets["r"][c.n]
	due := c.due()
	switch {
	case due == math.MaxInt64 || t.parked:
		c.want(!ready, "only what is claimable is ready", "%s", id)
	default:
		c.want(ready && at <= max(due, c.now), "a claim finds what is due", "%s: %d, want %d", id, at, due)
	}
}

// due is when the webhook has something to claim.
func (c *counting) due() int64 {
	t, at := c.t, int64(math.MaxInt64)
	for _, due := range c.sets["y:"+c.n] {
		at = min(at, due)
	}
	if t.active {
		if t.last > t.head {
			at = min(at, t.held)
		}
		for _, due := range c.sets["z:"+c.n] {
			at = min(at, max(due, t.held))
		}
	}
	if at < math.MaxInt64 && t.rate > 0 && t.level < 1000 {
		at = max(at, t.taken+(1000-t.level+t.rate-1)/t.rate)
	}
	return at
}
