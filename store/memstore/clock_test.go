package memstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheClockIsNeverSetBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	wall, passed := noon, time.Duration(0)
	read := steady(func() time.Time { return wall }, func(time.Time) time.Duration { return passed })
	for _, step := range []struct {
		what   string
		wall   time.Time
		passed time.Duration
		want   time.Time
	}{
		{"it follows", noon.Add(time.Minute), time.Minute, noon.Add(time.Minute)},
		{"it goes on where it was set back", noon.Add(-time.Hour), time.Second, noon.Add(time.Minute + time.Second)},
		{"and on", noon.Add(-time.Hour + time.Second), time.Second, noon.Add(time.Minute + 2*time.Second)},
		{"it follows what was set ahead", noon.Add(time.Hour), time.Second, noon.Add(time.Hour)},
	} {
		wall, passed = step.wall, step.passed
		require.Equal(t, step.want, read(), step.what)
	}
}
