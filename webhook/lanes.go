package webhook

import (
	"hash/maphash"
	"sync"
	"time"
)

// Places on the wire are shared so that those who answer need not wait for those who do
// not. A webhook is slow if its last attempt took slowAfter, or if it is not known and
// so did the last slowInARow on its host, which has not answered for hostSilence; it is
// proven if it answered sooner; else it is new. At most half of the places are for the
// slow, and at most three quarters for the slow and the new. So the proven always have a
// quarter of their own. While there are other merchants, one has at most half of the places
// for webhooks that lately took longer than lingersAfter: who answers sooner is in nobody's
// way.
//
// A delivery that finds no place goes back to the store and holds its webhook, so that
// the next claim finds others. That counts for nothing.
const (
	slowAfter    = time.Second
	lingersAfter = 100 * time.Millisecond
	slowInARow   = 4 // A host that many share may have a few dead paths.
	// hostSilence is how long a host has to be silent, for many dead paths may come at once.
	hostSilence = 10 * time.Second
	// maxSlow and maxProven bound what is remembered, in each of two generations.
	maxSlow   = 4096
	maxProven = 16_384
	// minHold and maxHold bound how long a webhook waits that found no place. It is for as
	// long as those take that were sent away before. Each time in a row it is half of that,
	// so after twice maxHold it asks every minHold.
	minHold = 100 * time.Millisecond
	newHold = 250 * time.Millisecond // of one that is new
	hostMax = 4 * time.Second        // of one that is on a slow host: newHold at first, then twice as long each time
	maxHold = time.Minute
	// othersLast is for how long a merchant of whom something was claimed counts as one
	// that others have to share with.
	othersLast = time.Second
)

// pace is how soon a webhook answers.
type pace int

const (
	paceNew pace = iota
	paceProven
	paceSlow
)

// lanes decides who may go on the wire.
type lanes struct {
	places int
	seed   maphash.Seed

	mu        sync.Mutex
	on        [3]int         // on the wire, by pace; who has been there for slowAfter is slow
	fresh     flights        // on the wire for less than lingersAfter
	lingering flights        // longer, and less than slowAfter
	merchants map[string]int // on the wire for lingersAfter, or of a webhook that lingers
	slow      memory         // hashes of webhooks and hosts, with how many attempts in a row
	proven    memory         // hashes of webhooks
	answered  memory         // hashes of hosts, with the Unix milliseconds of the last quick answer
	lingers   memory         // hashes of webhooks
	recent    [2]visit       // merchants of whom something was claimed last
	takes     time.Duration  // a slow attempt, on average
	tail      time.Time      // when all that were sent away will have had a place
	away      map[string]absence
}

// visit is a moment at which something of a merchant was claimed.
type visit struct {
	merchant string
	at       time.Time
}

// absence is a webhook that was sent away.
type absence struct {
	until time.Time
	hold  time.Duration
}

func newLanes(places int, timeout time.Duration) *lanes {
	l := &lanes{places: places, seed: maphash.MakeSeed(), merchants: map[string]int{}, takes: timeout, away: map[string]absence{}}
	l.slow.most, l.proven.most, l.answered.most, l.lingers.most = maxSlow, maxProven, maxSlow, maxProven
	l.fresh.init()
	l.lingering.init()
	return l
}

// enter lets a delivery on the wire as f, or says for how long its webhook has to wait.
func (l *lanes) enter(c *claimed, f *flight) (wait time.Duration) {
	f.webhook, f.host, f.merchant = maphash.String(l.seed, c.WebhookID), maphash.String(l.seed, hostOf(c.URL)), c.MerchantID
	f.began = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.age(f.began)
	f.pace, f.lingers = l.paceOf(f), l.lingers.get(f.webhook) > 0
	if wait = l.refuse(f, c); wait > 0 {
		return wait
	}
	if !c.Test && !c.probe {
		delete(l.away, c.WebhookID)
	}
	l.on[f.pace]++
	if f.lingers {
		l.merchants[f.merchant]++
	}
	l.fresh.add(f)
	return 0
}

// leave takes f off the wire. took is how long the attempt was, or 0 if there was none.
func (l *lanes) leave(f *flight, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := f.next == nil // by age
	f.remove()
	l.on[f.pace]--
	if f.lingers {
		if l.merchants[f.merchant]--; l.merchants[f.merchant] == 0 {
			delete(l.merchants, f.merchant)
		}
	}
	switch {
	case took >= lingersAfter:
		l.lingers.add(f.webhook)
	case took > 0:
		l.lingers.drop(f.webhook)
	}
	switch {
	case took >= slowAfter:
		l.takes += (took - l.takes) / 8
		if !told {
			l.isSlow(f)
		}
	case took > 0:
		l.slow.drop(f.webhook)
		l.slow.drop(f.host)
		l.proven.add(f.webhook)
		l.answered.set(f.host, f.began.Add(took).UnixMilli())
	}
}

// age makes those linger, and those slow, that have been on the wire for so long.
func (l *lanes) age(now time.Time) {
	for f := l.fresh.since(now.Add(-lingersAfter)); f != nil; f = l.fresh.since(now.Add(-lingersAfter)) {
		f.remove()
		l.lingering.add(f)
		if !f.lingers {
			f.lingers = true
			l.merchants[f.merchant]++
		}
	}
	for f := l.lingering.since(now.Add(-slowAfter)); f != nil; f = l.lingering.since(now.Add(-slowAfter)) {
		f.remove()
		l.on[f.pace]--
		f.pace = paceSlow
		l.on[f.pace]++
		l.isSlow(f)
	}
}

// isSlow notes that an attempt is slow. Of its host it tells nothing if the webhook was known
// to be slow: a few dead ones, tried again and again, are not the host.
func (l *lanes) isSlow(f *flight) {
	if l.slow.get(f.webhook) == 0 {
		l.slow.add(f.host)
	}
	l.slow.add(f.webhook)
	l.proven.drop(f.webhook)
}

func (l *lanes) paceOf(f *flight) pace {
	switch {
	case l.slow.get(f.webhook) > 0:
		return paceSlow
	case l.proven.get(f.webhook) > 0:
		return paceProven
	case l.slow.get(f.host) >= slowInARow && f.began.UnixMilli()-l.answered.get(f.host) >= hostSilence.Milliseconds():
		return paceSlow
	}
	return paceNew
}

// refuse says how long a delivery has to wait for a place, 0 if it need not.
func (l *lanes) refuse(f *flight, c *claimed) time.Duration {
	if c.probe {
		return 0
	}
	half, full := l.places-l.places/2, l.places-l.places/4
	if c.Test { // Somebody waits for it, so it takes any place but those of the proven.
		if f.pace != paceProven && l.on[paceSlow]+l.on[paceNew] >= full {
			return newHold
		}
		return 0
	}
	others := l.others(f)
	switch {
	case f.pace == paceSlow && (l.on[paceSlow] >= half || l.on[paceSlow]+l.on[paceNew] >= full):
		return l.sendAway(c.WebhookID, l.slow.get(f.webhook) > 0, f.began)
	case f.pace == paceNew && l.on[paceSlow]+l.on[paceNew] >= full:
		return newHold
	case others && (f.lingers || f.pace == paceNew) && l.merchants[f.merchant] >= half:
		return minHold
	}
	return 0
}

// others notes that something of a merchant was claimed, and says if it shares the wire.
func (l *lanes) others(f *flight) bool {
	if l.recent[0].merchant != f.merchant {
		l.recent[1] = l.recent[0]
	}
	l.recent[0] = visit{f.merchant, f.began}
	return l.recent[1].merchant != "" && f.began.Sub(l.recent[1].at) < othersLast
}

// sendAway says for how long a webhook has to wait, that is slow itself or on a slow host.
// Deliveries that come while it does wait no longer than the first.
func (l *lanes) sendAway(webhookID string, itself bool, now time.Time) time.Duration {
	a, known := l.away[webhookID]
	switch {
	case known && now.Before(a.until):
		return max(a.until.Sub(now), time.Millisecond)
	case !itself:
		a.hold = min(max(2*a.hold, newHold), hostMax)
	case known:
		a.hold = max(a.hold/2, minHold)
	default:
		if l.tail.Before(now) {
			l.tail = now
		}
		l.tail = l.tail.Add(l.takes / time.Duration(l.places-l.places/2))
		a.hold = min(max(l.tail.Sub(now), minHold), maxHold)
	}
	if len(l.away) >= maxSlow {
		clear(l.away)
	}
	a.until = now.Add(a.hold)
	l.away[webhookID] = a
	return a.hold
}

// flight is a delivery on the wire.
type flight struct {
	webhook, host uint64
	merchant      string
	pace          pace
	lingers       bool
	began         time.Time
	prev, next    *flight // in flights
}

// flights is a ring of deliveries on the wire, the oldest first.
type flights struct{ flight }

func (r *flights) init() { r.prev, r.next = &r.flight, &r.flight }

// since returns the oldest if it has been on the wire since a moment, or nil.
func (r *flights) since(at time.Time) *flight {
	if f := r.next; f != &r.flight && !f.began.After(at) {
		return f
	}
	return nil
}

func (r *flights) add(f *flight) {
	f.prev, f.next = r.prev, &r.flight
	f.prev.next, f.next.prev = f, f
}

// remove takes f out of the ring, if it is in it.
func (f *flight) remove() {
	if f.next != nil {
		f.prev.next, f.next.prev = f.next, f.prev
		f.prev, f.next = nil, nil
	}
}

// memory keeps a number for a hash, and forgets what was not asked for lately: it has two
// generations, and once the younger is full it takes the place of the older.
type memory struct {
	most       int
	young, old map[uint64]int64
}

func (m *memory) get(k uint64) int64 {
	n, ok := m.young[k]
	if !ok {
		if n, ok = m.old[k]; ok {
			m.set(k, n)
		}
	}
	return n
}

func (m *memory) add(k uint64) { m.set(k, min(m.get(k), slowInARow)+1) }

func (m *memory) set(k uint64, n int64) {
	if _, ok := m.young[k]; !ok && (m.young == nil || len(m.young) >= m.most) {
		m.old, m.young = m.young, map[uint64]int64{}
	}
	m.young[k] = n
}

func (m *memory) drop(k uint64) {
	delete(m.young, k)
	delete(m.old, k)
}
