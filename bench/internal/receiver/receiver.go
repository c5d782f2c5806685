// Package receiver is the endpoint of every measurement. It is a process of its own.
// It answers as the path of a request says, and records when it arrived.
//
// It speaks just enough HTTP/1.1, and so costs a third of net/http's server. On a
// machine with few cores, net/http would be what limits the sender.
package receiver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/bench/internal/proc"
)

// Role is the role of a process that runs [Main].
const Role = "receiver"

// How an endpoint behaves, which is the first part of its path. The second part is a
// class of endpoints, whose waits are counted together. The third part is a number.
const (
	OK   = "ok"   // 200 at once
	Slow = "slow" // 200 after SlowBy
	Hang = "hang" // nothing until the sender hangs up
	Fail = "fail" // 500 at once
)

// SlowBy is how long a slow endpoint takes.
const SlowBy = 2 * time.Second

// Path makes the path of an endpoint.
func Path(behaviour, class string, n int) string {
	return fmt.Sprintf("/%s/%s/%d", behaviour, class, n)
}

// SentMark precedes, in a body, the time at which its event was published, in
// nanoseconds since 1970.
const SentMark = `"sent":"`

// A Window is the part of all receipts over which a rate is measured: between
// the receipt of number From and that of number To.
type Window struct {
	From, To int64
	Track    bool // count receipts of each delivery by its id
}

// Stats is what was received since the last reset.
type Stats struct {
	Received int64
	Elapsed  time.Duration // of the window; 0 if it has not ended
	Classes  map[string]Waits
	// MostInFlight is the largest number of requests that one endpoint had at once, by
	// class.
	MostInFlight map[string]int64
	// Distinct and Repeats count different deliveries, and repeated receipts of them,
	// if the Window has Track.
	Distinct, Repeats int64
	CPU               time.Duration // of the process since its start
}

// Rate is receipts per second in a window.
func (s Stats) Rate(w Window) float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(w.To-w.From) / s.Elapsed.Seconds()
}

// Server answers and records.
type Server struct {
	window   atomic.Pointer[Window]
	received atomic.Int64
	from, to atomic.Int64 // when the window began and ended

	mu         sync.Mutex
	classes    map[string]*Histogram
	endpoints  map[string]*endpoint
	deliveries map[string]int
	changed    chan struct{} // closed and replaced when the window has ended
	target     atomic.Int64
}

type endpoint struct {
	behaviour string
	class     string
	waits     *Histogram
	inFlight  atomic.Int64
	most      atomic.Int64
}

// New returns a Server that has received nothing.
func New() *Server {
	s := &Server{classes: map[string]*Histogram{}, endpoints: map[string]*endpoint{}, changed: make(chan struct{})}
	s.Reset(Window{})
	return s
}

// Reset forgets what was received.
func (s *Server) Reset(w Window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.classes {
		h.Reset()
	}
	for _, e := range s.endpoints {
		e.most.Store(e.inFlight.Load())
	}
	s.deliveries = map[string]int{}
	s.received.Store(0)
	s.from.Store(0)
	s.to.Store(0)
	s.window.Store(&w)
}

// Stats returns what was received since the last Reset.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Stats{
		Received: s.received.Load(), Classes: map[string]Waits{}, MostInFlight: map[string]int64{},
		Distinct: int64(len(s.deliveries)), CPU: proc.Measure().CPU,
	}
	if from, to := s.from.Load(), s.to.Load(); from > 0 && to > from {
		out.Elapsed = time.Duration(to - from)
	}
	for name, h := range s.classes {
		out.Classes[name] = h.Waits()
	}
	for _, e := range s.endpoints {
		out.MostInFlight[e.class] = max(out.MostInFlight[e.class], e.most.Load())
	}
	for _, n := range s.deliveries {
		out.Repeats += int64(n - 1)
	}
	return out
}

// Await waits until n requests have been received since the last Reset.
func (s *Server) Await(ctx context.Context, n int64) error {
	s.target.Store(n)
	defer s.target.Store(0)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if s.received.Load() >= n {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(time.Second): // n may have been reached before the wait began.
		case <-ctx.Done():
			return fmt.Errorf("receiver: %d of %d received: %w", s.received.Load(), n, ctx.Err())
		}
	}
}

// receipt records one request.
func (s *Server) receipt(e *endpoint, body []byte, delivery string) {
	now := time.Now().UnixNano()
	n := s.received.Add(1)
	w := s.window.Load()
	if n == w.From {
		s.from.Store(now)
	}
	if n == w.To {
		s.to.Store(now)
	}
	if n == s.target.Load() {
		s.mu.Lock()
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
	}
	if sent := sentAt(body); sent > 0 {
		e.waits.Add(time.Duration(now - sent))
	}
	if w.Track {
		s.mu.Lock()
		s.deliveries[delivery]++
		s.mu.Unlock()
	}
}

// sentAt reads the time of publishing.
func sentAt(body []byte) int64 {
	_, rest, found := bytes.Cut(body, []byte(SentMark))
	if !found {
		return 0
	}
	t := int64(0)
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		t = t*10 + int64(c-'0')
	}
	return t
}

func (s *Server) endpoint(path string) *endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.endpoints[path]; e != nil {
		return e
	}
	parts := append(strings.Split(path, "/"), "", "", "")
	e := &endpoint{behaviour: parts[1], class: parts[2]}
	if e.waits = s.classes[e.class]; e.waits == nil {
		e.waits = &Histogram{}
		s.classes[e.class] = e.waits
	}
	s.endpoints[path] = e
	return e
}

// Accept serves a listener until it is closed.
func (s *Server) Accept(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		go s.serve(conn)
	}
}

var (
	answerOK   = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")                    //nolint:gochecknoglobals // constants
	answerFail = []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n") //nolint:gochecknoglobals // constants
)

func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	seen := map[string]*endpoint{}
	r := bufio.NewReaderSize(conn, 8<<10)
	var req request
	for req.read(r) == nil {
		e := seen[string(req.path)]
		if e == nil {
			e = s.endpoint(string(req.path))
			seen[string(req.path)] = e
		}
		n := e.inFlight.Add(1)
		for most := e.most.Load(); n > most && !e.most.CompareAndSwap(most, n); most = e.most.Load() {
			continue
		}
		s.receipt(e, req.body, req.delivery(e))
		answer := answerOK
		switch e.behaviour {
		case Slow:
			<-time.After(SlowBy)
		case Fail:
			answer = answerFail
		case Hang:
			_, _ = r.ReadByte() // The sender says no more until it hangs up.
			answer = nil
		}
		e.inFlight.Add(-1)
		if answer == nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// request is what is read of one.
type request struct {
	path, id, body []byte
}

func (q *request) delivery(e *endpoint) string {
	return e.class + " " + string(q.path) + " " + string(q.id)
}

// read reads a request whose length is given in Content-Length.
func (q *request) read(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	_, rest, _ := bytes.Cut(line, []byte(" "))
	path, _, _ := bytes.Cut(rest, []byte(" "))
	q.path, q.id = append(q.path[:0], path...), q.id[:0]
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			length = 0
			for _, c := range value {
				length = length*10 + int(c-'0')
			}
		case bytes.EqualFold(name, []byte("X-Webhook-Delivery-ID")):
			q.id = append(q.id[:0], value...)
		}
	}
	if cap(q.body) < length {
		q.body = make([]byte, length)
	}
	q.body = q.body[:length]
	_, err = io.ReadFull(r, q.body)
	return err
}

// Main serves HTTP and HTTPS on free ports of the loopback, and the parent's calls.
func Main(ctx context.Context, in io.Reader, out io.Writer) error {
	s := New()
	plain, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer plain.Close()
	under, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer under.Close()
	cert, authority, err := newCertificate()
	if err != nil {
		return err
	}
	secure := tls.NewListener(under, &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	})
	go func() { _ = s.Accept(plain) }() // They end with the process.
	go func() { _ = s.Accept(secure) }()
	where := Addresses{
		HTTP: "http://" + plain.Addr().String(), HTTPS: "https://" + under.Addr().String(), Authority: authority,
	}
	return proc.Serve(ctx, in, out, map[string]proc.Handler{
		"addresses": func(context.Context, json.RawMessage) (any, error) { return where, nil },
		"reset": proc.On(func(_ context.Context, w Window) (any, error) {
			s.Reset(w)
			return nil, nil //nolint:nilnil // there is nothing to say
		}),
		"await": proc.On(func(ctx context.Context, a awaiting) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, a.Timeout)
			defer cancel()
			return nil, s.Await(ctx, a.Count)
		}),
		"stats": func(context.Context, json.RawMessage) (any, error) { return s.Stats(), nil },
	})
}
