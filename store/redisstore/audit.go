package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pageSize is how many deliveries a page holds: see lua/lib.lua.
const pageSize = 100

func (s *Store) now(ctx context.Context) (time.Time, error) {
	if s.opts.Now != nil {
		return s.opts.Now(), nil
	}
	return s.client.Time(ctx).Result()
}

// Audit looks whether what Redis holds is as the table at the head of lua/lib.lua says,
// and names the sentence that is broken, or what was found damaged and set aside. It is
// for tests: it reads every key, and calls made at the same time confuse it.
func (s *Store) Audit(ctx context.Context) error {
	now, err := s.now(ctx)
	if err != nil {
		return fmt.Errorf("redisstore: audit: %w", err)
	}
	var broken []error
	for _, h := range s.shards {
		d, err := s.read(ctx, h)
		if err != nil {
			return fmt.Errorf("redisstore: audit: %w", err)
		}
		a := &audit{
			dump: d, of: h, now: now.UnixMilli(), layout: s.layout.id,
			subscribers: map[string][]string{}, carried: map[string]bool{}, enqueued: map[string]int{}, leases: map[string]string{},
		}
		a.shard(h.prefix)
		broken = append(broken, a.broken...)
	}
	return errors.Join(broken...)
}

// audit collects what is wrong with a shard.
type audit struct {
	dump

	now    int64
	of     shard
	layout string
	broken []error

	subscribers map[string][]string // of active webhooks, by M|type
	carried     map[string]bool     // events that pending deliveries need, as M:E
	enqueued    map[string]int      // deliveries by n:E
	leases      map[string]string   // token of each claim in h, by field
	pending     int64
}

// want reports a broken promise unless ok.
func (a *audit) want(ok bool, promise, format string, args ...any) {
	if !ok && len(a.broken) < 10 {
		a.broken = append(a.broken, fmt.Errorf("%s: "+format, append([]any{promise}, args...)...))
	}
}

func (a *audit) shard(prefix string) {
	for what, note := range a.hashes["bad"] {
		a.want(false, "nothing was found damaged", "%s", a.of.damage(what, note))
	}
	a.want(a.strings["id"] == a.layout || len(a.kinds) == 0, "a shard has the id of the layout", "%s", prefix)
	for claim := range a.sets["h"] {
		for field := range strings.FieldsSeq(claim[min(12, len(claim)):]) {
			if a.leases[field] < claim[:6] {
				a.leases[field] = claim[:6]
			}
		}
	}
	merchants := map[string]bool{}
	for n, packed := range a.hashes["t"] {
		merchants[a.hashes["x:"+n]["m"]] = true
		a.webhook(n, packed)
	}
	a.want(sameKeys(a.sets["ms"], merchants), "a shard lists its merchants", "%s", prefix)
	a.want(sameKeys(a.hashes["w"], a.hashes["t"]), "a webhook that has a state can be claimed", "%s", prefix)
	a.want(integer(a.hashes["c"]["pn"]) == a.pending, "a shard counts its pending deliveries", "%s: %s, want %d", prefix, a.hashes["c"]["pn"], a.pending)
	for field, packed := range a.hashes["s"] {
		if field != "" {
			a.want(slices.Equal(readSubscribers(packed), a.subscribers[field]), "a webhook is found under a type if it is active and subscribes to it", "%s", field)
			delete(a.subscribers, field)
		}
	}
	a.want(len(a.subscribers) == 0, "an active webhook is found under each of its types", "%v", a.subscribers)
	for field, packed := range a.hashes["j"] {
		n, _, _ := strings.Cut(field, ":")
		_, live := a.hashes["t"][n]
		a.want(!live || len(packed) == 14*a.enqueued[field], "what was enqueued is found by its event", "%s has %d", field, len(packed)/14)
		delete(a.enqueued, field)
	}
	a.want(len(a.enqueued) == 0, "what was enqueued is found by its event", "%v", a.enqueued)
	a.leftovers(prefix)
	a.events()
	a.notices(prefix)
	a.jobs(prefix)
}

func readSubscribers(packed string) []string {
	u := unpacker{rest: packed}
	var out []string
	for u.rest != "" {
		n := u.num(4)
		out = append(out, fmt.Sprint(u.text(2), "=", n))
	}
	slices.Sort(out)
	return out
}

// leftovers looks at what belongs to no webhook: only a deleted one may have it.
func (a *audit) leftovers(prefix string) {
	known := func(n, what string) {
		_, live := a.hashes["t"][n]
		_, deleted := a.hashes["gc"][n]
		a.want(live || deleted || strings.HasPrefix(what, "a ") && a.leases[what[2:]] != "", "what is left of a deleted webhook is noted", "%s%s", prefix, what)
	}
	for _, name := range a.kinds {
		if kind, rest, ok := strings.Cut(name, ":"); ok && slices.Contains([]string{"q", "z", "y", "g", "l", "x", "nw"}, kind) {
			n, _, _ := strings.Cut(rest, ":")
			known(n, name)
		}
	}
	for field := range a.hashes["a"] {
		n, _, _ := strings.Cut(field, ":")
		known(n, "a "+field)
	}
	for _, set := range []string{"r", "f", "off", "p"} {
		for member := range a.sets[set] {
			n, _, _ := strings.Cut(member, ":")
			known(n, set+" "+member)
		}
	}
}

// events looks at what is stored of events, and at the logs of merchants.
func (a *audit) events() {
	logged := map[string]bool{}
	look := func(merchant, packed string) {
		e, ok := unpackElement(packed)
		name := merchant + ":" + escape(e.eventID)
		a.want(ok && a.strings["e:"+name] != "", "an event of the log is stored", "%s", name)
		logged[name] = true
	}
	each(a.lists, "v", func(merchant string, list []string) {
		for _, packed := range list {
			look(merchant, packed)
		}
		e, _ := unpackElement(list[0])
		a.want(a.sets["o"][merchant] == millis(e.created), "a log is found by its oldest event", "%s", merchant)
	})
	for merchant := range a.sets["o"] {
		a.want(len(a.lists["v:"+merchant]) > 0, "a log that is found is there", "%s", merchant)
	}
	each(a.sets, "u", func(merchant string, list map[string]int64) {
		for packed, place := range list {
			look(merchant, packed)
			a.want(place <= integer(a.hashes["k"][merchant]), "what is kept was in the log before", "%s", merchant)
		}
		_, named := a.sets["us"][merchant]
		a.want(named, "a merchant with kept events is named", "%s", merchant)
	})
	each(a.strings, "e", func(name, packed string) {
		e, _, _, ok := unpackEvent(packed)
		merchant, _, _ := strings.Cut(name, ":")
		a.want(ok && name == merchant+":"+escape(e.eventID), "an event can be read", "%s", name)
		a.want(logged[name], "an event is in the log of its merchant", "%s", name)
		delete(a.carried, name)
	})
	a.want(len(a.carried) == 0, "what a pending delivery carries is stored", "%v", a.carried)
}

func (a *audit) notices(prefix string) {
	of := map[string]string{}
	each(a.sets, "nw", func(n string, members map[string]int64) {
		for id := range members {
			of[id] = n
		}
	})
	for what, ok := range map[string]bool{"nv": sameKeys(a.sets["nv"], a.hashes["no"]), "na": sameKeys(a.sets["na"], a.hashes["no"]), "nw": sameKeys(of, a.hashes["no"])} {
		a.want(ok, "a notice is in all three lists", "%s%s", prefix, what)
	}
}

// jobs looks whether each is where its end says.
func (a *audit) jobs(prefix string) {
	open, ended := map[string]bool{}, map[string]bool{}
	held := map[string]string{} // by scope
	for name, packed := range a.hashes["jb"] {
		merchant, id, _ := strings.Cut(name, ":")
		_, over := a.sets["jd:"+merchant][id]
		number, listed := a.sets["jl:"+merchant][id]
		a.want(packed != "" && listed && number > 0, "a job is listed", "%s%s", prefix, name)
		if over {
			ended[name] = true
		} else {
			open[name] = true
		}
	}
	for scope, id := range a.hashes["js"] {
		merchant, _, _ := strings.Cut(scope, ":")
		held[merchant+":"+id] = scope
	}
	a.want(sameKeys(open, a.sets["jv"]) && sameKeys(open, held), "a job that has not ended can be claimed, and holds its scope", "%s%v %v", prefix, a.sets["jv"], held)
	a.want(sameKeys(ended, a.sets["jx"]), "a job that has ended can age", "%s%v", prefix, a.sets["jx"])
	for _, kind := range []string{"jl", "jd"} {
		each(a.sets, kind, func(merchant string, ids map[string]int64) {
			for id := range ids {
				_, there := a.hashes["jb"][merchant+":"+id]
				a.want(there, "a job that is listed is there", "%s%s:%s", prefix, merchant, id)
			}
		})
	}
}

func sameKeys[A, B any](a map[string]A, b map[string]B) bool {
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return len(a) == len(b)
}

// webhook looks at one webhook and all that belongs to it.
func (a *audit) webhook(n, packed string) {
	x := a.hashes["x:"+n]
	w, err := unpackWebhook(a.hashes["w"][n], packed, x, time.UnixMilli(a.now))
	t, _ := unpackState(packed)
	a.want(err == nil, "a webhook can be read", "%s", n)
	if err != nil {
		return
	}
	merchant := escape(w.MerchantID)
	_, listed := a.sets["i:"+merchant][fmt.Sprintf("%015d", millis(w.CreatedAt))+w.ID]
	a.want(listed && a.hashes["m:"+merchant][w.ID] == n && t.owner == owner(w.MerchantID, w.ID), "a merchant lists its webhooks", "%s", w.ID)
	a.want(t.told == (w.Disablings > 0 || w.Mark != "") || t.told && x["an"] != "", "what was told is known", "%s", w.ID)
	if types := slices.Compact(slices.Sorted(slices.Values(w.Events))); t.active {
		for _, kind := range types {
			name := merchant + "|" + kind
			a.subscribers[name] = append(a.subscribers[name], w.ID+"="+n)
			slices.Sort(a.subscribers[name])
		}
	}
	c := &counting{audit: a, n: n, merchant: merchant, t: &t, off: math.MaxInt64, seen: map[int64]bool{}, pages: map[int64]bool{}}
	c.fresh()
	c.claimed()
	c.ended()
	c.compare(w.ID)
	a.pending += t.pending()
}

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
		_, _, fine := r.attemptsOf()
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
			_, _, fine := r.attemptsOf()
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
