package portal

import (
	"cmp"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// cause says why an attempt failed, and what helps.
type cause struct {
	Short  string // for a table
	What   string
	Remedy string
}

// cause says a cause of which each text is constant.
func (s speech) cause(short, what, remedy words.Text) cause {
	return cause{s.Say(short), s.Say(what), s.Say(remedy)}
}

func (s speech) explain(code webhook.Code, status int) cause {
	switch code {
	case "":
		return cause{}
	case webhook.CodeStatus:
		return s.explainStatus(status)
	case webhook.CodeTimeout:
		return s.cause("No answer in time", "No answer in time", "Answer with 2xx as soon as the signature is checked, and do the work afterwards.")
	case webhook.CodeDNS:
		return s.cause("Host not found", "The host name was not found", "Check the host in the URL and its DNS records.")
	case webhook.CodeBlockedAddress:
		return s.cause("Address not public", "The host name leads to an address that is not public", "Use an endpoint that can be reached from the internet.")
	case webhook.CodeConnect:
		return s.cause("No connection", "Nothing accepts connections there", "Check that the server runs, that the port is right, and that no firewall is in between.")
	case webhook.CodeConnection:
		return s.cause("Broken off", "The connection broke off", "Look into the log of the server, or of the proxy before it, for a crash or a limit at that time.")
	case webhook.CodeTLS:
		return s.cause("No secure connection", "No secure connection", "Check that the certificate is valid, complete with its chain, and for this host name.")
	case webhook.CodeBadResponse:
		return s.cause("Not HTTP", "The answer was not HTTP", "Check that a web server listens on this port.")
	case webhook.CodeRedirect:
		return cause{s.Say("Redirect"), s.Say("The endpoint answered with a redirect, %s", s.statusLine(status)), s.Say("Redirects are not followed. Register the final URL.")}
	case webhook.CodeCancelled:
		return s.cause("Cancelled", "The delivery was cancelled", "Send the event again if it is wanted after all.")
	case webhook.CodeDamaged:
		return s.cause("Not readable", "Our copy of this event can no longer be read", "Nothing is wrong with your endpoint. It was not sent, and cannot be: ask us for the event if you miss it.")
	case webhook.CodeSecretLost:
		return s.cause("Secret not readable", "We could not open this webhook's secret or headers", "Nothing is wrong with your endpoint. Look at the webhook's page, then send the event again.")
	case webhook.CodeWebhookDisabled:
		return s.cause("Disabled too long", "The webhook stayed disabled for too long", "Enable it, then replay the time that it missed.")
	}
	return s.cause("Our fault", "Something went wrong on our side", "Nothing is wrong with your endpoint. Send the event again.")
}

func (s speech) explainStatus(status int) cause {
	c := cause{Short: strconv.Itoa(status), What: s.Say("The endpoint answered %s", s.statusLine(status))}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		c.Remedy = s.Say("Check that it has the current secret, and verifies the bytes of the body as they arrived.")
	case http.StatusNotFound, http.StatusGone:
		c.Remedy = s.Say("Check the path in the URL.")
	case http.StatusMethodNotAllowed:
		c.Remedy = s.Say("Let it accept POST at this path.")
	case http.StatusRequestEntityTooLarge:
		c.Remedy = s.Say("Let it accept bodies of 2 MiB.")
	case http.StatusUnsupportedMediaType:
		c.Remedy = s.Say("Let it accept Content-Type: %s.", cmp.Or(s.sent, "application/json"))
	case http.StatusTooManyRequests:
		c.Remedy = s.Say("Set a rate limit for this webhook, below what the endpoint can take.")
	default:
		c.Remedy = s.Say("Any status from 200 to 299 is a success. Look into the endpoint's log for this time.")
		if status >= http.StatusInternalServerError {
			c.Remedy = s.Say("Look into the endpoint's log for an error at this time.")
		}
	}
	return c
}

// standing is how a webhook does, in a word and its colour.
type standing struct {
	Word words.Text
	Tone string
	rank int // those with the lowest come first
}

func newStanding(w webhook.Webhook) standing {
	switch {
	case w.Condition() == webhook.ConditionFailing:
		return standing{"Failing", "wait", 1}
	case w.Status == webhook.Active:
		return standing{"Active", "ok", 2}
	case w.DisabledReason == webhook.ReasonFailures:
		return standing{"Disabled by failures", "bad", 0}
	case w.DisabledReason == webhook.ReasonGone:
		return standing{"Disabled: 410 Gone", "bad", 0}
	}
	return standing{"Disabled", "off", 3}
}

// moment is a piece of a text, or a time in it.
type moment struct {
	Text string
	At   time.Time // zero in a piece of text
}

// clock is how times stand in the texts of package webhook.
var clock = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)

// moments finds the times in a text, so that a script can say what they are locally.
func moments(text string) []moment {
	var out []moment
	rest := text
	for _, found := range clock.FindAllString(text, -1) {
		before, after, _ := strings.Cut(rest, found)
		t, err := time.Parse("2006-01-02 15:04:05 UTC", found)
		if err != nil { // 99 o'clock
			break
		}
		out = append(out, moment{Text: before}, moment{At: t})
		rest = after
	}
	return append(out, moment{Text: rest})
}

// statusLine is a status with its name, if it has one.
func (s speech) statusLine(status int) string {
	line := strconv.Itoa(status)
	if name := http.StatusText(status); name != "" {
		line += " " + s.Say(words.Text(name))
	}
	return line
}

// statusWord writes a delivery's status for people.
func (s speech) statusWord(status webhook.DeliveryStatus) string {
	switch status {
	case webhook.DeliverySucceeded:
		return s.Say("Delivered")
	case webhook.DeliveryFailed:
		return s.Say("Failed")
	}
	return s.Say("Pending")
}
