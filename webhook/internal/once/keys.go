package once

import (
	"sync"
	"time"
)

// Keys counts the keys that scopes begin, in this process. Of each scope there are at
// most Most in a time that is as long as keys are known.
type Keys struct {
	Most int

	mu     sync.Mutex
	scopes map[string]keyCount
}

type keyCount struct {
	n     int
	until time.Time
}

// maxScopes is how many scopes there are before those that are over are looked for.
const maxScopes = 1000

// take counts a new key, and returns how long it takes until there is room for one. A
// key that is not new was counted before.
func (k *Keys) take(scope string, age time.Duration, isNew bool) time.Duration {
	if k == nil || !isNew {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	c, ok := k.scopes[scope]
	if !ok || !c.until.After(now) {
		c = keyCount{until: now.Add(age)}
		if len(k.scopes) >= maxScopes {
			for name, old := range k.scopes {
				if !old.until.After(now) {
					delete(k.scopes, name)
				}
			}
		}
	}
	if c.n >= k.Most {
		return c.until.Sub(now)
	}
	c.n++
	if k.scopes == nil {
		k.scopes = map[string]keyCount{}
	}
	k.scopes[scope] = c
	return 0
}
