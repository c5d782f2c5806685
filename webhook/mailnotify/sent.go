package mailnotify

import "sync"

// maxSent bounds the memory of a Mailer.
const maxSent = 10_000

// sentTo remembers who has got a notice that others still have to get, so that it
// can be tried again for those alone. What it forgets is sent twice.
type sentTo struct {
	mu     sync.Mutex
	notice map[string]map[string]bool
}

func (s *sentTo) has(notice, address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notice[notice][address]
}

func (s *sentTo) add(notice, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notice == nil || len(s.notice) >= maxSent {
		s.notice = map[string]map[string]bool{}
	}
	if s.notice[notice] == nil {
		s.notice[notice] = map[string]bool{}
	}
	s.notice[notice][address] = true
}

func (s *sentTo) forget(notice string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.notice, notice)
}
