package redisstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// OpenMutant is Open with a fault in one script.
func OpenMutant(ctx context.Context, client redis.UniversalClient, opts *Options, script, before, after string) (*Store, error) {
	s, err := Open(ctx, client, opts)
	if err != nil {
		return nil, err
	}
	text := readScripts()
	if !strings.Contains(text[script], before) {
		return nil, fmt.Errorf("%s.lua does not contain %q", script, before)
	}
	text[script] = strings.ReplaceAll(text[script], before, after)
	s.scripts = text.compile()
	return s, nil
}

// Escape is what makes ids safe in keys.
func Escape(id string) string { return escape(id) }

// ParseVersion is what reads a server's version.
func ParseVersion(version string) (major, minor int, ok bool) { return parseVersion(version) }

// Waiting returns how many calls of Publish wait for a script of the first shard.
func Waiting(s *Store) int {
	g := s.shards[0].group
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// LookAgain lets the next call look whether Redis is still fit.
func LookAgain(s *Store) {
	s.fitness.mu.Lock()
	defer s.fitness.mu.Unlock()
	s.fitness.at = time.Now().Add(-time.Hour)
}
