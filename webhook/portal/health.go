package portal

import (
	"fmt"
	"slices"

	"github.com/rag-assistant/webhooks/webhook"
)

// The size of the picture of recent deliveries, in units of the SVG.
const (
	barWidth  = 4
	barGap    = 2
	barHeight = 28
)

// health shows how a webhook's recent deliveries went, as a row of bars. Each bar
// stands for a few deliveries, the newest at the right.
type health struct {
	Bars  []bar
	Width int
	Label string // for those who do not see it
	Rate  string // of those that have ended; empty if none has
	Good  bool
}

// bar is one bar, from top to bottom.
type bar struct {
	X                   int
	Pending, Failed, OK int // heights
	FailedY, OKY        int
	Deliveries          int
}

// newHealth draws at most that many bars. Deliveries come newest first; tests, and what
// was cancelled or damaged, are left out.
func (s speech) newHealth(recent []webhook.Delivery, bars int) health {
	recent = counted(recent)
	h := health{Width: bars*(barWidth+barGap) - barGap}
	ended, succeeded := 0, 0
	for i, some := range portions(recent, bars) {
		b := bar{X: i * (barWidth + barGap)}
		b.fill(some)
		h.Bars = append(h.Bars, b)
	}
	for i := range recent {
		switch recent[i].Status {
		case webhook.DeliverySucceeded:
			succeeded++
			ended++
		case webhook.DeliveryFailed:
			ended++
		case webhook.DeliveryPending:
		}
	}
	h.Label = s.Say("No deliveries yet")
	if len(recent) > 0 {
		h.Label = s.count(int64(len(recent)), "The newest 1 delivery: still pending", "The newest %d deliveries: still pending")
	}
	if ended > 0 {
		h.Rate = percent(succeeded, ended)
		h.Good = succeeded*100 >= ended*95
		h.Label = s.Say("%s of the last %s succeeded", h.Rate, s.count(int64(ended), "1 delivery", "%d deliveries"))
	}
	return h
}

// counted leaves out tests, and what was cancelled or damaged.
func counted(recent []webhook.Delivery) []webhook.Delivery {
	return slices.DeleteFunc(slices.Clone(recent), func(d webhook.Delivery) bool {
		return d.Test || d.Code == webhook.CodeCancelled || d.Code == webhook.CodeDamaged
	})
}

// portions splits what comes newest first into n, of which the newest is the last. The
// first ones are empty if there is too little.
func portions(recent []webhook.Delivery, n int) [][]webhook.Delivery {
	each := max((len(recent)+n-1)/n, 1)
	out := make([][]webhook.Delivery, n)
	for i := n - 1; i >= 0 && len(recent) > 0; i-- {
		most := min(each, len(recent))
		out[i], recent = recent[:most], recent[most:]
	}
	return out
}

func (b *bar) fill(some []webhook.Delivery) {
	if len(some) == 0 {
		return
	}
	pending, failed := 0, 0
	for i := range some {
		switch some[i].Status {
		case webhook.DeliveryPending:
			pending++
		case webhook.DeliveryFailed:
			failed++
		case webhook.DeliverySucceeded:
		}
	}
	b.Deliveries = len(some)
	b.Pending = share(pending, len(some))
	b.Failed = min(share(failed, len(some)), barHeight-b.Pending)
	b.FailedY = b.Pending
	b.OKY = b.Pending + b.Failed
	b.OK = barHeight - b.OKY
}

// share returns a part of a bar's height, and enough to be seen unless it is none.
func share(n, of int) int {
	if n == 0 {
		return 0
	}
	return max(barHeight*n/of, 5)
}

// percent rounds so that 100% means all and 0% means none.
func percent(n, of int) string {
	switch p := (n*1000 + of/2) / of; {
	case n == of:
		return "100%"
	case n == 0:
		return "0%"
	case p >= 1000:
		return "99.9%"
	case p%10 == 0:
		return fmt.Sprintf("%d%%", p/10)
	default:
		return fmt.Sprintf("%d.%d%%", p/10, p%10)
	}
}
