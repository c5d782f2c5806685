//go:build unix

package webhook

import (
	"math"
	"syscall"
)

// descriptors returns how many files this process may have open.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return uint64(limit.Cur) //nolint:unconvert // FreeBSD has an int64
}
