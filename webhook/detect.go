package webhook

import (
	"context"
	"fmt"
	"net/http"

	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

// ReceiverKind is what [Service.Detect] has found out about a receiver.
type ReceiverKind string

// How a receiver verifies, or why that is not known.
const (
	// FoundRaw verifies the bytes that came. Any encoding is right.
	FoundRaw ReceiverKind = "raw"
	// FoundRewrites parses the body, writes it again and verifies that.
	// [Detection.Encoding] says how it writes.
	FoundRewrites ReceiverKind = "rewrites"
	// FoundOpen takes requests with a wrong signature too: it does not verify, or
	// not before it answers.
	FoundOpen ReceiverKind = "open"
	// FoundNone refused every correct signature, in each encoding.
	FoundNone ReceiverKind = "none"
	// FoundNothing has not answered, or answered with a redirect.
	FoundNothing ReceiverKind = "unanswered"
)

// Detection is what [Service.Detect] has found out, and how.
type Detection struct {
	Receiver ReceiverKind
	Encoding Encoding // what this receiver verifies; empty if that is not known
	Probes   []Probe  // in the order in which they were sent
}

// Probe is one of the tests that were sent to find out.
type Probe struct {
	Sent     ProbeBody
	Delivery Delivery // as it ended, or pending if nobody has sent it in time
}

// Accepted reports whether the receiver took it.
func (p Probe) Accepted() bool { return p.Delivery.Status == DeliverySucceeded }

// answered reports whether the receiver said yes or no. One that is down or has too
// many requests says neither. A 500 counts as no, because a receiver may fail that
// way over a wrong signature.
func (p Probe) answered() bool {
	switch p.Delivery.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return p.Accepted() || p.Delivery.Status == DeliveryFailed && p.Delivery.Code == CodeStatus
}

// ProbeBody is how the body of a probe is written and signed.
type ProbeBody string

// The body of a probe holds characters that each encoding writes differently.
const (
	ProbeStandard ProbeBody = "standard"
	ProbeASCII    ProbeBody = "ascii"
	ProbeHTML     ProbeBody = "html"
	// ProbeEscaped escapes what ASCII or HTML escapes. No receiver rewrites a body
	// that way.
	ProbeEscaped ProbeBody = "escaped"
	// ProbeForged is signed with a key that the receiver does not have.
	ProbeForged ProbeBody = "forged"
)

// MaxProbes is how many tests [Service.Detect] sends at most.
const MaxProbes = 3

// Detect finds out by at most three tests what a webhook's receiver verifies: the raw
// bytes, as it should, or a body that it has parsed and written again, and in which
// encoding. One of the tests may be signed wrongly, to find a receiver that verifies
// nothing. A receiver that watches for wrong signatures may raise an alarm.
//
// It waits for the outcome of each test as [Service.Await] does. If ctx ends first,
// the answer is [FoundNothing]. A dispatcher must be running. A receiver may refuse
// tests for another reason, for instance because it does not know webhook.test. That
// cannot be told from a wrong signature. Detect changes nothing: see [Update].
func (s *Service) Detect(ctx context.Context, merchantID, webhookID string) (Detection, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return Detection{}, err
	}
	var d Detection
	// Most receivers are found by the second question.
	for sent := ProbeStandard; sent != ""; {
		p, err := s.probe(ctx, merchantID, webhookID, sent)
		if err != nil && ctx.Err() != nil && len(d.Probes) > 0 {
			d.Receiver, d.Encoding = FoundNothing, ""
			break // What was sent is worth an answer.
		}
		if err != nil {
			return d, err
		}
		d.Probes = append(d.Probes, p)
		sent, d.Receiver, d.Encoding = p.next()
		if sent != "" && ctx.Err() != nil {
			sent, d.Receiver = "", FoundNothing
		}
	}
	return d, nil
}

// next returns what to send after p, or nothing and the finding.
func (p Probe) next() (ProbeBody, ReceiverKind, Encoding) {
	yes := p.Accepted()
	switch {
	case !p.answered():
		return "", FoundNothing, ""
	case p.Sent == ProbeStandard && yes:
		return ProbeEscaped, "", ""
	case p.Sent == ProbeStandard:
		return ProbeASCII, "", ""
	case p.Sent == ProbeEscaped && yes:
		return ProbeForged, "", ""
	case p.Sent == ProbeEscaped:
		return "", FoundRewrites, EncodingStandard
	case p.Sent == ProbeForged && yes:
		return "", FoundOpen, ""
	case p.Sent == ProbeForged:
		return "", FoundRaw, EncodingStandard
	case p.Sent == ProbeASCII && yes:
		return "", FoundRewrites, EncodingASCII
	case p.Sent == ProbeASCII:
		return ProbeHTML, "", ""
	case yes:
		return "", FoundRewrites, EncodingHTML
	}
	return "", FoundNone, ""
}

func (s *Service) probe(ctx context.Context, merchantID, webhookID string, sent ProbeBody) (Probe, error) {
	t := trial{message: probeMessage, forged: sent == ProbeForged}
	switch sent {
	case ProbeStandard, ProbeForged:
	case ProbeASCII, ProbeHTML:
		t.encodings = []jcs.Encoding{jcs.Encoding(sent)}
	case ProbeEscaped:
		t.encodings = []jcs.Encoding{jcs.ASCII, jcs.HTML}
	}
	d, err := s.test(ctx, merchantID, webhookID, t)
	if err != nil {
		return Probe{}, fmt.Errorf("webhook: detect: %w", err)
	}
	d, err = s.Await(ctx, merchantID, webhookID, d.ID)
	return Probe{Sent: sent, Delivery: d}, err
}
