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
func newHealth(recent []webhook.Delivery, bars int) health {
	recent = slices.DeleteFunc(slices.Clone(recent), func(d webhook.Delivery) bool {
		return d.Test || d.Code == webhook.CodeCancelled || d.Code == webhook.CodeDamaged
	})
	h := health{Width: bars*(barWidth+barGap) - barGap}
	each := max((len(recent)+bars-1)/bars, 1)
	used := (len(recent) + each - 1) / each
	ended, succeeded := 0, 0
	for i := range bars {
		b := bar{X: i * (barWidth + barGap)}
		from := (bars - 1 - i) * each
		if bars-1-i < used {
			b.fill(recent[from:min(from+each, len(recent))])
		}
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
	h.Label = "No deliveries yet"
	if len(recent) > 0 {
		h.Label = fmt.Sprintf("Last %s, none ended yet", plural(int64(len(recent)), "delivery"))
	}
	if ended > 0 {
		h.Rate = percent(succeeded, ended)
		h.Good = succeeded*100 >= ended*95
		h.Label = fmt.Sprintf("%s of the last %s succeeded", h.Rate, plural(int64(ended), "delivery"))
	}
	return h
}

func (b *bar) fill(some []webhook.Delivery) {
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
