//go:build unix

package webhook_test

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
)

// TestTheLimitOfDescriptorsIsTold starts dispatchers that need more, and fewer, than there are.
func TestTheLimitOfDescriptorsIsTold(t *testing.T) { //nolint:paralleltest // It changes a limit of the process.
	var was syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was))
	less := was
	less.Cur = min(was.Max, 1000)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &less))
	t.Cleanup(func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was)) })
	for concurrency, told := range map[int]bool{100: false, 1000: true} {
		synctest.Test(t, func(t *testing.T) {
			var logs harness.LockedBuffer
			harness.NewRig(t, nil, &webhook.DispatcherOptions{Concurrency: concurrency, Logger: textLogger(&logs)}).Close()
			require.Equal(t, told, strings.Contains(logs.String(), "raise the limit (ulimit -n), or lower Concurrency"))
		})
	}
}
