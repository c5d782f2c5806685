//go:build chaoslong

package chaos_test

import (
	"sync"
	"time"
)

// warmUp is how long a process runs before its memory must stop growing.
const warmUp = 30 * time.Second

// memory watches the memory of workers.
type memory struct {
	stop chan struct{}
	done sync.WaitGroup

	peak   int // of any worker, in kilobytes
	points []point
}

// point is what a process held at a time.
type point struct {
	minutes, megabytes float64
}

// watchMemory measures all workers every second, and keeps the curve of the first.
func watchMemory(crew func() []*worker) *memory {
	m := &memory{stop: make(chan struct{})}
	began := time.Now()
	m.done.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-m.stop:
				return
			case <-tick.C:
			}
			for i, c := range crew() {
				held, err := c.resident()
				if err != nil {
					continue // It has just been killed.
				}
				m.peak = max(m.peak, held)
				if age := time.Since(began); i == 0 && age > warmUp {
					m.points = append(m.points, point{age.Minutes(), float64(held) / 1024})
				}
			}
		}
	})
	return m
}

func (m *memory) end() {
	close(m.stop)
	m.done.Wait()
}

// slope returns how much the curve rises, in megabytes a minute, by least squares. It
// is 0 if the curve is too short.
func (m *memory) slope() float64 {
	n := float64(len(m.points))
	if n < 60 {
		return 0
	}
	var x, y, xx, xy float64
	for _, p := range m.points {
		x += p.minutes
		y += p.megabytes
		xx += p.minutes * p.minutes
		xy += p.minutes * p.megabytes
	}
	return (n*xy - x*y) / (n*xx - x*x)
}
