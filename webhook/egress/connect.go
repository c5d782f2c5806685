package egress

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

// maxCandidates is how many of a host's addresses are tried.
const maxCandidates = 8

// turns takes one of each by turns, up to maxCandidates.
func turns(a, b []string) []string {
	var out []string
	for i := range max(len(a), len(b)) {
		for _, list := range [][]string{a, b} {
			if i < len(list) && len(out) < maxCandidates {
				out = append(out, list[i])
			}
		}
	}
	return out
}

// worked remembers which address of a host has accepted last.
type worked struct {
	mu sync.Mutex
	of map[string]string
}

// maxWorked bounds the hosts that are remembered.
const maxWorked = 4096

// first puts the address that has accepted last in front.
func (w *worked) first(host string, candidates []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(candidates, w.of[host]); i > 0 {
		candidates = slices.Insert(slices.Delete(candidates, i, i+1), 0, w.of[host])
	}
	return candidates
}

// note remembers an address, unless it would be tried first anyway.
func (w *worked) note(host, address string, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.of[host]; first && !known {
		return
	}
	if w.of == nil || len(w.of) >= maxWorked {
		w.of = map[string]string{}
	}
	w.of[host] = address
}

// nextAfter is how long an address may take before the next one is tried beside it, as in
// RFC 8305.
const nextAfter = 300 * time.Millisecond

// connectFirst returns the first connection that one of the addresses accepts. They are
// tried in their order, each when the one before has failed or is late.
func (e *Egress) connectFirst(ctx context.Context, host string, candidates []string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opts.DialTimeout)
	defer cancel()
	type dialled struct {
		conn net.Conn
		err  error
		at   int
	}
	answers := make(chan dialled, len(candidates))
	begun := 0
	begin := func() {
		at := begun
		begun++
		go func() {
			d := dialled{at: at}
			defer func() { answers <- d }()
			defer recoverFault(&d.err)
			d.conn, d.err = e.connect(ctx, "tcp", candidates[at])
		}()
	}
	begin()
	late := time.NewTimer(nextAfter)
	defer late.Stop()
	var failed []error
	for len(failed) < len(candidates) {
		select {
		case d := <-answers:
			if d.err == nil || endsDialing(d.err) {
				go func(others int) { // What comes too late is closed.
					for range others {
						if d := <-answers; d.conn != nil {
							_ = d.conn.Close()
						}
					}
				}(begun - len(failed) - 1)
				if d.err == nil {
					e.worked.note(host, candidates[d.at], d.at == 0)
				}
				return d.conn, d.err
			}
			failed = append(failed, d.err)
		case <-late.C:
		}
		if begun < len(candidates) {
			begin()
			late.Reset(nextAfter)
		}
	}
	// If this machine has no IPv6, that must not excuse a receiver that refuses IPv4.
	if remote := slices.DeleteFunc(slices.Clone(failed), func(err error) bool { return localFault(err) != nil }); len(remote) > 0 {
		failed = remote
	}
	return nil, &Error{Code: CodeConnect, cause: errors.Join(failed...)}
}

// endsDialing reports whether no other address is to be tried, because control or
// the proxy has refused this one, or the proxy itself has failed.
func endsDialing(err error) bool {
	if _, ok := errors.AsType[*Error](err); ok {
		return true
	}
	_, ok := errors.AsType[*fault](err)
	return ok
}
