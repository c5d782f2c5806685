package webhook

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
)

const maxTakenText = 1000 // characters

// hand makes one attempt through Options.Deliver.
func (r *run) hand(ctx context.Context, c claimed) settled {
	s := newSettled(c)
	switch {
	case c.Reclaims >= r.opts.MaxReclaims:
		s.end(CodeInternal)
		return s
	case r.late(ctx, c, r.opts.AttemptTimeout):
		s.result.Outcome, s.result.Delay = store.Released, time.Second
		return s
	}
	outer := ctx
	ctx, ended := r.opts.Observer.attempting(ctx, s.info.AttemptInfo)
	defer func() { ended(s.info.AttemptInfo) }()
	var taken Taken
	began := time.Now()
	err := r.contain("Deliver", &c.Lease, func() error {
		ctx, cancel := context.WithTimeout(ctx, r.opts.AttemptTimeout)
		defer cancel()
		taken = r.opts.Deliver(ctx, Handed{AttemptInfo: s.info.AttemptInfo, Body: c.Body})
		return nil
	})
	s.info.Duration, s.heard = time.Since(began), true
	switch {
	case outer.Err() != nil && (taken.Status/100 != 2 || taken.Back):
		s.result.Outcome = store.Released // Cut short by the stop: nobody's fault.
		return s
	case err != nil:
		s.info.Code = CodeInternal
		s.result.Outcome, s.result.Fault = store.Released, true
		s.result.Delay = min(time.Minute<<min(c.Reclaims, 6), time.Hour)
	case taken.Back:
		s.result.Outcome, s.result.Delay = store.Released, taken.After
		return s
	default:
		r.grade(&s, c, egress.Response{StatusCode: taken.Status})
	}
	switch {
	case taken.Final && s.result.Outcome == store.Retry:
		s.result.Outcome, s.result.Delay, s.result.Streak = store.Failed, 0, store.StreakExtend
	case taken.After > 0 && s.result.Outcome == store.Retry:
		s.result.Delay = taken.After
	}
	s.result.Attempt = store.Attempt{
		Duration: s.info.Duration, StatusCode: s.info.StatusCode, Code: string(s.info.Code), ResponseBody: firstCharacters(taken.Text, maxTakenText),
	}
	r.opts.Observer.attempted(ctx, s.info.AttemptInfo)
	return s
}

// firstCharacters returns the first n characters of a text, in valid UTF-8.
func firstCharacters(text string, n int) string {
	text = strings.ToValidUTF8(text[:min(len(text), n*utf8.UTFMax)], "\uFFFD")
	for i := range text {
		if n--; n < 0 {
			return text[:i]
		}
	}
	return text
}
