package transfer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// Verdict says what a move means for one receiver.
type Verdict string

// A receiver takes a test if it answers with a 2xx status.
const (
	VerdictSame        Verdict = "same"        // takes both
	VerdictOnlyOld     Verdict = "only_old"    // would fail after the move
	VerdictOnlyNew     Verdict = "only_new"    // fails today
	VerdictNeither     Verdict = "neither"     // fails today, and would go on to
	VerdictUnreachable Verdict = "unreachable" // answered neither with a status
)

// Answer is what came back for a test: a status, or why there is none.
type Answer struct {
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"` // as in [webhook.Code]
}

// Rehearsed is a line of the report: what one receiver has answered.
type Rehearsed struct {
	WebhookID  string  `json:"webhookId"`
	MerchantID string  `json:"merchantId"`
	URL        string  `json:"url"` // without its query, which may hold a secret
	Old        Answer  `json:"old"`
	New        Answer  `json:"new"`
	Verdict    Verdict `json:"verdict"`

	// Receiver is what [webhook.Service.Detect] has found by the new form.
	Receiver webhook.ReceiverKind `json:"receiver,omitempty"`

	// Encoding is the payloadEncoding that the file should have for this webhook, for its
	// receiver writes the body again in this way. Empty: what it has is right, or none is.
	Encoding webhook.Encoding `json:"encoding,omitempty"`

	Note string `json:"note,omitempty"` // for people
}

// Rehearsal counts what a [Rehearse] has found.
type Rehearsal struct {
	Webhooks    int // that were tested, Kept included
	Same        int
	OnlyOld     int // would fail after the move
	OnlyNew     int
	Neither     int
	Unreachable int

	Open     int // of those that take the new form: do not verify it
	Kept     int // of those that pass: found by an earlier rehearsal, and not tested again
	Disabled int // were not tested
}

// count takes in a line.
func (r *Rehearsal) count(line *Rehearsed) {
	r.Webhooks++
	switch line.Verdict {
	case VerdictSame:
		r.Same++
	case VerdictOnlyOld:
		r.OnlyOld++
	case VerdictOnlyNew:
		r.OnlyNew++
	case VerdictNeither:
		r.Neither++
	default:
		r.Unreachable++
	}
	if line.Receiver == webhook.FoundOpen {
		r.Open++
	}
}

// judge fills in what follows from the answers.
func (line *Rehearsed) judge(w *store.Webhook, d webhook.Detection) {
	encoding := webhook.Encoding(w.Encoding)
	line.Receiver = d.Receiver
	taken := takes(d, encoding)
	line.New = answerOf(d, taken)
	old := line.Old.Status/100 == 2
	switch {
	case old && taken:
		line.Verdict = VerdictSame
	case old:
		line.Verdict = VerdictOnlyOld
	case taken:
		line.Verdict = VerdictOnlyNew
	case line.Old.Status == 0 && line.New.Status == 0:
		line.Verdict = VerdictUnreachable
	default:
		line.Verdict = VerdictNeither
	}
	switch {
	case d.Receiver == webhook.FoundOpen:
		line.Note = "does not verify: it takes a wrong signature, too"
	case d.Receiver == webhook.FoundRewrites && !taken:
		line.Encoding = d.Encoding
		line.Note = fmt.Sprintf("writes the body again before it verifies: with payloadEncoding %q it would take the new form", d.Encoding)
	case d.Receiver == webhook.FoundRewrites:
		line.Note = "writes the body again before it verifies, in the way that payloadEncoding says"
	case line.Verdict == VerdictOnlyOld && line.New.Status != 0:
		line.Note = "refuses the new form in each encoding: compare signature, headers and body with what it expects"
	}
}

// takes reports whether a receiver takes what the service would send in an encoding.
func takes(d webhook.Detection, encoding webhook.Encoding) bool {
	switch d.Receiver {
	case webhook.FoundRaw, webhook.FoundOpen:
		return true
	case webhook.FoundRewrites:
		return d.Encoding == encoding
	case webhook.FoundNothing: // It may have answered the first and not the next.
		return encoding == webhook.EncodingStandard && len(d.Probes) > 0 && d.Probes[0].Accepted()
	}
	return false
}

// answerOf returns the first answer that shows why a receiver takes the new form or not.
func answerOf(d webhook.Detection, taken bool) Answer {
	for _, p := range d.Probes {
		if p.Accepted() == taken {
			code := string(p.Delivery.Code)
			if p.Delivery.Status == webhook.DeliveryPending {
				code = string(webhook.CodeTimeout)
			}
			return Answer{Status: p.Delivery.StatusCode, Error: code}.plain()
		}
	}
	return Answer{Error: string(webhook.CodeTimeout)}
}

// plain leaves out the code where there is a status, which says more.
func (a Answer) plain() Answer {
	if a.Status != 0 {
		a.Error = ""
	}
	return a
}

// place names a receiver across two rehearsals.
type place struct{ merchantID, webhookID, url string }

func (line *Rehearsed) place() place { return place{line.MerchantID, line.WebhookID, line.URL} }

// passed reads a report and returns the lines of those that need no second test. The
// last line of a place counts. One that was cut off, as it ends the file of a rehearsal
// that was, is left out, but not the first: what begins with another is no report.
func passed(report io.Reader) (map[place]Rehearsed, error) {
	out := map[place]Rehearsed{}
	if report == nil {
		return out, nil
	}
	s := bufio.NewScanner(report)
	s.Buffer(nil, maxLine)
	var wrong error
	for number := 1; s.Scan(); number++ {
		if wrong != nil {
			return nil, wrong
		}
		var line Rehearsed
		if err := json.Unmarshal(s.Bytes(), &line); err != nil || line.Verdict == "" {
			wrong = fmt.Errorf("line %d of the earlier report is none of a rehearsal", number)
			if number == 1 {
				return nil, wrong
			}
			continue
		}
		delete(out, line.place())
		if line.Verdict == VerdictSame || line.Verdict == VerdictOnlyNew {
			out[line.place()] = line
		}
	}
	return out, s.Err()
}
