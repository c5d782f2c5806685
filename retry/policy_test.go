package retry_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
)

func ExamplePolicy() {
	p := retry.Policy{MaxAttempts: 4}
	for attempt := 1; ; attempt++ {
		delay, ok := p.Next(attempt, "whdel_1")
		if !ok {
			fmt.Println("attempt", attempt, "was the last")
			return
		}
		fmt.Println("after attempt", attempt, "wait", delay)
	}
	// Output:
	// after attempt 1 wait 1m0s
	// after attempt 2 wait 5m0s
	// after attempt 3 wait 15m0s
	// attempt 4 was the last
}

func TestZeroPolicy(t *testing.T) {
	t.Parallel()
	var total time.Duration
	for attempt, want := range []time.Duration{time.Minute, 6 * time.Minute} {
		d, ok := retry.Policy{}.Next(attempt+1, "")
		require.True(t, ok)
		total += d
		require.Equal(t, want, total)
	}
	_, ok := retry.Policy{}.Next(3, "")
	require.False(t, ok, "a delivery fails after its third failed attempt")
}

func TestNext(t *testing.T) {
	t.Parallel()
	short := retry.Policy{Delays: []time.Duration{time.Second, 2 * time.Second}, MaxAttempts: 5}
	for _, tt := range []struct {
		name    string
		policy  retry.Policy
		attempt int
		want    time.Duration
		ok      bool
	}{
		{"last delay repeats", short, 4, 2 * time.Second, true},
		{"last attempt", short, 5, 0, false},
		{"beyond the last", short, 50, 0, false},
		{"no attempt yet", short, 0, 0, false},
		{"negative", short, -1, 0, false},
		{"one attempt", retry.Policy{MaxAttempts: 1}, 1, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := tt.policy.Next(tt.attempt, "k")
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.ok, ok)
		})
	}
}

func TestJitterIsEvenAndRepeatable(t *testing.T) {
	t.Parallel()
	p := retry.Policy{Delays: []time.Duration{time.Hour}, MaxAttempts: 9, Jitter: 0.25}
	var sum time.Duration
	low, high := time.Duration(math.MaxInt64), time.Duration(0)
	const n = 10_000
	for i := range n {
		key := fmt.Sprintf("whdel_%d", i)
		d, ok := p.Next(1, key)
		require.True(t, ok)
		again, _ := p.Next(1, key)
		require.Equal(t, d, again, "the pause is a function of key and attempt")
		sum += d
		low, high = min(low, d), max(high, d)
	}
	require.InDelta(t, float64(time.Hour), float64(sum/n), float64(time.Minute))
	require.GreaterOrEqual(t, low, 45*time.Minute)
	require.LessOrEqual(t, high, 75*time.Minute)
	require.Less(t, low, 46*time.Minute)
	require.Greater(t, high, 74*time.Minute)
	first, _ := p.Next(1, "whdel_1")
	second, _ := p.Next(2, "whdel_1")
	require.NotEqual(t, first, second)
}

func TestExtend(t *testing.T) {
	t.Parallel()
	var p retry.Policy
	require.Equal(t, time.Minute, p.Extend(time.Minute, time.Second), "never shorter")
	require.Equal(t, 2*time.Minute, p.Extend(time.Minute, 2*time.Minute))
	require.Equal(t, 15*time.Minute, p.Extend(time.Minute, 24*time.Hour), "never past the longest")
	require.Equal(t, time.Minute, p.Extend(time.Minute, 0))
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"120", 2 * time.Minute, true},
		{" 120\t", 2 * time.Minute, true},
		{"0", 0, false},
		{"", 0, false},
		{"-5", 0, false},
		{"+5", 0, false},
		{"1.5", 0, false},
		{"1e3", 0, false},
		{"soon", 0, false},
		{"99999999999999999999999", math.MaxInt64, true},
		{"Tue, 04 Nov 2025 12:01:00 GMT", time.Minute, true},
		{"Tuesday, 04-Nov-25 12:01:00 GMT", time.Minute, true},
		{"Tue Nov  4 12:01:00 2025", time.Minute, true},
		{"Tue, 04 Nov 2025 11:59:00 GMT", -time.Minute, false},
	} {
		t.Run(tt.value, func(t *testing.T) {
			t.Parallel()
			got, ok := retry.ParseRetryAfter(tt.value, now)
			require.Equal(t, tt.ok, ok)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	t.Parallel()
	require.NoError(t, retry.Policy{}.Validate())
	err := retry.Policy{Delays: []time.Duration{-1}, MaxAttempts: -1, Jitter: math.NaN()}.Validate()
	require.ErrorContains(t, err, "delay 1 is negative")
	require.ErrorContains(t, err, "max attempts")
	require.ErrorContains(t, err, "jitter")
	require.Error(t, retry.Policy{Jitter: 1.5}.Validate())
}

// TestPresets holds how long deliveries of the presets are tried, at most.
func TestPresets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p        retry.Policy
		attempts int
		least    time.Duration
		most     time.Duration
	}{
		{retry.Guide(), 3, 6 * time.Minute, 6 * time.Minute},
		{retry.Days(), 8, 22 * time.Hour, 34 * time.Hour},
	} {
		require.NoError(t, tt.p.Validate())
		total, attempts := time.Duration(0), 1
		for ; ; attempts++ {
			delay, again := tt.p.Next(attempts, "whdel_1")
			if !again {
				break
			}
			total += delay
		}
		require.Equal(t, tt.attempts, attempts)
		one, _ := tt.p.Next(1, "whdel_1")
		other, _ := tt.p.Next(1, "whdel_2")
		require.Equal(t, tt.least == tt.most, one == other, "what failed together comes back together in the guide's schedule only")
		require.GreaterOrEqual(t, total, tt.least)
		require.LessOrEqual(t, total, tt.most)
	}
}
