package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Audit looks whether the indexes in Redis agree with the records, and names the
// promise that is broken. It is for tests: it reads every key, and calls made at
// the same time confuse it.
func (s *Store) Audit(ctx context.Context) error {
	now, err := s.now(ctx)
	if err != nil {
		return fmt.Errorf("redisstore: audit: %w", err)
	}
	a := &audit{now: now.UnixMilli()}
	for _, h := range s.shards {
		d, err := s.read(ctx, h)
		if err != nil {
			return fmt.Errorf("redisstore: audit: %w", err)
		}
		a.dump, a.pending, a.subscribers, a.events = d, map[string]int{}, map[string][]string{}, map[string]bool{}
		a.shard(h.prefix)
		a.count(h.prefix)
	}
	return errors.Join(a.broken...)
}

func (s *Store) now(ctx context.Context) (time.Time, error) {
	if s.opts.Now != nil {
		return s.opts.Now(), nil
	}
	return s.client.Time(ctx).Result()
}

// audit collects what is wrong.
type audit struct {
	dump

	now         int64
	pending     map[string]int      // merchant:event, escaped, to the number of pending deliveries
	subscribers map[string][]string // merchant, escaped, and type to "id=n"
	events      map[string]bool     // merchant:sequence that a log names
	broken      []error
}

// want reports a broken promise unless ok.
func (a *audit) want(ok bool, promise, format string, args ...any) {
	if !ok && len(a.broken) < 10 {
		a.broken = append(a.broken, fmt.Errorf("%s: "+format, append([]any{promise}, args...)...))
	}
}

func (a *audit) shard(prefix string) {
	members := 0
	each(a.hashes, "m", func(merchant string, v map[string]string) {
		members += len(v)
		a.want(len(a.sets["i:"+merchant]) == len(v), "a merchant lists its webhooks", "%s%s", prefix, merchant)
	})
	merchants := map[string]bool{}
	each(a.hashes, "w", func(n string, w map[string]string) {
		a.want(a.hashes["m:"+escape(w["m"])][w["id"]] == n, "a webhook belongs to its merchant", "%s%s", prefix, w["id"])
		_, listed := a.sets["i:"+escape(w["m"])][fmt.Sprintf("%015s", w["cr"])+w["id"]]
		a.want(listed, "a merchant lists its webhooks", "%s%s", prefix, w["id"])
		merchants[w["m"]] = true
		members--
		a.webhook(n, w)
	})
	a.want(equalKeys(a.sets["ms"], merchants), "a shard lists its merchants", "%s", prefix)
	a.want(members == 0, "a merchant names its webhooks only", "%s: %d too many", prefix, members)
	a.leftovers(prefix)
	each(a.hashes, "s", func(merchant string, v map[string]string) {
		for kind, packed := range v {
			a.want(slices.Equal(readSubscribers(packed), a.subscribers[merchant+" "+kind]),
				"a webhook is found under a type if it is active and subscribes to it", "%s %s", merchant, kind)
			delete(a.subscribers, merchant+" "+kind)
		}
	})
	a.want(len(a.subscribers) == 0, "an active webhook is found under each of its types", "%v", a.subscribers)
	a.storedEvents()
	a.notices(prefix)
}

func (a *audit) notices(prefix string) {
	for _, set := range []string{"nv", "na"} {
		a.want(equalKeys(a.sets[set], a.hashes["no"]), "a notice is in both lists", "%s%s", prefix, set)
	}
	for id := range a.hashes["nt"] {
		_, there := a.hashes["no"][id]
		a.want(there, "what was claimed is a notice", "%s%s", prefix, id)
	}
	of := map[string]map[string]bool{}
	for id, packed := range a.hashes["no"] {
		list, err := unpack(packed)
		a.want(err == nil, "a notice can be read", "%s%s", prefix, id)
		f := fields{list: list}
		n := f.text()
		if of[n] == nil {
			of[n] = map[string]bool{}
		}
		of[n][id] = true
		a.want(a.hashes["w:"+n] != nil, "a notice is of a webhook that is there", "%s%s", prefix, id)
	}
	each(a.sets, "nw", func(n string, members map[string]int64) {
		a.want(equalKeys(members, of[n]), "a webhook lists its notices", "%s%s", prefix, n)
		delete(of, n)
	})
	a.want(len(of) == 0, "a webhook lists its notices", "%s: %v", prefix, of)
}

// count looks at the number of pending deliveries, with those of deleted webhooks.
func (a *audit) count(prefix string) {
	queued := 0
	for _, kind := range []string{"q", "t", "l"} {
		each(a.sets, kind, func(_ string, members map[string]int64) { queued += len(members) })
	}
	noted, _ := strconv.Atoi(a.hashes["c"]["pn"]) // None is 0.
	a.want(noted == queued, "a shard counts its pending deliveries", "%s: %d, want %d", prefix, noted, queued)
}

func equalKeys[A, B any](a map[string]A, b map[string]B) bool {
	return slices.Equal(slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
}

func readSubscribers(packed string) []string {
	list, err := unpack(packed)
	if err != nil {
		return nil
	}
	var out []string
	for _, v := range list {
		f := fields{}
		f.list, _ = v.([]any)
		out = append(out, f.text()+"="+f.text())
	}
	return out
}

// leftovers looks at what belongs to no webhook: only a deleted one may have it,
// and it still counts for its events.
func (a *audit) leftovers(prefix string) {
	gone := map[string]string{}
	for n, packed := range a.hashes["gc"] {
		list, err := unpack(packed)
		a.want(err == nil, "a record can be read", "%sgc %s", prefix, n)
		f := fields{list: list}
		gone[n] = f.text()
		for _, queue := range []string{"q:", "t:", "l:"} {
			for id := range a.sets[queue+n] {
				if r, err := readRecord(a.hashes["d:"+n][id]); err == nil {
					a.pending[escape(gone[n])+":"+escape(r.eventID)]++
				}
			}
		}
	}
	orphan := func(kind, rest string) {
		n, _, _ := strings.Cut(rest, ":")
		_, deleted := gone[n]
		a.want(deleted || a.hashes["w:"+n] != nil, "what is left of a deleted webhook is noted", "%s%s:%s", prefix, kind, rest)
	}
	for _, kind := range []string{"d", "g", "y"} {
		each(a.hashes, kind, func(rest string, _ map[string]string) { orphan(kind, rest) })
	}
	for _, kind := range []string{"p", "q", "t", "l", "f"} {
		each(a.sets, kind, func(rest string, _ map[string]int64) { orphan(kind, rest) })
	}
	for _, set := range []string{"ready", "held", "old", "full", "off"} {
		for n := range a.sets[set] {
			a.want(a.hashes["w:"+n] != nil, "an index names webhooks that exist", "%s%s %s", prefix, set, n)
		}
	}
}

func (a *audit) storedEvents() {
	each(a.strings, "e", func(name, value string) {
		if len(value) < 8 {
			a.want(false, "an event can be read", "%s", name)
			return
		}
		pending, size := binary.BigEndian.Uint32([]byte(value)), int(binary.BigEndian.Uint32([]byte(value[4:])))
		h, err := readHead(value[8:min(8+size, len(value))])
		a.want(err == nil, "an event can be read", "%s", name)
		a.want(int(pending) == a.pending[name], "an event counts its pending deliveries", "%s: %d, want %d", name, pending, a.pending[name])
		at, idle := a.sets["idle"][name]
		a.want(idle == (pending == 0) && (!idle || at == h.created), "an event without pending deliveries can be pruned", "%s", name)
		delete(a.pending, name)
		if h.seq == 0 {
			return
		}
		merchant, event, _ := strings.Cut(name, ":")
		page := merchant + ":" + strconv.FormatInt(h.seq/pageSize, 10)
		log := a.hashes["v:"+page]
		a.want(escape(log[strconv.FormatInt(h.seq%pageSize, 10)]) == event, "an event is in its merchant's list", "%s", name)
		oldest, _ := strconv.ParseInt(log["a"], 10, 64)
		youngest, _ := strconv.ParseInt(log["z"], 10, 64)
		a.want(oldest <= h.created && h.created <= youngest, "a page of events spans their times", "%s", name)
		a.events[page] = true
	})
	a.want(len(a.pending) == 0, "what a pending delivery carries is stored", "%v", a.pending)
	each(a.hashes, "v", func(page string, _ map[string]string) { a.want(a.events[page], "a page has events", "%s", page) })
	each(a.sets, "x", func(merchant string, pages map[string]int64) {
		for p := range pages {
			a.want(a.hashes["v:"+merchant+":"+p] != nil, "a page that is named is there", "%s:%s", merchant, p)
		}
	})
	for page := range a.events {
		i := strings.LastIndexByte(page, ':')
		_, ok := a.sets["x:"+page[:i]][page[i+1:]]
		a.want(ok, "a page is named", "%s", page)
	}
	for name := range a.sets["idle"] {
		_, ok := a.strings["e:"+name]
		a.want(ok, "an event that can be pruned is there", "%s", name)
	}
}
