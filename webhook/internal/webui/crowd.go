package webui

import "sync"

// Crowd bounds how many requests of one merchant are served at once, each until its answer
// is written: answers that nobody reads are held in memory.
type Crowd struct {
	most int

	mu sync.Mutex
	of map[string]int
}

// NewCrowd returns a Crowd for so many at once.
func NewCrowd(most int) *Crowd { return &Crowd{most: most, of: map[string]int{}} }

// Enter lets a request in, unless there are enough of its merchant.
func (c *Crowd) Enter(merchantID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[merchantID] >= c.most {
		return false
	}
	c.of[merchantID]++
	return true
}

// Leave is called once for each that was let in.
func (c *Crowd) Leave(merchantID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[merchantID]--; c.of[merchantID] == 0 {
		delete(c.of, merchantID)
	}
}
