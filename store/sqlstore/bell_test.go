package sqlstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A second of calls, one each millisecond, tells the others as often as it may, and what
// was last as well.
func TestBell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		heard bool
		err   error
		most  int
	}{
		"somebody listens": {heard: true, most: 101},
		"nobody does":      {most: 1},
		"it fails":         {heard: true, err: errors.New("away"), most: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rung, last := 0, time.Time{}
				b := &bell{ring: func(context.Context) (bool, error) {
					rung, last = rung+1, time.Now()
					return c.heard, c.err
				}}
				var pulled time.Time
				for range 1000 {
					pulled = time.Now()
					b.pull()
					time.Sleep(time.Millisecond)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				require.LessOrEqual(t, rung, c.most)
				if c.most > 1 {
					require.Greater(t, rung, 50)
					require.False(t, last.Before(pulled), "nobody was told of the last one")
				}
				began := time.Now()
				b.pull()
				synctest.Wait()
				require.Equal(t, began, last, "after a pause it rings at once")
				time.Sleep(bellEvery)
			})
		})
	}
}

// What happens while it rings may have been too late for those who hear it.
func TestBellDuringARing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rung := 0
		b := &bell{}
		b.ring = func(context.Context) (bool, error) {
			if rung++; rung == 1 {
				b.pull()
			}
			return true, nil
		}
		b.pull()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, rung)
	})
}
