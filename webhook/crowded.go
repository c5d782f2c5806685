package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// crowdedPause is after how long an owner is told again that events are missed.
	crowdedPause = 24 * time.Hour
	// crowdedLook is how often this process looks whether the owner has been told.
	crowdedLook = time.Minute
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

// tellCrowded tells the owner of a webhook that it misses events, once a day over all
// processes. If that fails, the event is published all the same, and a later one tries again.
func (s *Service) tellCrowded(ctx context.Context, merchantID, webhookID string) {
	now := s.now()
	if !s.crowded.due(merchantID, webhookID, now) {
		return
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return
	}
	m := parseMark(w.Mark)
	if !m.crowded.IsZero() && now.Sub(m.crowded) < crowdedPause {
		return
	}
	m.crowded = now
	n := store.Notice{Kind: store.NoticeCrowded, WebhookID: webhookID, URL: w.URL, Since: now}
	_, _ = s.store.AddNotice(ctx, merchantID, n, w.Mark, m.String())
}
