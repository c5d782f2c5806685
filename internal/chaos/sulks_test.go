//go:build chaoslong

package chaos_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
)

// disableAfter is how many failed deliveries disable a webhook.
const disableAfter = 10

// sulk is a fault of one webhook's receiver. It runs beside other faults. It causes no
// second deliveries, because the receiver processes nothing during it.
type sulk struct {
	name string
	run  func(s *soak)
}

// silence is a time in which a receiver did not answer.
type silence struct {
	hook     string
	from, to time.Time
}

// ban is a time in which a webhook was disabled by its failures.
type ban struct {
	merchant, hook string
	at             time.Time // by the store's clock
	paused         int64     // deliveries that waited at its end
	enabled        time.Time
}

// dealSulks chooses in which of n slices of the time receivers are at fault, early
// enough that the faults end in time.
func (s *soak) dealSulks(n int) map[int]sulk {
	away := 20*time.Second + time.Duration(s.rng.Int64N(int64(10*time.Second)))
	away = min(away, s.length/5)
	all := []sulk{
		{"endpoint down until disabled, then enabled", (*soak).endpointDown},
		{"endpoint does not answer", func(s *soak) { s.endpointSilent(away) }},
		{"endpoint resets everything", func(s *soak) { s.endpointHostile(min(20*time.Second, s.length/5)) }},
	}
	all = append(all, all[1])
	slots := s.rng.Perm(n * 6 / 10)
	out := map[int]sulk{}
	for i, f := range all[:min(len(all), len(slots))] {
		out[slots[i]] = f
	}
	for _, merchant := range s.merchants {
		for _, hook := range s.hooks[merchant] {
			s.calm = append(s.calm, [2]string{merchant, hook})
		}
	}
	s.rng.Shuffle(len(s.calm), func(i, j int) { s.calm[i], s.calm[j] = s.calm[j], s.calm[i] })
	return out
}

// upset begins a fault of a webhook that has had none yet. The returned function ends
// the fault and counts it.
func (s *soak) upset(name string) (merchant, hook string, end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	merchant, hook = s.calm[0][0], s.calm[0][1]
	s.calm = s.calm[1:]
	from, over := time.Now(), s.log.begin(hook)
	return merchant, hook, func() {
		over()
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.IndexFunc(s.sulked, func(f happened) bool { return f.name == name })
		if i < 0 {
			i = len(s.sulked)
			s.sulked = append(s.sulked, happened{name: name})
		}
		s.sulked[i].times++
		s.sulked[i].lasted += time.Since(from)
	}
}

func (s *soak) endpointSilent(long time.Duration) {
	_, hook, end := s.upset("endpoint does not answer")
	defer end()
	quiet := silence{hook: hook, from: time.Now()}
	s.receiver.feel(hook, silent)
	<-time.After(long)
	s.receiver.feel(hook, well)
	quiet.to = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silences = append(s.silences, quiet)
}

func (s *soak) endpointHostile(long time.Duration) {
	_, hook, end := s.upset("endpoint resets everything")
	defer end()
	s.receiver.feel(hook, hostile)
	<-time.After(long)
	s.receiver.feel(hook, well)
}

// endpointDown lets an endpoint fail until it is disabled, and then enables it.
func (s *soak) endpointDown() {
	merchant, hook, end := s.upset("endpoint down until disabled, then enabled")
	defer end()
	b := ban{merchant: merchant, hook: hook}
	s.receiver.feel(b.hook, down)
	defer s.receiver.feel(b.hook, well)
	ok := s.await(2*time.Minute, "to be disabled", func() bool {
		w, err := s.svc.Webhook(s.t.Context(), b.merchant, b.hook)
		b.at = w.DisabledAt
		return err == nil && w.Status == webhook.Disabled && w.DisabledReason == webhook.ReasonFailures
	}) && s.await(2*time.Minute, "to be told of", func() bool {
		return len(s.receiver.told(b.hook)) > 0 // It takes a minute more if the worker was killed.
	})
	if !ok {
		return
	}
	s.receiver.feel(b.hook, well)
	s.await(time.Minute, "to be enabled", func() bool {
		stats, err := s.svc.Stats(s.t.Context(), b.merchant, b.hook)
		if err != nil {
			return false
		}
		b.paused, b.enabled = stats.Pending, time.Now()
		_, err = s.svc.Update(s.t.Context(), b.merchant, b.hook, webhook.Update{Status: new(webhook.Active)})
		return err == nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bans = append(s.bans, b)
}

// await waits for something that must come. It may run outside the test's goroutine.
func (s *soak) await(timeout time.Duration, what string, there func() bool) bool {
	for deadline := time.Now().Add(timeout); !there(); {
		if time.Now().After(deadline) {
			s.t.Errorf("an endpoint that is down waits too long %s", what)
			return false
		}
		<-time.After(100 * time.Millisecond)
	}
	return true
}

// checkBan requires that exactly as many failures as are configured have disabled a
// webhook, that there was one notice, and that its queue went on. It returns a note
// for the report.
func (s *soak) checkBan(b ban) string {
	s.t.Helper()
	t := s.t
	notices := s.receiver.told(b.hook)
	require.Len(t, notices, 1, "one notice")
	for _, n := range notices {
		require.Equal(t, disableAfter, n.Failures)
		require.Equal(t, webhook.ReasonFailures, n.Reason)
	}
	// Deliveries that were on the wire at that moment may have failed later, and
	// several may have failed in the same millisecond.
	before, then, all := 0, 0, 0
	for _, d := range s.failures(b.merchant, b.hook) {
		if d.FinishedAt.Before(b.at) {
			before++
		}
		if !d.FinishedAt.After(b.at) {
			then++
		}
		if d.FinishedAt.Before(b.enabled) {
			all++
		}
	}
	require.Less(t, before, disableAfter)
	require.GreaterOrEqual(t, then, disableAfter)
	require.Less(t, all, disableAfter+longPerWebhook)
	require.Positive(t, b.paused, "deliveries were waiting")
	w, err := s.svc.Webhook(t.Context(), b.merchant, b.hook)
	require.NoError(t, err)
	require.Equal(t, webhook.Active, w.Status)
	return fmt.Sprintf("The endpoint that was down was disabled when its delivery number %d had failed, with one notice. "+
		"%d had failed with those that were on the wire at that moment, and the %d that then waited went on when it was enabled",
		disableAfter, all, b.paused)
}

// spared returns the waits of other webhooks while one does not answer.
func (s *soak) spared() waits {
	return s.waits(func(hook string, from, to time.Time) bool {
		return s.log.calm(hook, from, to, longLease) && slices.ContainsFunc(s.silences, func(q silence) bool {
			return hook != q.hook && from.After(q.from) && to.Before(q.to)
		})
	})
}
