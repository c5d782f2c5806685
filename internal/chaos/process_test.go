//go:build chaos || chaoslong

package chaos_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// megabytes is the memory that the worker holds.
func (w *worker) megabytes(t *testing.T) int {
	t.Helper()
	kilobytes, err := w.resident()
	require.NoError(t, err)
	return kilobytes >> 10
}

// resident is the memory that the worker holds, in kilobytes.
func (w *worker) resident() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(status), "VmRSS:")
	if !ok {
		return 0, os.ErrProcessDone // of a process that has ended and was not waited for
	}
	return strconv.Atoi(strings.Fields(rest)[0])
}

// cpu is the processor time that the worker has used.
func (w *worker) cpu(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.cmd.Process.Pid))
	require.NoError(t, err)
	var user, system int64
	_, err = fmt.Sscanf(string(stat[slices.Index(stat, ')')+2:]), "%s %d %d %d %d %d %d %d %d %d %d %d %d",
		new(string), new(int), new(int), new(int), new(int), new(int), new(int64), new(int64), new(int64),
		new(int64), new(int64), &user, &system)
	require.NoError(t, err)
	return time.Duration(user+system) * 10 * time.Millisecond
}
