package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

// Each step is a result of one webhook after those before it. The webhook is told of
// at most one thing at each, and remembers it in its mark.
func TestAlarms(t *testing.T) {
	t.Parallel()
	type step struct {
		after      time.Duration
		streak     store.Streak
		failures   int
		newStreak  bool // begins now
		disabled   bool
		inactive   bool
		reenabled  bool // failures disabled it before, and it was enabled
		lost       bool // the process dies before the notice is added
		want       NoticeKind
		sinceStart time.Duration // of the notice, from the beginning
	}
	fail := func(n int) step { return step{streak: store.StreakExtend, failures: n, newStreak: n == 1} }
	ok := step{streak: store.StreakReset}
	with := func(s step, change func(*step)) step { change(&s); return s }
	warned := func(s step) step { return with(s, func(s *step) { s.want = NoticeWarning }) }
	recovered := func(s step) step { return with(s, func(s *step) { s.want = NoticeRecovered }) }
	later := func(d time.Duration, s step) step { return with(s, func(s *step) { s.after = d }) }
	from := func(d time.Duration, s step) step { return with(s, func(s *step) { s.sinceStart = d }) }

	for name, steps := range map[string][]step{
		"a warning at the mark, once a streak": {fail(1), warned(fail(2)), fail(3), fail(4)},
		"beyond the mark, if that is new":      {fail(1), warned(fail(5))},
		"a recovery after a warning, once":     {fail(1), warned(fail(2)), recovered(ok), ok},
		"no recovery from what nobody was told": {
			fail(1), ok, ok,
		},
		"no warning for a while after one": {
			fail(1), warned(fail(2)), recovered(ok),
			later(59*time.Minute, fail(1)), fail(2), ok,
			from(60*time.Minute, later(time.Minute, fail(1))), from(60*time.Minute, warned(fail(2))), from(60*time.Minute, recovered(ok)),
		},
		"a streak that outlasts the pause": {
			fail(1), warned(fail(2)), recovered(ok), later(30*time.Minute, fail(1)), fail(2),
			from(30*time.Minute, warned(later(30*time.Minute, fail(3)))),
		},
		"a disabling is the store's to tell": {fail(1), with(fail(2), func(s *step) { s.disabled = true })},
		"a recovery after a disabling": {
			fail(1), recovered(with(ok, func(s *step) { s.reenabled = true })), ok,
		},
		"a recovery from both is since the first": {
			fail(1), warned(fail(2)), later(time.Minute, recovered(with(ok, func(s *step) { s.reenabled = true }))), ok,
		},
		"nothing while it is disabled": {
			fail(1), with(fail(2), func(s *step) { s.inactive = true }), warned(fail(3)), with(ok, func(s *step) { s.inactive = true }), recovered(ok),
		},
		"a warning that was lost comes with the next failure": {
			fail(1), warned(with(fail(2), func(s *step) { s.lost = true })), warned(fail(3)), fail(4),
		},
		"a recovery that was lost comes with the next success": {
			fail(1), warned(fail(2)), recovered(with(ok, func(s *step) { s.lost = true })), recovered(ok), ok,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			o := DispatcherOptions{WarnAfter: 2, WarnPause: time.Hour}
			now, w := began, store.Standing{}
			for i, s := range steps {
				now = now.Add(s.after)
				if s.newStreak {
					w.FailingSince = now
				}
				if s.reenabled {
					w.Disablings++
				}
				w.ConsecutiveFailures, w.Active = s.failures, !s.inactive && !s.disabled
				kind, since, next := decide(&o, &w, s.streak, s.disabled, now)
				require.Equal(t, s.want, kind, "step %d", i)
				if kind == "" {
					continue
				}
				require.Equal(t, began.Add(s.sinceStart), since, "step %d", i)
				if !s.lost {
					w.Mark = next.String()
					require.LessOrEqual(t, len(w.Mark), store.MaxMark)
					require.Equal(t, next, parseMark(w.Mark))
				}
			}
		})
	}
}

func TestMarkOfAnotherHand(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "1 2 3", "1 2 3 4", "1 2 3 4 5 6", "1 2 3 !", "1 2 3 zzzzzzzzzzzzzzzz"} {
		require.Equal(t, mark{}, parseMark(text), text)
	}
}
