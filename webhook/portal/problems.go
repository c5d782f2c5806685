package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
)

// problem says what went wrong and what helps.
type problem struct {
	status int
	Title  string
	Text   string
	Remedy string
}

func (e *problem) Error() string { return e.Title }

var (
	errUnauthorized = &problem{
		http.StatusUnauthorized, "Log in first", "You are not logged in, or your session has ended.",
		"Log in, then open this page again.",
	}
	errSession = &problem{
		http.StatusUnauthorized, "Log in again", "Your session has ended, so nothing was changed.",
		"Log in, then fill in the form once more.",
	}
	errForeign = &problem{
		http.StatusForbidden, "Not your webhooks", "You are logged in for another merchant.",
		"Switch to the account that these webhooks belong to.",
	}
	errScope = &problem{
		http.StatusForbidden, "Not allowed", "Your account may not do this.",
		"Ask an administrator of your account for the right to manage webhooks.",
	}
	errForeignForm = &problem{
		http.StatusForbidden, "Form refused", "This form does not seem to come from this portal, so nothing was changed.",
		"Open the page again and send the form from there.",
	}
	errMissing = &problem{
		http.StatusNotFound, "Not found", "There is no such page, webhook, delivery or replay. It may have been deleted.",
		"Go back to your webhooks.",
	}
	errMethod = &problem{
		http.StatusMethodNotAllowed, "Not possible here", "This address cannot be used in this way.",
		"Go back to your webhooks.",
	}
	errMediaType = &problem{
		http.StatusUnsupportedMediaType, "Form not readable", "What was sent is not a form.",
		"Open the page again and send the form from there.",
	}
	errIncomplete = &problem{
		http.StatusBadRequest, "Form incomplete", "A part of the form is missing, so nothing was changed.",
		"Open the page again and send the form from there.",
	}
	errTooLarge = &problem{
		http.StatusRequestEntityTooLarge, "Form too large", "What was sent is larger than any form of this portal.",
		"Shorten what you entered and send it again.",
	}
	errRotating = &problem{
		http.StatusConflict, "A rotation is under way", "The previous secret is still valid, and another rotation would end it.",
		"Wait until it ends, or rotate again without a grace period, which ends it now.",
	}
	errCrowded = &problem{
		http.StatusConflict, "Too many are pending", "As many deliveries of this webhook are pending as may be.",
		"Wait until some are delivered, or cancel them.",
	}
	errEnded = &problem{
		http.StatusConflict, "It has ended", "This delivery has ended, so there is nothing to cancel.", "Look at the delivery again.",
	}
	errResent = &problem{
		http.StatusConflict, "Sent again too often", "This event was sent again to this webhook 20 times.",
		"Wait until the log has dropped one of these deliveries.",
	}
	errLimit = &problem{
		http.StatusConflict, "No more webhooks", "You have as many webhooks as your account may have.",
		"Delete one that you do not need, then create the new one.",
	}
	errInternal = &problem{
		http.StatusInternalServerError, "Something went wrong", "This is our fault, not yours.",
		"Try again in a moment. If it stays like this, give us the reference below.",
	}
	errDamaged = &problem{
		http.StatusInternalServerError, "This record is damaged", "It cannot be read any more. This is our fault, not yours, and trying again does not help.",
		"Give us the reference below. A damaged webhook can be deleted from the list of webhooks, and created anew.",
	}
	errUnavailable = &problem{
		http.StatusServiceUnavailable, "Not available at the moment", "Webhooks cannot be read or changed right now. Deliveries are not lost.",
		"Try again in a minute.",
	}
)

func errTooMany(seconds int64) *problem {
	return &problem{
		http.StatusTooManyRequests, "Too many at once", "There were too many of these in a short time.",
		fmt.Sprintf("Try again in %s.", plural(seconds, "second")),
	}
}

// problemPage is what the template shows of a problem.
type problemPage struct {
	Title, Text, Remedy string
	Reference           string // to a line of the log
	Login               string // path of a page that leads to the login
}

// refuse returns the page for an error. An error that is not the caller's is logged,
// and the page does not repeat it.
func (p *Portal) refuse(ctx context.Context, x *exchange, err error) answer {
	var shown *problem
	var invalid *webhook.InvalidError
	reference := ""
	switch {
	case errors.As(err, &shown):
	case errors.As(err, &invalid):
		shown = &problem{
			http.StatusUnprocessableEntity, "Not possible", sentences(invalid.Faults),
			"Go back, change it, and send it again.",
		}
	case errors.Is(err, webhook.ErrNotFound):
		shown = errMissing
	case errors.Is(err, webhook.ErrCrowded):
		shown = errCrowded
	case errors.Is(err, webhook.ErrEnded):
		shown = errEnded
	case errors.Is(err, webhook.ErrRotating):
		shown = errRotating
	case errors.Is(err, webhook.ErrFull):
		shown = errResent
	case errors.Is(err, webhook.ErrLimit):
		shown = errLimit
	default:
		shown = errInternal
		if webui.Passing(err) {
			shown = errUnavailable
		} else if errors.Is(err, webhook.ErrDamaged) {
			shown = errDamaged
		}
		reference = id.New("req_")
		level, about := x.Fault(ctx, reference, err)
		p.opts.Logger.LogAttrs(ctx, level, "webhook portal request failed", about...)
	}
	told := problemPage{Title: shown.Title, Text: shown.Text, Remedy: shown.Remedy, Reference: reference}
	if shown == errSession {
		told.Login = x.formPage()
	}
	out := answer{status: shown.status, template: "problem", title: shown.Title, data: told}
	if x.partial() && x.R.Header.Get("HX-Request-Type") != "full" {
		out.fragment = "problem-part"
	}
	return out
}

// sentences joins faults for people.
func sentences(faults []webhook.Fault) string {
	out := make([]string, len(faults))
	for i, f := range faults {
		if out[i] = f.Message + "."; f.Path != "" {
			out[i] = f.Path + ": " + out[i]
		}
	}
	return strings.Join(out, " ")
}
