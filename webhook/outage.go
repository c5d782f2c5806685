package webhook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// Some failures look the same whether the endpoint is at fault or this side: the
// resolver does not answer, no packet comes back, no certificate is trusted. The result
// of such an attempt is kept back while others vote. If many hosts fail like that and
// few do not, it is an outage of this side: nothing is counted, what was claimed is
// given back, and a few deliveries at a time try the way until one gets through. A host
// that is alone with its failure is to blame for it.
const (
	// Suspect hosts of outageMerchants are an outage if no other host was heard for
	// votesLast, or if they are outageHosts and at least half of those that were tried
	// since the first of them.
	outageMerchants = 3
	outageHosts     = 5
	votesLast       = time.Minute
	// maxVotes bounds the hosts that are known. Of more, some are forgotten.
	maxVotes = 256
	// votesPerMerchant bounds the suspect hosts of one merchant that vote, so that his
	// dead endpoints do not pass for an outage.
	votesPerMerchant = 3
	// outageDoubt is for how long others can vote before many hosts are an outage.
	outageDoubt = time.Second
	// maxHeld bounds what is kept back. What is more is counted at once.
	maxHeld = 10_000
	// While an outage lasts, probes deliveries at a time try the way, this often. They
	// are chosen among probeClaims of different webhooks.
	probes      = 3
	probeClaims = 30
	probePause  = 5 * time.Second
)

// outage finds out whether the way to all endpoints is gone.
type outage struct {
	hold time.Duration // the longest for which a result is kept back

	lasts atomic.Bool // it is an outage

	mu    sync.Mutex
	hosts map[string]vote
}

// vote is how the last attempt for a host ended.
type vote struct {
	merchant string
	suspect  bool
	at       time.Time
}

func newOutage(lease time.Duration) *outage {
	return &outage{hold: lease / 3, hosts: map[string]vote{}}
}

// vote takes in how an attempt ended, and says if that has ended an outage.
func (o *outage) vote(s *settled) (over bool) {
	if s.info.Test && s.suspect || !s.suspect && !s.heard {
		return false
	}
	host := hostOf(s.url)
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.hosts[host]; !known && len(o.hosts) >= maxVotes {
		for other := range o.hosts {
			delete(o.hosts, other)
			break
		}
	}
	o.hosts[host] = vote{merchant: s.result.MerchantID, suspect: s.suspect, at: now}
	return !s.suspect && o.lasts.Swap(false)
}

// hostOf cuts the host out of a URL that was checked.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// suspected reports whether the last attempt for a host was suspect.
func (o *outage) suspected(host string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hosts[host].suspect
}

// verdict says whether there is an outage, since a moment at which a result was suspect.
func (o *outage) verdict(since time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	suspects, good, goodSince, of := 0, 0, 0, map[string]int{}
	for host, v := range o.hosts {
		age := now.Sub(v.at)
		switch {
		case age > votesLast || v.suspect && age > o.hold:
			delete(o.hosts, host)
		case !v.suspect:
			good++
			if !v.at.Before(since) {
				goodSince++
			}
		case of[v.merchant] < votesPerMerchant:
			of[v.merchant]++
			suspects++
		}
	}
	doubted := now.Sub(since)
	return len(of) >= outageMerchants && (suspects >= outageHosts && suspects >= goodSince && doubted >= outageDoubt ||
		good == 0 && doubted >= o.hold-outageDoubt)
}

// judge keeps suspect results back until there is a verdict, or for the hold at most.
// It ends with the channel, and what it holds then counts.
func (r *run) judge(ctx context.Context) {
	var held []settled
	tick := time.NewTicker(outageDoubt)
	defer tick.Stop()
	pass := func(s settled, ours bool) {
		if ours {
			r.waive(&s, probePause)
		}
		select {
		case r.results <- s:
		case <-ctx.Done():
			r.lost(ctx, []settled{s})
		}
	}
	for {
		tick := tick.C
		if len(held) == 0 {
			tick = nil // An idle process has no timer that matters.
		}
		select {
		case s, open := <-r.suspects:
			switch {
			case !open:
				for _, s := range held {
					pass(s, false)
				}
				return
			case r.outage.lasts.Load():
				pass(s, true)
			case len(held) < maxHeld:
				held = append(held, s)
			default:
				pass(s, false)
			}
			continue
		case <-tick:
		}
		ours := r.outage.verdict(held[0].heldAt)
		if ours && !r.outage.lasts.Swap(true) {
			r.trouble(ctx, wayOut, fmt.Errorf("%d deliveries failed for hosts that cannot all be at fault: resolver, route or certificate authorities of this machine", len(held)))
		}
		kept := held[:0]
		for _, s := range held {
			if !ours && time.Since(s.heldAt) < r.outage.hold && time.Since(s.at) < r.opts.Lease*5/6 {
				kept = append(kept, s)
				continue
			}
			pass(s, ours)
		}
		clear(held[len(kept):])
		held = kept
	}
}

// wayOut names the trouble of an outage.
const wayOut = "way to endpoints"

// voted takes the vote of an attempt, and reports whether its result is to be kept back.
func (r *run) voted(ctx context.Context, s *settled) bool {
	if r.outage.vote(s) {
		r.trouble(ctx, wayOut, nil)
		signal(r.wakes)
	}
	return s.suspect && !s.info.Test
}

// chooseProbes returns which of some leases try the way, hosts of which nothing bad is
// known first, and gives back the others.
func (r *run) chooseProbes(leases []store.Lease, c claimed) []store.Lease {
	var last []store.Lease
	leases = slices.DeleteFunc(leases, func(l store.Lease) bool {
		suspected := r.outage.suspected(hostOf(l.URL))
		if suspected {
			last = append(last, l)
		}
		return suspected
	})
	leases = append(leases, last...)
	n := min(len(leases), probes)
	for _, l := range leases[n:] {
		s := newSettled(claimed{Lease: l, at: c.at, storeTime: c.storeTime})
		r.waive(&s, probePause)
		r.results <- s
	}
	return leases[:n]
}

// waive makes of a failure one that counts for nobody: the delivery waits.
func (r *run) waive(s *settled, pause time.Duration) {
	s.result.Outcome, s.result.Streak, s.result.Fault = store.Released, store.StreakSame, false
	s.result.Hold = 0
	s.result.Delay = pause + rand.N(pause) //nolint:gosec // spreads load, guards nothing
	s.result.DisableAfter, s.result.DisableAfterFailingFor, s.result.DisableReason = 0, 0, ""
	s.result.Attempt = store.Attempt{}
}
