package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

const (
	// MaxFailing is how many webhooks Failing shows at most.
	MaxFailing = 100
	// maxCounted is after how many webhooks a page of merchants ends. Each is counted by a
	// call of the store, and one merchant may have 10,000.
	maxCounted = 1000
	// maxLooked is how many webhooks of the index one question looks at, and maxPages in how
	// many pages of it, which a store may make as short as it likes.
	maxLooked = 5000
	maxPages  = 100
)

// Page says which part of a list is asked for.
type Page struct {
	Limit  int    // 1 to 1000
	Cursor string // from the Next of the part before
}

func (p Page) check() error {
	if p.Limit < 1 || p.Limit > webhook.MaxPage {
		return invalid("limit", "must be between 1 and %d", webhook.MaxPage)
	}
	return nil
}

// Merchant counts what a merchant has.
type Merchant struct {
	ID       string
	Webhooks int // with those that the store cannot read

	// Each webhook that can be read is active or disabled. Failing are active ones.
	Active, Disabled, Failing int

	Pending int64 // deliveries, of all webhooks
}

// MerchantPage is a part of the merchants that have webhooks, in an order of the store's.
type MerchantPage struct {
	Merchants []Merchant
	Next      string // continues after this part, empty at the end
}

// Backlog is what waits over all merchants.
type Backlog struct {
	Pending   int64         // deliveries that have not ended, those of disabled webhooks included
	OldestDue time.Duration // for how long dispatchers have had something to send: how late they are
	Damaged   int64         // records that the store has set aside
}

// Backlog tells how late deliveries are. What waits for its own webhook, because that is
// disabled, slow or limited, does not make it late.
func (o *Operator) Backlog(ctx context.Context) (Backlog, error) {
	b, err := o.store.Backlog(ctx)
	if err != nil {
		return Backlog{}, fmt.Errorf("operator: ask for the backlog: %w", err)
	}
	return Backlog(b), nil
}

// Merchants lists the merchants that have webhooks. A part ends early with the merchant
// that brings it to 1,000 webhooks.
func (o *Operator) Merchants(ctx context.Context, q Page) (MerchantPage, error) {
	if err := q.check(); err != nil {
		return MerchantPage{}, err
	}
	out := MerchantPage{Next: q.Cursor}
	for counted := 0; counted < maxCounted; {
		page, err := o.store.Merchants(ctx, store.MerchantQuery{Limit: 1, Cursor: out.Next})
		if err != nil {
			return MerchantPage{}, fmt.Errorf("operator: list merchants: %w", orCursor(err))
		}
		for _, id := range page.Merchants {
			m, err := o.merchant(ctx, id)
			if err != nil {
				return MerchantPage{}, fmt.Errorf("operator: count webhooks of %s: %w", id, err)
			}
			out.Merchants = append(out.Merchants, m)
			counted += m.Webhooks
		}
		if out.Next = page.Next; out.Next == "" || len(out.Merchants) >= q.Limit {
			break
		}
	}
	return out, nil
}

func (o *Operator) merchant(ctx context.Context, id string) (Merchant, error) {
	out := Merchant{ID: id}
	for at := (place{Merchant: id, Last: true}); !at.Over; {
		page, next, err := o.among(ctx, at, webhook.MaxPage)
		if err != nil {
			return out, err
		}
		out.Webhooks += len(page.Webhooks) + len(page.Damaged)
		for _, w := range o.views(page) {
			switch w.Condition() {
			case webhook.ConditionDisabled:
				out.Disabled++
			case webhook.ConditionFailing:
				out.Failing++
				out.Active++
			case webhook.ConditionHealthy:
				out.Active++
			}
			stats, err := o.svc.Stats(ctx, id, w.ID)
			if err != nil && !absent(err) {
				return out, err
			}
			out.Pending += stats.Pending
		}
		at = next
	}
	return out, nil
}

// absent says of a webhook that it was deleted meanwhile, or cannot be read.
func absent(err error) bool {
	return errors.Is(err, webhook.ErrNotFound) || errors.Is(err, webhook.ErrDamaged)
}

// Filter selects webhooks. Each field that is empty takes all of them.
type Filter struct {
	Status webhook.Status
	Health webhook.Condition
	Reason webhook.Reason // why it is disabled
	Host   string         // of the URL, with the port if that is to be compared, too

	FailingBefore time.Time // since when it fails, at the latest
}

func (f Filter) takes(w webhook.Webhook) bool {
	return (f.Status == "" || f.Status == w.Status) && (f.Health == "" || f.Health == w.Condition()) &&
		(f.Reason == "" || f.Reason == w.DisabledReason) && (f.Host == "" || onHost(w.URL, f.Host)) &&
		(f.FailingBefore.IsZero() || !w.FailingSince.IsZero() && w.FailingSince.Before(f.FailingBefore))
}

// onHost reports whether a URL is one of this host.
func onHost(rawURL, host string) bool {
	u, err := url.Parse(rawURL)
	return err == nil && (strings.EqualFold(u.Host, host) || strings.EqualFold(u.Hostname(), host))
}

// Check lists what [Operator.Webhooks] finds wrong with a filter.
func (f Filter) Check() []webhook.Fault {
	var bad faults
	f.check(&bad, "", webhook.ConditionFailing, webhook.ConditionDisabled)
	return bad
}

// check allows for these conditions only.
func (f Filter) check(bad *faults, path string, conditions ...webhook.Condition) {
	if f.Status != "" && f.Status != webhook.Active && f.Status != webhook.Disabled {
		bad.add(path+"status", `must be "active" or "disabled"`)
	}
	if f.Health != "" && !slices.Contains(conditions, f.Health) {
		bad.add(path+"health", "must be one of %q", conditions)
	}
	if !slices.Contains([]webhook.Reason{"", webhook.ReasonFailures, webhook.ReasonGone, webhook.ReasonRequest}, f.Reason) {
		bad.add(path+"reason", `must be "consecutive_failures", "gone" or "requested"`)
	}
	if !validHost(f.Host) {
		bad.add(path+"host", "must be the host of a URL, such as example.com or example.com:8443")
	}
}

// validHost reports whether a text can be a host, or is empty.
func validHost(s string) bool {
	return len(s) <= maxHost && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/?#@\\\x7f", r) })
}

// maxHost is the length of the longest name of a host, with a port.
const maxHost = 253 + 6

// WebhookPage is a part of the webhooks of all merchants, in an order of the store's.
type WebhookPage struct {
	Webhooks []webhook.Webhook
	Damaged  []string // ids of webhooks among these that the store cannot read
	Next     string   // continues after this part, empty at the end
}

// Webhooks lists the webhooks of all merchants that are disabled or failing, as far as f
// takes them. It refuses to look for healthy ones, which are not among these. A part may be
// short, or empty, and have a Next.
func (o *Operator) Webhooks(ctx context.Context, f Filter, q Page) (WebhookPage, error) {
	bad := faults(f.Check())
	if err := cmp.Or(bad.err(), q.check()); err != nil {
		return WebhookPage{}, err
	}
	at, err := parsePlace(q.Cursor)
	if err != nil {
		return WebhookPage{}, err
	}
	page, err := o.look(ctx, f, at, q.Limit)
	if err != nil {
		return WebhookPage{}, fmt.Errorf("operator: list webhooks: %w", orCursor(err))
	}
	return page, nil
}

// look goes along the index from a place on, to the limit-th webhook that f takes at most.
func (o *Operator) look(ctx context.Context, f Filter, at place, limit int) (out WebhookPage, err error) {
	for looked, pages := 0, 0; !at.Over && looked < maxLooked && pages < maxPages && len(out.Webhooks) < limit; pages++ {
		var page store.WebhookPage
		if page, at, err = o.troubled(ctx, at, min(limit-len(out.Webhooks), maxLooked-looked, webhook.MaxPage)); err != nil {
			return WebhookPage{}, err
		}
		looked += len(page.Webhooks) + len(page.Damaged)
		out.Damaged = append(out.Damaged, page.Damaged...)
		for _, w := range o.views(page) {
			if f.takes(w) {
				out.Webhooks = append(out.Webhooks, w)
			}
		}
	}
	out.Next = at.cursor()
	return out, nil
}

// Failing is a webhook that fails now.
type Failing struct {
	webhook.Webhook

	Pending, Failed int64 // deliveries that are kept
}

// Failing lists the active webhooks whose last try has failed, those with most failures in
// a row first, and of these the one that fails for longest. It looks at the first 5,000
// webhooks of the index.
func (o *Operator) Failing(ctx context.Context, limit int) ([]Failing, error) {
	if limit < 1 || limit > MaxFailing {
		return nil, invalid("limit", "must be between 1 and %d", MaxFailing)
	}
	page, err := o.look(ctx, Filter{Health: webhook.ConditionFailing}, place{}, maxLooked)
	if err != nil {
		return nil, fmt.Errorf("operator: list what fails: %w", err)
	}
	all := page.Webhooks
	slices.SortStableFunc(all, func(a, b webhook.Webhook) int {
		return cmp.Or(cmp.Compare(b.ConsecutiveFailures, a.ConsecutiveFailures), a.FailingSince.Compare(b.FailingSince))
	})
	var out []Failing
	for _, w := range all[:min(limit, len(all))] {
		stats, err := o.svc.Stats(ctx, w.MerchantID, w.ID)
		switch {
		case absent(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("operator: list what fails: %w", err)
		}
		out = append(out, Failing{Webhook: w, Pending: stats.Pending, Failed: stats.Failed})
	}
	return out, nil
}
