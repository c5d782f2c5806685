package operator

import (
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/words"
)

const (
	maxRate = 1000 // webhooks a second
	maxNote = 512  // characters
)

// faults collects what is wrong.
type faults []webhook.Fault

func (f *faults) add(path string, text words.Text, args ...any) {
	*f = append(*f, webhook.NewFault(path, webhook.FaultWrong, text, args...))
}

func (f *faults) err() error {
	if len(*f) == 0 {
		return nil
	}
	return &webhook.InvalidError{Faults: *f}
}

// Check lists what [Operator.Begin] finds wrong with a request.
func (r Request) Check() []webhook.Fault { return r.check(0) }

// check says what is wrong with a request that takes so many bytes.
func (r Request) check(size int) faults {
	var bad faults
	if !slices.Contains(Kinds(), r.Kind) {
		bad.add("kind", `must be "enable", "disable", "replay", "cancel", "rewrap" or "delete"`)
	}
	r.Selection.check(&bad, r.Kind)
	if r.Kind != KindReplay && (!r.Since.IsZero() || !r.Until.IsZero()) {
		bad.add("since", "since and until are for a replay")
	}
	if !r.Until.IsZero() && !r.Since.Before(r.Until) {
		bad.add("until", "must be after since")
	}
	if r.Rate < 0 || r.Rate > maxRate {
		bad.add("rate", "must be between 1 and %d webhooks a second; leave it out for no bound", maxRate)
	}
	if utf8.RuneCountInString(r.Note) > maxNote || !utf8.ValidString(r.Note) || slices.ContainsFunc([]rune(r.Note), unicode.IsControl) {
		bad.add("note", "must be up to %d characters, none of them a control character", maxNote)
	}
	if len(bad) == 0 && size > maxRequest {
		bad.add("selection", "names too much for one job, which has room for %d bytes in all: make several", maxRequest)
	}
	return bad
}

func (s *Selection) check(bad *faults, kind Kind) {
	filter := s.filter()
	filter.check(bad, "selection.", webhook.ConditionHealthy, webhook.ConditionFailing, webhook.ConditionDisabled)
	for i, m := range s.Merchants {
		if !id.ValidMerchant(m) {
			bad.add(fmt.Sprintf("selection.merchants[%d]", i), id.MerchantRule)
		}
	}
	for i, w := range s.Webhooks {
		if !id.Valid(w) {
			bad.add(fmt.Sprintf("selection.webhooks[%d]", i), "is not the id of a webhook")
		}
	}
	named := len(s.Merchants) > 0
	switch {
	case !named && len(s.Webhooks) == 0 && !s.All && filter == Filter{}:
		bad.add("selection", `must say which webhooks; {"all":true} is all of them`)
	case kind == KindDelete && (!named || s.All || len(s.Webhooks) > 0 || filter != Filter{}):
		bad.add("selection", "must be merchants and nothing else where webhooks are to be deleted")
	case named && s.All:
		bad.add("selection.all", "must not be given together with merchants")
	case s.inTrouble() && s.Health == webhook.ConditionHealthy:
		bad.add("selection.health", "takes healthy webhooks only together with merchants, webhooks or all")
	}
}

func (s *Selection) filter() Filter {
	return Filter{Status: s.Status, Health: s.Health, Reason: s.Reason, Host: s.Host}
}

// inTrouble says that the selection is one among the webhooks in trouble.
func (s *Selection) inTrouble() bool { return len(s.Merchants) == 0 && len(s.Webhooks) == 0 && !s.All }

// names says that the selection takes a webhook with this id.
func (s *Selection) names(webhookID string) bool {
	return len(s.Webhooks) == 0 || slices.Contains(s.Webhooks, webhookID)
}

func (s *Selection) takes(w webhook.Webhook) bool {
	return s.names(w.ID) && s.filter().takes(w)
}
