package servers

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// field reads a line of INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimRight(value, "\r\n")
		}
	}
	return ""
}

// Counters are what a server has done and holds.
type Counters struct {
	Commands int64         // since its start, with those inside of scripts
	Scripts  int64         // of those
	InScript time.Duration // its time for them
	Memory   int64         // bytes in use
	CPU      time.Duration // user and system
	Keys     int64
	Pings    int64 // as subscribers send them
	In, Out  int64 // bytes on the network
}

// Sub returns what came after b.
func (c Counters) Sub(b Counters) Counters {
	return Counters{
		c.Commands - b.Commands, c.Scripts - b.Scripts, c.InScript - b.InScript, c.Memory - b.Memory, c.CPU - b.CPU, c.Keys - b.Keys,
		c.Pings - b.Pings, c.In - b.In, c.Out - b.Out,
	}
}

// Count reads the counters of a server.
func Count(ctx context.Context, c *redis.Client) (Counters, error) {
	info, err := c.InfoMap(ctx, "everything").Result()
	if err != nil {
		return Counters{}, err
	}
	number := func(section, name string) float64 {
		f, err := strconv.ParseFloat(info[section][name], 64)
		if err != nil {
			return 0
		}
		return f
	}
	out := Counters{
		Commands: int64(number("Stats", "total_commands_processed")), Memory: int64(number("Memory", "used_memory")),
		In: int64(number("Stats", "total_net_input_bytes")), Out: int64(number("Stats", "total_net_output_bytes")),
		CPU: time.Duration((number("CPU", "used_cpu_sys") + number("CPU", "used_cpu_user")) * float64(time.Second)),
	}
	var micros int64
	if _, err := fmt.Sscanf(info["Commandstats"]["cmdstat_evalsha"], "calls=%d,usec=%d", &out.Scripts, &micros); err == nil {
		out.InScript = time.Duration(micros) * time.Microsecond
	}
	_, _ = fmt.Sscanf(info["Commandstats"]["cmdstat_ping"], "calls=%d", &out.Pings) // none at first
	out.Keys, err = c.DBSize(ctx).Result()
	return out, err
}
