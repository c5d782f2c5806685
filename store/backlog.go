package store

import (
	"context"
	"fmt"
	"time"
)

// Backlogs tells how much waits, for those who watch over a service.
type Backlogs interface {
	// Backlog looks at the whole store. Its cost does not grow with the number of
	// deliveries, so it may be asked every few seconds. It fails with
	// [ErrUnavailable] if a part of the store is out of reach.
	Backlog(ctx context.Context) (Backlog, error)
}

// Backlog is what waits in a store at one moment.
type Backlog struct {
	// Pending counts the deliveries that have not ended: due ones, later ones, those
	// of disabled webhooks and leased ones. Those of a webhook that was deleted may
	// count until Prune has removed them.
	Pending int64

	// OldestDue is for how long Claim has had something to take, 0 if it has
	// nothing. It goes by the delivery that is due longest and by the lease that
	// ended first without a result. What its webhook keeps waiting, because it is
	// disabled or held, or has no token or no room for another lease, does not count. So it
	// tells whether claimers keep up, and not whether endpoints do.
	OldestDue time.Duration

	// Damaged counts what was found unreadable and set aside, as far as the store
	// notes it. A store that cannot be damaged leaves it at 0.
	Damaged int64
}

// Damage is something that a store could not read, and set aside.
type Damage struct {
	At   time.Time // when it was found
	What string    // such as the id of a delivery, in the store's own words
	How  string    // what is wrong with it

	// Whose it is, and which one. Each is empty if it is not known, or says nothing.
	MerchantID string
	WebhookID  string
	DeliveryID string
	EventID    string
}

// String says all of it in one line.
func (d Damage) String() string {
	of := ""
	if d.WebhookID != "" {
		of = " of webhook " + d.WebhookID + " of merchant " + d.MerchantID
	}
	return fmt.Sprintf("%s%s %s (%s)", d.What, of, d.How, d.At.Format(time.RFC3339))
}
