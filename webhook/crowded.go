package webhook

import (
	"sync"
	"time"
)

const (
	// crowdedPause is after how long an owner is told again that events are missed.
	crowdedPause = 24 * time.Hour
	// crowdedLook is how often this process looks whether the owner has been told.
	crowdedLook = time.Minute
	// maxTold is of how many webhooks one call tells the owners.
	maxTold = 5
	// maxLooked is of how many webhooks it remembers when it looked.
	maxLooked = 1000
)

// crowded remembers when webhooks that miss events were looked at last.
type crowded struct {
	mu     sync.Mutex
	looked map[[2]string]time.Time // by merchant and webhook
}

// due says that a webhook has not been looked at for a while, and notes that it is now.
func (c *crowded) due(merchantID, webhookID string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := [2]string{merchantID, webhookID}
	if at, known := c.looked[of]; known && now.Sub(at) < crowdedLook {
		return false
	}
	if c.looked == nil || len(c.looked) >= maxLooked {
		c.looked = map[[2]string]time.Time{}
	}
	c.looked[of] = now
	return true
}
