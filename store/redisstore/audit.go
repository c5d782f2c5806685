package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
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
			subscribers: map[string][]string{}, troubled: map[string]bool{}, carried: map[string]bool{}, enqueued: map[string]int{}, leases: map[string]string{},
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
	troubled    map[string]bool     // webhooks, by n
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
	a.want(sameKeys(a.sets["tr"], a.troubled), "a webhook is listed in trouble if it is disabled or unwell", "%s%v, want %v", prefix, a.sets["tr"], a.troubled)
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
		if kind, rest, ok := strings.Cut(name, ":"); ok && slices.Contains([]string{"q", "z", "y", "g", "l", "x", "ch", "nw"}, kind) {
			n, _, _ := strings.Cut(rest, ":")
			known(n, name)
		}
	}
	for field := range a.hashes["a"] {
		n, _, _ := strings.Cut(field, ":")
		known(n, "a "+field)
	}
	for _, set := range []string{"r", "f", "off", "tr", "p"} {
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
	a.want(t.streak == 0 || t.unwell > 0, "a webhook with a streak is unwell", "%s", w.ID)
	if !t.active || t.unwell > 0 {
		a.troubled[n] = true
		a.want(a.sets["tr"][n] == integer(n), "a webhook in trouble is found by its number", "%s", w.ID)
	}
	a.changes(n, &w)
	c := &counting{audit: a, n: n, merchant: merchant, t: &t, off: math.MaxInt64, seen: map[int64]bool{}, pages: map[int64]bool{}}
	c.fresh()
	c.claimed()
	c.ended()
	c.compare(w.ID)
	a.pending += t.pending()
}

// changes looks whether those of a webhook are in order, and whether one is missing at either end.
func (a *audit) changes(n string, w *store.Webhook) {
	var first, last int64
	var status store.Status
	list := a.lists["ch:"+n]
	for _, packed := range list {
		c, ok := unpackChange(packed)
		a.want(ok && c.Version > last && c.Version <= w.Version, "a change can be read, and has a higher version than the one before", "%s", w.ID)
		first, last, status = cmp.Or(first, c.Version), c.Version, c.Status
	}
	a.want(status == w.Status, "the last change has the status of the webhook", "%s: %s, want %s", w.ID, status, w.Status)
	a.want(first == 1 || len(list) == store.MaxChanges, "changes begin with the registration, or are a hundred", "%s: %d", w.ID, len(list))
	a.want(len(list) <= store.MaxChanges, "no more than a hundred changes are kept", "%s: %d", w.ID, len(list))
}
