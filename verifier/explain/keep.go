package explain

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
)

// KeepOptions are the optional settings of [Keep].
type KeepOptions struct {
	// Last is how many requests are kept. Defaults to 20.
	Last int

	// MaxBytes is how much of a body is kept. Of a body that was cut, no signature can
	// be explained. Defaults to [verifier.DefaultMaxBody].
	MaxBytes int64

	// LeaveOut names headers that are left out, such as one with a key of the host's own,
	// beside those that [Keep] always leaves out. Defaults to none.
	LeaveOut []string

	// Logger gets a line at warn if a request cannot be kept. Defaults to discarding it.
	Logger *slog.Logger

	// Now is the clock that tells when a request arrived. Defaults to [time.Now].
	Now func() time.Time
}

// Keep returns a function for [verifier.Options].OnReject, which keeps requests in files of
// dir, one each, as they arrived: "webhooks explain --last" reads them, and so does whoever
// has [Kept]. It makes dir, for its user alone, where it is not there yet. It fails if it
// cannot, or an option is out of range.
//
// The bodies and addresses of requests are kept whole, query included, and so are their
// signatures. Cookie, Authorization and Proxy-Authorization are left out. A request that is
// no POST is not kept: anybody's browser makes those.
//
// The function never waits for the disk: another goroutine writes, while there is something
// to write, and under a flood what it does not get to is dropped, the oldest first. Several
// goroutines may call it at once, and several processes may share dir.
func Keep(dir string, o *KeepOptions) (func(*http.Request, int, error), error) {
	k := keeper{dir: dir}
	if o != nil {
		k.opts = *o
	}
	if k.opts.Last < 0 || k.opts.MaxBytes < 0 {
		return nil, errors.New("explain: keep: Last or MaxBytes is negative")
	}
	k.opts.Last = cmp.Or(k.opts.Last, 20)
	k.opts.MaxBytes = cmp.Or(k.opts.MaxBytes, verifier.DefaultMaxBody)
	if k.opts.Logger == nil {
		k.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if k.opts.Now == nil {
		k.opts.Now = time.Now
	}
	k.leaveOut = map[string]bool{}
	for _, name := range append([]string{"Cookie", "Authorization", "Proxy-Authorization", "Host", "Content-Length"}, k.opts.LeaveOut...) {
		k.leaveOut[http.CanonicalHeaderKey(name)] = true
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("explain: keep: %w", err)
	}
	return k.keep, nil
}

// keeper writes requests one after the other.
type keeper struct {
	dir      string
	opts     KeepOptions
	leaveOut map[string]bool // headers that are not written as they are

	mu      sync.Mutex
	last    time.Time
	pending []kept // of the last, the oldest first
	writing bool
}

// kept is a request that is not written yet.
type kept struct {
	name string
	raw  []byte
}

func (k *keeper) keep(r *http.Request, status int, _ error) {
	if r.Method != http.MethodPost {
		return
	}
	raw := k.raw(r)
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.opts.Now()
	if !at.After(k.last) { // No two files have one name, and their order is that of arrival.
		at = k.last.Add(1)
	}
	k.last = at
	k.pending = append(k.pending, kept{nameOf(at, status), raw})
	k.pending = k.pending[max(0, len(k.pending)-k.opts.Last):]
	if !k.writing {
		k.writing = true
		go k.write()
	}
}

// raw returns a request as it arrived, but for the order and case of its headers, which
// net/http does not tell. The body is there for whoever reads it next.
func (k *keeper) raw(r *http.Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, cmp.Or(r.RequestURI, r.URL.RequestURI()), r.Host)
	if r.ContentLength >= 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", r.ContentLength)
	}
	header := maps.Clone(r.Header)
	maps.DeleteFunc(header, func(name string, _ []string) bool { return k.leaveOut[http.CanonicalHeaderKey(name)] })
	_ = header.Write(&b) // A buffer takes everything.
	b.WriteString("\r\n")
	if r.Body != nil {
		head := b.Len()
		_, _ = b.ReadFrom(io.LimitReader(r.Body, k.opts.MaxBytes)) // What there is of it is kept.
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b.Bytes()[head:]), r.Body))
	}
	return b.Bytes()
}

// write ends when there is nothing left to write.
func (k *keeper) write() {
	for {
		k.mu.Lock()
		if len(k.pending) == 0 {
			k.pending, k.writing = nil, false
			k.mu.Unlock()
			return
		}
		next := k.pending[0]
		k.pending = k.pending[1:]
		k.mu.Unlock()
		if err := errors.Join(writeWhole(filepath.Join(k.dir, next.name), next.raw), k.prune()); err != nil {
			k.opts.Logger.Warn("webhook request cannot be kept", slog.Any("error", err))
		}
	}
}

// partial ends the names of files that are being written.
const partial = ".part"

// writeWhole makes a file that nobody sees a part of.
func writeWhole(path string, raw []byte) error {
	f, err := os.OpenFile(path+partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // G304: the directory is the host's, the name is made here.
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+partial, path)
	}
	if err != nil {
		_ = os.Remove(path + partial) // The error is told already.
	}
	return err
}

// prune removes the oldest files, and those that a process has left half-written with them.
func (k *keeper) prune() error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return err
	}
	var names []string // sorted
	for _, e := range entries {
		if _, ok := parseName(strings.TrimSuffix(e.Name(), partial)); ok {
			names = append(names, e.Name())
		}
	}
	for _, name := range names[:max(0, len(names)-k.opts.Last)] {
		if gone := os.Remove(filepath.Join(k.dir, name)); !errors.Is(gone, os.ErrNotExist) { // Another process may have been faster.
			err = errors.Join(err, gone)
		}
	}
	return err
}

// KeptRequest is a request that [Keep] has kept.
type KeptRequest struct {
	Path   string    // of the file: request line, headers, an empty line, body
	At     time.Time // when it arrived
	Status int       // of the answer
}

// Kept lists the requests that [Keep] has kept in dir, the newest first.
func Kept(dir string) ([]KeptRequest, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("explain: kept: %w", err)
	}
	var out []KeptRequest
	for _, e := range entries {
		if r, ok := parseName(e.Name()); ok {
			r.Path = filepath.Join(dir, e.Name())
			out = append(out, r)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// The name of a file is rejected-20251104T120000.000000000Z-401.http, which sorts by time.
const (
	namePrefix = "rejected-"
	nameTime   = "20060102T150405.000000000Z"
	nameSuffix = ".http"
)

func nameOf(at time.Time, status int) string {
	return namePrefix + at.UTC().Format(nameTime) + "-" + strconv.Itoa(status) + nameSuffix
}

func parseName(name string) (r KeptRequest, ok bool) {
	rest, ok1 := strings.CutPrefix(name, namePrefix)
	rest, ok2 := strings.CutSuffix(rest, nameSuffix)
	at, status, ok3 := strings.Cut(rest, "-")
	var err1, err2 error
	r.At, err1 = time.Parse(nameTime, at)
	r.Status, err2 = strconv.Atoi(status)
	return r, ok1 && ok2 && ok3 && err1 == nil && err2 == nil
}
