package redistest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
)

// A script of which a kill has left the first command alone in the append-only file is not
// done by half, whenever Redis starts.
func TestTornTransaction(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "appendonly yes")
	script := func(text string) { require.NoError(t, s.Client(t).Eval(t.Context(), text, nil).Err()) }
	script("redis.call('SET', 'a', '1') return redis.call('SET', 'b', '1')")
	script("redis.call('RPUSH', 'list', 'torn') return redis.call('SET', 'state', 'torn')")
	s.Kill(t)
	files, err := filepath.Glob(filepath.Join(s.Dir, "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.NoError(t, os.Truncate(files[0], info.Size()-30)) // In the second command.

	s.Restart(t)
	script("redis.call('SET', 'c', '1') return redis.call('SET', 'd', '1')")
	s.Kill(t)
	s.Restart(t)
	there, err := s.Client(t).Exists(t.Context(), "a", "b", "c", "d", "list", "state").Result()
	require.NoError(t, err)
	require.Equal(t, int64(4), there)
}
