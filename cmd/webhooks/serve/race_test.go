//go:build race

package serve

// underRace is for counts that the race detector makes too slow: it costs five to
// ten times as much time and memory.
const underRace = true
