package proc

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process has used so far.
type Usage struct {
	CPU        time.Duration // user and system
	Mallocs    uint64
	Heap       uint64 // bytes that are allocated and not yet freed
	RSS        int64  // bytes in memory
	Goroutines int
	FDs        int
}

// Measure reads the usage of this process. It stops the world for a moment.
func Measure() Usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := Usage{Mallocs: m.Mallocs, Heap: m.HeapAlloc, Goroutines: runtime.NumGoroutine(), RSS: rss()}
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.FDs = len(list) - 1 // without the one that reads
	}
	return u
}

// rss is 0 where there is no /proc.
func rss() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
