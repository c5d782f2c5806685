package mailnotify

import "sync"

// maxSent bounds the memory of a Mailer.
const maxSent = 10_000

// sentTo remembers who has got a notice, so that a retry sends it to the others only.
// It forgets the oldest notices first; these may be sent twice.
type sentTo struct {
	mu     sync.Mutex
	notice map[string]map[string]bool
	order  []string
}

func (s *sentTo) has(notice, address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notice[notice][address]
}

func (s *sentTo) add(notice, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notice == nil {
		s.notice = map[string]map[string]bool{}
	}
	if s.notice[notice] == nil {
		if len(s.order) >= maxSent {
			delete(s.notice, s.order[0])
			s.order = s.order[1:]
		}
		s.notice[notice] = map[string]bool{}
		s.order = append(s.order, notice)
	}
	s.notice[notice][address] = true
}
