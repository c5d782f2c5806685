package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

// printer writes for people, one thing at a time.
type printer struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
}

// Colours, as terminals number them.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint returns text in a colour, made safe: all of it may come from a stranger.
func (p *printer) paint(colour, text string) string {
	text = safe(text)
	if !p.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// safe escapes characters that would move a terminal's cursor or hide something. JSON
// keeps its meaning.
func safe(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func (p *printer) write(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.out, text)
}

func (p *printer) note(format string, args ...any) {
	p.write(p.paint(dim, fmt.Sprintf(format, args...)) + "\n")
}

// greet says where to send requests, and how they will be answered.
func (p *printer) greet(addr net.Addr, c config) {
	var b strings.Builder
	fmt.Fprintf(&b, "Listening on http://%s, any path.\n", addr)
	_, port, _ := net.SplitHostPort(addr.String())
	fmt.Fprintf(&b, "For a public https address, run: ngrok http %s\n", port)
	if c.secret == "" {
		b.WriteString(p.paint(yellow, "There is no secret, so NOTHING IS VERIFIED: anybody may have sent what you see.\n"+
			"Set WEBHOOK_SECRET to the webhook's secret, whsec_….") + "\n")
	}
	switch {
	case c.fail > 0:
		fmt.Fprintf(&b, "The first %d get %s.\n", c.fail, statusText(c.status))
	case c.status != http.StatusOK:
		fmt.Fprintf(&b, "All get %s.\n", statusText(c.status))
	}
	if c.delay > 0 {
		fmt.Fprintf(&b, "Answers wait for %s.\n", c.delay)
	}
	b.WriteString("\n")
	p.write(b.String())
}

// show prints a request and its answer.
func (p *printer) show(in *request, status int, answered bool) {
	var b strings.Builder
	name := string(in.event.Type)
	if name == "" {
		name = "no event"
	}
	verdict, colour := "verified", green
	switch {
	case in.verified == errNoSecret: //nolint:errorlint // it is this file's own, and never wrapped
		verdict, colour = "NOT VERIFIED, no secret", yellow
	case in.verified != nil:
		verdict, colour = "REFUSED", red
	}
	fmt.Fprintf(&b, "%s  %s  %s  %s\n", in.at.Format(time.TimeOnly), p.paint(bold, name), p.paint(colour, verdict), p.outcome(status, answered))
	if in.event.ID != "" {
		fmt.Fprintf(&b, "  event     %s, created %s\n", safe(in.event.ID), in.event.Created.Format(time.RFC3339))
	}
	if in.times > 1 {
		b.WriteString("  " + p.paint(yellow, fmt.Sprintf("again     this event has come %d times: do its work once", in.times)) + "\n")
	}
	for _, h := range []struct{ label, name string }{{"webhook", signer.HeaderWebhookID}, {"delivery", signer.HeaderDeliveryID}} {
		if value := in.header.Get(h.name); value != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", h.label, safe(value))
		}
	}
	b.WriteString(indented(in.body) + "\n")
	p.write(b.String())
}

func (p *printer) outcome(status int, answered bool) string {
	switch {
	case !answered:
		return p.paint(red, "not answered: the connection ended first")
	case status/100 == 2:
		return p.paint(green, "answered "+statusText(status))
	}
	return p.paint(red, "answered "+statusText(status))
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
	return "  " + safe(pretty.String())
}

// reasons prints why a request did not verify.
func (p *printer) reasons(report explain.Report) {
	for line := range strings.Lines(report.String()) {
		p.write("  " + p.paint(red, strings.TrimSuffix(line, "\n")) + "\n")
	}
	p.write("\n")
}
