package report

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// Machine is what a section was measured on, and with.
type Machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	MemoryGB int               `json:"memoryGB"`
	Kernel   string            `json:"kernel"`
	Load     string            `json:"load"` // before the section
	Versions map[string]string `json:"versions"`
}

// peers are the modules whose versions matter.
const peers = " github.com/hibiken/asynq github.com/riverqueue/river github.com/redis/go-redis/v9 github.com/jackc/pgx/v5" +
	" github.com/stripe/stripe-go/v85 github.com/google/go-github/v81 github.com/standard-webhooks/standard-webhooks/libraries "

// ThisMachine describes this machine.
func ThisMachine(ctx context.Context) Machine {
	m := Machine{CPU: "unknown", Cores: runtime.NumCPU(), Versions: map[string]string{"go": runtime.Version()}}
	m.CPU = lineOf("/proc/cpuinfo", "model name")
	_, _ = fmt.Sscanf(lineOf("/proc/meminfo", "MemTotal"), "%d", &m.MemoryGB)
	m.MemoryGB /= 1 << 20
	if raw, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(raw))
	}
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(raw))[:3], ", ")
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if strings.Contains(peers, " "+d.Path+" ") {
				m.Versions[d.Path] = d.Version
			}
		}
	}
	if out, err := exec.CommandContext(ctx, "redis-server", "--version").Output(); err == nil {
		for field := range strings.FieldsSeq(string(out)) {
			if v, found := strings.CutPrefix(field, "v="); found {
				m.Versions["redis-server"] = v
			}
		}
	}
	return m
}

// lineOf returns the value of a name in a file of the kernel.
func lineOf(path, name string) string {
	f, err := os.Open(path) //nolint:gosec // see the calls
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
