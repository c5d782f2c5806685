package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

// spoiler is what a store of which the waiting delivery was damaged does: the next claim ends
// it, and Backlog and Prune tell.
type spoiler struct {
	of          *Victim // nil: nothing is damaged
	found, told bool
}

func (s *spoiler) damage(_ context.Context, of Victim) error {
	s.of = &of
	return nil
}

func (s *spoiler) play(c *call) {
	switch {
	case s.of == nil:
	case c.on == "Claim" && !s.found:
		_, err := c.m.Cancel(c.ctx, s.of.MerchantID, s.of.WebhookID, store.CancelRequest{DeliveryID: s.of.Waiting.DeliveryID, Code: store.CodeDamaged, Limit: 1})
		s.found = err == nil
	}
	c.do()
	switch {
	case !s.found:
	case c.on == "Backlog":
		c.backlog.Damaged = 1
	case c.on == "Prune" && !s.told:
		s.told = true
		c.pruned.Damaged = []store.Damage{{At: c.m.now, What: "a delivery", How: "is damaged", MerchantID: s.of.MerchantID}}
	}
}

// openSpoiled opens a model that sets damage aside, but for what a fault does instead.
func openSpoiled(doing func(s *spoiler, c *call)) Harness {
	s := &spoiler{}
	h := openFaulty(faultOf(func(c *call) { doing(s, c) }))
	h.Damages = []Damage{{Name: "a delivery", Do: s.damage, Told: true}}
	return h
}

func faultOf(play func(c *call)) fault {
	return fault{on: "Claim Finish Backlog Prune Deliveries ListWebhooks Event Publish DeleteWebhook", play: play}
}

// damageFaults are what a store can do wrong about damage, and words of what the suite says.
func damageFaults() map[string]struct {
	says string
	play func(s *spoiler, c *call)
} {
	type list = map[string]struct {
		says string
		play func(s *spoiler, c *call)
	}
	broken := errors.New("cannot be read")
	failing := func(on string) func(s *spoiler, c *call) {
		return func(s *spoiler, c *call) {
			s.play(c)
			if s.of != nil && c.on == on {
				c.err = broken
			}
		}
	}
	of := func(on string, f func(s *spoiler, c *call)) func(s *spoiler, c *call) {
		return func(s *spoiler, c *call) {
			s.play(c)
			if s.of != nil && c.on == on {
				f(s, c)
			}
		}
	}
	return list{
		"a claim fails":  {"Claim: cannot be read", failing("Claim")},
		"a prune fails":  {"Prune: cannot be read", failing("Prune")},
		"a page fails":   {"ListWebhooks fails with", failing("ListWebhooks")},
		"a log fails":    {"Deliveries", failing("Deliveries")},
		"a read fails":   {"Event fails with", failing("Event")},
		"a delete fails": {"DeleteWebhook fails with", failing("DeleteWebhook")},
		"publishing fails": {"Publish for another merchant", of("Publish", func(_ *spoiler, c *call) {
			if c.merchant == "merchant_2" {
				c.err = broken
			}
		})},
		"neighbours are lost": {"others get", of("Claim", func(s *spoiler, c *call) {
			c.claimed.Leases = slices.DeleteFunc(c.claimed.Leases, func(l store.Lease) bool { return l.MerchantID != s.of.MerchantID })
		})},
		"others end with it": {"others get", of("Claim", func(s *spoiler, c *call) {
			_, _ = c.m.Cancel(c.ctx, "merchant_1", s.of.WebhookID, store.CancelRequest{Code: store.CodeDamaged, Limit: 1})
		})},
		"it keeps claimers busy": {"claimers would not pause", of("Claim", func(_ *spoiler, c *call) { c.claimed.Next = 0 })},
		"a lease of nothing": {"without its address", of("Claim", func(_ *spoiler, c *call) {
			for i := range c.claimed.Leases {
				c.claimed.Leases[i].URL = ""
			}
		})},
		"it is counted nowhere": {"Backlog counts nothing", of("Backlog", func(_ *spoiler, c *call) { c.backlog.Damaged = 0 })},
		"it is not named":       {"Prune names no damage", of("Prune", func(_ *spoiler, c *call) { c.pruned.Damaged = nil })},
		"it is told again and again": {"twice", of("Prune", func(s *spoiler, c *call) {
			c.pruned.Damaged = []store.Damage{{At: c.m.now, What: "a delivery", How: "is damaged", MerchantID: s.of.MerchantID}}
		})},
		"it stays pending": {"is still pending", func(s *spoiler, c *call) {
			if s.of == nil || c.on != "Claim" {
				c.do()
				return
			}
			s.found = true
			d := c.m.delivery(s.of.MerchantID, s.of.WebhookID, s.of.Waiting.DeliveryID)
			d.DueAt = c.m.now.Add(time.Hour)
			c.do()
		}},
	}
}

// TestDamageFaults plays the damage on stores that do one thing wrong about it.
func TestDamageFaults(t *testing.T) {
	t.Parallel()
	play := func(t *testing.T, doing func(s *spoiler, c *call)) []string {
		t.Helper()
		want := playDamage(t, openFaulty(fault{}), Damage{Do: func(context.Context, Victim) error { return nil }})
		return record(t.Context(), func(r tb) {
			h := openSpoiled(doing)
			compareDamage(r, playDamage(r, h, h.Damages[0]), want)
		})
	}
	require.Empty(t, play(t, (*spoiler).play), "a store that sets damage aside passes")
	for name, f := range damageFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failures := play(t, f.play)
			require.NotEmpty(t, failures, "nothing has found it")
			require.Contains(t, strings.Join(failures, "\n"), f.says)
		})
	}
}
