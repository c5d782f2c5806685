package portal

import (
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

const (
	chartRead    = 1000 // deliveries
	chartColumns = 25
	chartHeight  = 100 // in units of the SVG
)

type performanceView struct {
	Webhook webhook.Webhook
	Health  health
	Latency latency
	Read    int        // deliveries, at most
	Rows    []chartRow // those of the table, newest first
	From    time.Time  // of the oldest
	To      time.Time  // and of the newest
}

// chartRow is a column of both charts, in figures.
type chartRow struct {
	From, To                   time.Time
	Succeeded, Failed, Pending int
	Median, High               time.Duration
}

// latency shows how long it took from the event to the endpoint's success: for each
// column the median, and the range from there to the time within which 95 of 100 arrived.
type latency struct {
	Columns      []latencyColumn
	Axis         []string // powers of ten, the longest first
	Lines        []int    // where they are
	Median, High time.Duration
	Label        string // for those who do not see it; empty if nothing has arrived
}

type latencyColumn struct {
	X, Top, Height int // of the range
	Median         int // where it is
}

// performance shows the latency and the success of recent deliveries.
func (p *Portal) performance(x *exchange) (answer, error) {
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	page, err := p.svc.Deliveries(x.R.Context(), x.MerchantID, x.WebhookID, webhook.DeliveryQuery{Limit: chartRead})
	if err != nil {
		return answer{}, err
	}
	recent := counted(page.Deliveries)
	v := performanceView{Webhook: w, Read: chartRead, Health: x.newHealth(recent, chartColumns), Latency: x.newLatency(recent)}
	if len(recent) > 0 {
		v.From, v.To = recent[len(recent)-1].CreatedAt, recent[0].CreatedAt
	}
	for _, some := range slices.Backward(portions(recent, chartColumns)) {
		if len(some) > 0 {
			v.Rows = append(v.Rows, newChartRow(some))
		}
	}
	return answer{status: http.StatusOK, template: "performance", title: x.Say("Latency and success"), nav: "webhooks", data: v}, nil
}

func newChartRow(some []webhook.Delivery) chartRow {
	row := chartRow{From: some[len(some)-1].CreatedAt, To: some[0].CreatedAt}
	for i := range some {
		switch some[i].Status {
		case webhook.DeliverySucceeded:
			row.Succeeded++
		case webhook.DeliveryFailed:
			row.Failed++
		case webhook.DeliveryPending:
			row.Pending++
		}
	}
	row.Median, row.High = quantiles(some)
	return row
}

// quantiles are the times within which half of the deliveries that succeeded arrived, and
// 95 of 100; zero if none did.
func quantiles(some []webhook.Delivery) (median, high time.Duration) {
	var all []time.Duration
	for i := range some {
		if d := &some[i]; d.Status == webhook.DeliverySucceeded {
			all = append(all, max(d.DeliveredAt.Sub(d.CreatedAt), time.Millisecond))
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[(len(all)-1)/2], all[(len(all)*95+99)/100-1]
}

func (s speech) newLatency(recent []webhook.Delivery) latency {
	var l latency
	if l.Median, l.High = quantiles(recent); l.Median == 0 {
		return l
	}
	l.Label = s.Say("Half of those that arrived took up to %s, 95 of 100 up to %s", s.took(l.Median), s.took(l.High))
	columns := portions(recent, chartColumns)
	low, high := math.MaxInt, 0 // powers of ten of a millisecond
	for _, some := range columns {
		if median, most := quantiles(some); median > 0 {
			low = min(low, int(math.Floor(power(median))))
			high = max(high, int(math.Ceil(power(most))))
		}
	}
	high = max(high, low+1)
	at := func(p float64) int { // A mark is as thick as barGap, and is to be seen at the bottom, too.
		return int(math.Round((chartHeight - barGap) * (float64(high) - p) / float64(high-low)))
	}
	for i, some := range columns {
		if median, most := quantiles(some); median > 0 {
			c := latencyColumn{X: i * (barWidth + barGap), Top: at(power(most)), Median: at(power(median))}
			c.Height = max(c.Median-c.Top, 1)
			l.Columns = append(l.Columns, c)
		}
	}
	for p := high; p >= low; p-- {
		l.Axis = append(l.Axis, s.axisWord(p))
		l.Lines = append(l.Lines, at(float64(p)))
	}
	return l
}

func power(d time.Duration) float64 {
	return math.Log10(float64(max(d, time.Millisecond)) / float64(time.Millisecond))
}

// axisWord writes a power of ten of a millisecond.
func (s speech) axisWord(p int) string {
	if p < 3 {
		return s.Say("%s ms", count(int64(math.Pow10(p))))
	}
	return s.Say("%s s", count(int64(math.Pow10(p-3))))
}
