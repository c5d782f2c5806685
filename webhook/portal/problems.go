package portal

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// problem says what went wrong and what helps.
type problem struct {
	status int
	Title  words.Text
	Text   words.Text
	Remedy words.Text

	args    []any  // of Text
	faults  string // in place of Text, as they are said
	seconds int64  // of Remedy, if it says when to try again
}

func (e *problem) Error() string { return string(e.Title) }

var (
	errUnauthorized = &problem{
		status: http.StatusUnauthorized, Title: "Log in first", Text: "You are not logged in, or your session has ended.",
		Remedy: "Log in, then open this page again.",
	}
	errSession = &problem{
		status: http.StatusUnauthorized, Title: "Log in again", Text: "Your session has ended, so nothing was changed.",
		Remedy: "Log in, then fill in the form once more.",
	}
	errForeign = &problem{
		status: http.StatusForbidden, Title: "Not your webhooks", Text: "You are logged in for another {tenant}.",
		Remedy: "Switch to the account that these webhooks belong to.",
	}
	errScope = &problem{
		status: http.StatusForbidden, Title: "Not allowed", Text: "Your account may not do this.",
		Remedy: "Ask an administrator of your account for the right to manage webhooks.",
	}
	errForeignForm = &problem{
		status: http.StatusForbidden, Title: "Form refused", Text: "This form does not seem to come from this portal, so nothing was changed.",
		Remedy: "Open the page again and send the form from there.",
	}
	errMissing = &problem{
		status: http.StatusNotFound, Title: "Not found", Text: "There is no such page, webhook, delivery or replay. It may have been deleted.",
		Remedy: "Go back to your webhooks.",
	}
	errMethod = &problem{
		status: http.StatusMethodNotAllowed, Title: "Not possible here", Text: "This address cannot be used in this way.",
		Remedy: "Go back to your webhooks.",
	}
	errMediaType = &problem{
		status: http.StatusUnsupportedMediaType, Title: "Form not readable", Text: "What was sent is not a form.",
		Remedy: "Open the page again and send the form from there.",
	}
	errIncomplete = &problem{
		status: http.StatusBadRequest, Title: "Form incomplete", Text: "A part of the form is missing, so nothing was changed.",
		Remedy: "Open the page again and send the form from there.",
	}
	errTooLarge = &problem{
		status: http.StatusRequestEntityTooLarge, Title: "Form too large", Text: "What was sent is larger than any form of this portal.",
		Remedy: "Shorten what you entered and send it again.",
	}
	errRotating = &problem{
		status: http.StatusConflict, Title: "A rotation is under way", Text: "The previous secret is still valid, and another rotation would end it.",
		Remedy: "Wait until it ends, or rotate again without a grace period, which ends it now.",
	}
	errCrowded = &problem{
		status: http.StatusConflict, Title: "Too many are pending", Text: "As many deliveries of this webhook are pending as may be.",
		Remedy: "Wait until some are delivered, or cancel them.",
	}
	errEnded = &problem{
		status: http.StatusConflict, Title: "It has ended", Text: "This delivery has ended, so there is nothing to cancel.",
		Remedy: "Look at the delivery again.",
	}
	errResent = &problem{
		status: http.StatusConflict, Title: "Sent again too often", Text: "This event was sent again to this webhook %d times.", args: []any{webhook.MaxRedeliveries},
		Remedy: "Wait until the log has dropped one of these deliveries.",
	}
	errLimit = &problem{
		status: http.StatusConflict, Title: "No more webhooks", Text: "You have as many webhooks as your account may have.",
		Remedy: "Delete one that you do not need, then create the new one.",
	}
	errInternal = &problem{
		status: http.StatusInternalServerError, Title: "Something went wrong", Text: "This is our fault, not yours.",
		Remedy: "Try again in a moment. If it stays like this, give us the reference below.",
	}
	errDamaged = &problem{
		status: http.StatusInternalServerError, Title: "This record is damaged", Text: "It cannot be read any more. This is our fault, not yours, and trying again does not help.",
		Remedy: "Give us the reference below. A damaged webhook can be deleted from the list of webhooks, and created anew.",
	}
	errUnavailable = &problem{
		status: http.StatusServiceUnavailable, Title: "Not available at the moment", Text: "Webhooks cannot be read or changed right now. Deliveries are not lost.",
		Remedy: "Try again in a minute.",
	}
)

func errTooMany(seconds int64) *problem {
	return &problem{status: http.StatusTooManyRequests, Title: "Too many at once", Text: "There were too many of these in a short time.", seconds: seconds}
}

// page says a problem.
func (e *problem) page(s speech) problemPage {
	out := problemPage{Title: s.Say(e.Title), Text: cmp.Or(e.faults, s.Say(e.Text, e.args...)), Remedy: s.Say(e.Remedy)}
	if e.seconds > 0 {
		out.Remedy = s.count(e.seconds, "Try again in 1 second.", "Try again in %d seconds.")
	}
	return out
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
			status: http.StatusUnprocessableEntity, Title: "Not possible", faults: x.sentences(invalid.Faults),
			Remedy: "Go back, change it, and send it again.",
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
	told := shown.page(x.speech)
	told.Reference = reference
	if shown == errSession {
		told.Login = x.formPage()
	}
	out := answer{status: shown.status, template: "problem", title: told.Title, data: told}
	if x.partial() && x.R.Header.Get("HX-Request-Type") != "full" {
		out.fragment = "problem-part"
	}
	return out
}

// sentences joins faults for people.
func (s speech) sentences(faults []webhook.Fault) string {
	out := make([]string, len(faults))
	for i, f := range faults {
		if out[i] = s.Say("%s.", s.fault(f)); f.Path != "" {
			out[i] = s.Say("%s: %s", f.Path, out[i])
		}
	}
	return strings.Join(out, " ")
}
