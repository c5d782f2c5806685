package transfer

import (
	"fmt"
	"strings"
)

// maxProblems is how many problems a [RefusedError] lists.
const maxProblems = 100

// Problem is why a webhook was not moved. It holds no secret.
type Problem struct {
	Line       int // of the file, from 1; 0 in an export
	MerchantID string
	WebhookID  string
	Field      string // as in "events[2]"; empty: the whole
	Message    string // for people
	Conflict   bool   // the store has a webhook with this id that differs
}

// String is the whole problem in a line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.WebhookID != "" {
		fmt.Fprintf(&b, "webhook %s of %s: ", p.WebhookID, p.MerchantID)
	}
	if p.Field != "" {
		b.WriteString(p.Field + " ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// RefusedError says that some webhooks were not moved. All others were.
type RefusedError struct {
	Problems []Problem // the first 100, in their order
	Webhooks int       // how many were not moved
}

// Error names the first problem.
func (e *RefusedError) Error() string {
	if len(e.Problems) == 0 {
		return fmt.Sprintf("%d webhooks were not moved", e.Webhooks)
	}
	return fmt.Sprintf("%d webhooks were not moved, the first because of %s", e.Webhooks, e.Problems[0])
}

// refusals collects problems.
type refusals struct{ RefusedError }

// add takes in why a webhook is not moved.
func (r *refusals) add(problems ...Problem) {
	r.Webhooks++
	r.Problems = append(r.Problems, problems[:min(len(problems), maxProblems-len(r.Problems))]...)
}

// err returns the problems, if there are any.
func (r *refusals) err() error {
	if r.Webhooks == 0 {
		return nil
	}
	return &r.RefusedError
}
