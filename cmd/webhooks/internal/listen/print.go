package listen

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier/explain"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// printer writes for people, one thing at a time.
type printer struct{ *terminal.Writer }

func (p *printer) note(format string, args ...any) {
	p.Print(p.Paint(terminal.Dim, fmt.Sprintf(format, args...)) + "\n")
}

// greet says where to send requests, and how they will be answered.
func (p *printer) greet(addr net.Addr, c Config) {
	var b strings.Builder
	fmt.Fprintf(&b, "Listening on http://%s, any path.\n", addr)
	_, port, _ := net.SplitHostPort(addr.String())
	fmt.Fprintf(&b, "For a public https address, run: ngrok http %s\n", port)
	if c.Secret == "" {
		b.WriteString(p.Paint(terminal.Yellow, "There is no secret, so NOTHING IS VERIFIED: anybody may have sent what you see.\n"+
			"Set WEBHOOK_SECRET to the webhook's secret, whsec_….") + "\n")
	}
	switch {
	case c.Fail > 0:
		fmt.Fprintf(&b, "The first %d get %s.\n", c.Fail, statusText(c.Status))
	case c.Status != http.StatusOK:
		fmt.Fprintf(&b, "All get %s.\n", statusText(c.Status))
	}
	if c.Delay > 0 {
		fmt.Fprintf(&b, "Answers wait for %s.\n", c.Delay)
	}
	b.WriteString("\n")
	p.Print(b.String())
}

// show prints a request and its answer. The wire has all its names.
func (p *printer) show(in *request, wire signer.Wire, status int, answered bool) {
	var b strings.Builder
	verdict, colour := "verified", terminal.Green
	switch {
	case in.verified == errNoSecret: //nolint:errorlint // it is this file's own, and never wrapped
		verdict, colour = "NOT VERIFIED, no secret", terminal.Yellow
	case in.verified != nil:
		verdict, colour = "REFUSED", terminal.Red
	}
	fmt.Fprintf(&b, "%s  %s  %s  %s\n", in.at.Format(time.TimeOnly), p.Paint(terminal.Bold, in.name(wire)), p.Paint(colour, verdict), p.outcome(status, answered))
	if in.event.ID != "" {
		fmt.Fprintf(&b, "  event     %s, created %s\n", terminal.Safe(in.event.ID), in.event.Created.Format(time.RFC3339))
	}
	if in.times > 1 {
		b.WriteString("  " + p.Paint(terminal.Yellow, fmt.Sprintf("again     this event has come %d times: do its work once", in.times)) + "\n")
	}
	for _, h := range []struct{ label, name string }{{"webhook", wire.WebhookID}, {"delivery", wire.DeliveryID}} {
		if value := in.header.Get(h.name); value != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", h.label, terminal.Safe(value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.header)) {
		value := strings.Join(in.header[name], ", ")
		if slices.Contains(credentials, name) {
			value = "(hidden)"
		}
		fmt.Fprintf(&b, "  > %s: %s\n", terminal.Safe(name), terminal.Safe(value))
	}
	b.WriteString(indented(in.body) + "\n")
	p.Print(b.String())
}

// credentials are headers whose value no terminal shows.
var credentials = []string{"Authorization", "Cookie", "Proxy-Authorization"} //nolint:gochecknoglobals // a constant

// name is the type that a request says it is of, verified or not.
func (in *request) name(wire signer.Wire) string {
	unverified, _ := event.Parse(in.body)
	return terminal.Safe(cmp.Or(string(in.event.Type), string(unverified.Type), in.header.Get(wire.Event), "no event"))
}

func (p *printer) outcome(status int, answered bool) string {
	switch {
	case !answered:
		return p.Paint(terminal.Red, "not answered: the connection ended first")
	case status/100 == 2:
		return p.Paint(terminal.Green, "answered "+statusText(status))
	}
	return p.Paint(terminal.Red, "answered "+statusText(status))
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// indented returns JSON in lines, and anything else as it is.
func indented(body []byte) string {
	var pretty bytes.Buffer
	if json.Indent(&pretty, body, "  ", "  ") != nil {
		return fmt.Sprintf("  %d bytes that are not JSON: %.200q", len(body), body)
	}
	return "  " + terminal.Safe(pretty.String())
}

// reasons prints why a request did not verify.
func (p *printer) reasons(report explain.Report) {
	for line := range strings.Lines(report.String()) {
		p.Print("  " + p.Paint(terminal.Red, strings.TrimSuffix(line, "\n")) + "\n")
	}
	p.Print("\n")
}
