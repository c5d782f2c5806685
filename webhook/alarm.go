package webhook

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// A webhook's owner hears of three transitions. The store itself notes a disabling, in
// the step that disables. Warnings and recoveries are decided here, from where the
// webhook stands after a result, and from the mark that says what its owner has been
// told. The store moves the mark in the step that adds the notice, so of all processes
// that decide the same, one adds it. A process that dies in between delays a warning
// to the next failure and a recovery to the next success.

// maxAlarms is how many notices may wait to be added. One beyond them is decided anew
// by the next result.
const maxAlarms = 64

// alarm is a notice on its way to the store.
type alarm struct {
	notice  store.Notice
	oldMark string
	newMark string
}

// mark is what a webhook's owner has been told. Its times are in whole milliseconds.
type mark struct {
	since      time.Time // the owner was warned of failures that began then; zero after a recovery
	streak     time.Time // the beginning of the streak that was last warned of
	warned     time.Time // the time of that warning
	disablings int64     // how often the webhook had been disabled at its last recovery
	crowded    time.Time // when the owner was last told of events that were missed
}

// parseMark reads a mark. A text that this package did not write counts as an empty
// mark.
func parseMark(text string) mark {
	if text == "" {
		return mark{}
	}
	var n [5]int64
	parts := strings.Split(text, " ")
	if len(parts) != len(n) {
		return mark{}
	}
	for i, part := range parts {
		var err error
		if n[i], err = strconv.ParseInt(part, 36, 64); err != nil {
			return mark{}
		}
	}
	moment := func(ms int64) time.Time {
		if ms == 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms).UTC()
	}
	return mark{since: moment(n[0]), streak: moment(n[1]), warned: moment(n[2]), disablings: n[3], crowded: moment(n[4])}
}

func (m mark) String() string {
	ms := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.UnixMilli()
	}
	var out []byte
	for i, n := range []int64{ms(m.since), ms(m.streak), ms(m.warned), m.disablings, ms(m.crowded)} {
		if i > 0 {
			out = append(out, ' ')
		}
		out = strconv.AppendInt(out, n, 36)
	}
	return string(out)
}

// decide returns what to tell the owner after a result, and the new mark. An empty
// kind means nothing.
func decide(o *DispatcherOptions, s *store.Standing, streak store.Streak, disabled bool, now time.Time) (kind NoticeKind, since time.Time, next mark) {
	m := parseMark(s.Mark)
	since = m.since
	if since.IsZero() {
		since = s.FailingSince
	}
	switch {
	case disabled || !s.Active:
	case streak == store.StreakReset && (!m.since.IsZero() || s.Disablings > m.disablings):
		m.since, m.disablings = time.Time{}, s.Disablings
		return NoticeRecovered, since, m
	case streak == store.StreakExtend && o.WarnAfter > 0 && s.ConsecutiveFailures >= o.WarnAfter &&
		!m.streak.Equal(s.FailingSince) && (m.warned.IsZero() || now.Sub(m.warned) >= o.WarnPause):
		m.since, m.streak, m.warned = since, s.FailingSince, now
		return NoticeWarning, s.FailingSince, m
	}
	return "", time.Time{}, m
}

// alarm queues a warning or a recovery if an accepted result calls for one.
func (r *run) alarm(s *settled, answer store.Finished) {
	if answer.Standing == nil || answer.State != store.FinishAccepted {
		return
	}
	now := s.storeTime.Add(time.Since(s.at))
	kind, since, next := decide(&r.opts, answer.Standing, s.result.Streak, answer.Disabled, now)
	if kind == "" {
		return
	}
	a := alarm{oldMark: answer.Standing.Mark, newMark: next.String(), notice: store.Notice{
		Kind: store.NoticeKind(kind), MerchantID: s.result.MerchantID, WebhookID: s.result.WebhookID, URL: s.url, Since: since,
	}}
	if kind == NoticeWarning {
		a.notice.Failures, a.notice.DisableAfter = answer.Standing.ConsecutiveFailures, s.result.DisableAfter
	}
	select {
	case r.alarms <- a:
	default:
	}
}

// raise adds notices until there are no more.
func (r *run) raise(ctx context.Context) {
	for a := range r.alarms {
		added := false
		err := r.call(ctx, "add notice", func(ctx context.Context) (err error) {
			added, err = r.store.AddNotice(ctx, a.notice.MerchantID, a.notice, a.oldMark, a.newMark)
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged) {
				return nil // The webhook was deleted, or can tell nobody anything.
			}
			return err
		})
		if err == nil && added {
			signal(r.notices)
		}
	}
}
