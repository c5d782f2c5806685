package receiver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// queued is evt_1 as a queue has it.
func queued() verifier.Message {
	return verifier.Message{Event: event.Event{ID: "evt_1", Type: event.TypeDocumentCreated, Created: noon(), Data: map[string]any{}}}
}

// apart runs f in a goroutine of its own, and reports whether f returned.
func apart(f func()) (returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
		returned = true
	}()
	<-done
	return returned
}

// TestHandlersEnd in other ways than by returning: the event has failed, nothing hangs, and a
// repeat is processed.
func TestHandlersEnd(t *testing.T) {
	t.Parallel()
	ways := map[string]func(t *testing.T, r *receiver.Receiver) (ended bool){
		"at once": func(t *testing.T, r *receiver.Receiver) bool {
			t.Helper()
			w := httptest.NewRecorder()
			w.Code = 0
			request := signed(t, body("evt_1", `{}`))
			returned := apart(func() {
				defer func() {
					if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // as net/http
						panic(p)
					}
				}()
				r.ServeHTTP(w, request)
			})
			if returned {
				require.Contains(t, []int{0, http.StatusInternalServerError}, w.Code)
			}
			return !returned
		},
		"async": func(t *testing.T, r *receiver.Receiver) bool {
			t.Helper()
			require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{}`)).Code)
			return true
		},
		"process": func(t *testing.T, r *receiver.Receiver) bool {
			t.Helper()
			return !apart(func() {
				if err := r.Process(context.Background(), queued()); err == nil {
					t.Error("it counts as processed")
				}
			})
		},
	}
	ends := map[string]struct {
		by    func()
		says  string
		stack bool
	}{
		"Goexit": {runtime.Goexit, "receiver: the handler ended its goroutine", false},
		"abort":  {func() { panic(http.ErrAbortHandler) }, "receiver: the handler aborted", false},
		"panic":  {func() { panic("no") }, "receiver: the handler of document.created panicked: no", true},
	}
	for way, send := range ways {
		for end, tt := range ends {
			t.Run(way+", "+end, func(t *testing.T) {
				t.Parallel()
				var lines syncBuffer
				told := make(chan error, 2)
				seen := memstore.New(nil)
				var ran atomic.Int64
				r := newReceiver(t, &receiver.Options{
					Seen: seen, Async: way == "async", Workers: 1, Logger: slog.New(slog.NewTextHandler(&lines, nil)),
					OnError: func(_ context.Context, _ event.Event, err error) { told <- err },
				}, func(context.Context, event.Event) error {
					if ran.Add(1) == 1 {
						tt.by()
					}
					return nil
				})
				require.Equal(t, end == "Goexit" || way == "async", send(t, r))
				require.EqualError(t, <-told, tt.says)
				require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{}`)).Code, "a worker is there, and the lease is not")
				require.NoError(t, r.Close(t.Context()))
				m := r.Metrics()
				require.EqualValues(t, 1, m.Failed)
				require.EqualValues(t, 1, m.Processed)
				require.Equal(t, tt.stack, strings.Contains(lines.String(), "stack="))
			})
		}
	}
}

// TestWorkersThatEndLeaveTheRest: what waits behind a handler that ends its goroutine is
// processed, and Close returns.
func TestWorkersThatEndLeaveTheRest(t *testing.T) {
	t.Parallel()
	first, leave := make(chan struct{}), make(chan struct{})
	r := newReceiver(t, &receiver.Options{Async: true, Workers: 1}, func(_ context.Context, e event.Event) error {
		if e.ID == "evt_0" {
			close(first)
			<-leave
		}
		runtime.Goexit()
		return nil
	})
	for i := range 4 {
		require.Equal(t, http.StatusOK, post(t, r, body(fmt.Sprintf("evt_%d", i), `{}`)).Code)
	}
	<-first
	close(leave)
	require.NoError(t, r.Close(t.Context()))
	require.EqualValues(t, 4, r.Metrics().Failed)
	require.Zero(t, r.Metrics().Working+r.Metrics().Waiting)
}

// TestAbortOnTheWire: the connection is cut, and net/http has nothing to say of it.
func TestAbortOnTheWire(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"abort": func() { panic(http.ErrAbortHandler) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines syncBuffer
			r := newReceiver(t, nil, func(context.Context, event.Event) error {
				end()
				return nil
			})
			server := httptest.NewUnstartedServer(r)
			server.Config.ErrorLog = log.New(&lines, "", 0)
			server.Start()
			_, err := send(t, server, "evt_1")
			require.Error(t, err)
			server.Close()
			require.Empty(t, lines.String())
			require.EqualValues(t, 1, r.Metrics().Failed)
		})
	}
}

// send posts a signed event to a server.
func send(t *testing.T, server *httptest.Server, id string) (status int, err error) {
	t.Helper()
	r := signed(t, body(id, `{}`))
	out, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, r.Body)
	require.NoError(t, err)
	out.Header = r.Header
	resp, err := server.Client().Do(out)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// TestNoHeaderIsWrittenTwice answers in all ways, and net/http has nothing to say.
func TestNoHeaderIsWrittenTwice(t *testing.T) {
	t.Parallel()
	var lines syncBuffer
	says := map[string]error{
		"evt_fails": errors.New("no"), "evt_later": receiver.RetryAfter(time.Second, nil),
		"evt_never": receiver.Never(errors.New("no")), "evt_acknowledged": receiver.Acknowledge(errors.New("no")),
	}
	r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil)}, func(_ context.Context, e event.Event) error {
		if e.ID == "evt_panics" {
			panic("no")
		}
		return says[e.ID]
	})
	server := httptest.NewUnstartedServer(r)
	server.Config.ErrorLog = log.New(&lines, "", 0)
	server.Start()
	for id, want := range map[string]int{
		"evt_ok": 200, "evt_fails": 500, "evt_later": 503, "evt_never": 200, "evt_acknowledged": 200, "evt_panics": 500,
	} {
		status, err := send(t, server, id)
		require.NoError(t, err)
		require.Equal(t, want, status, id)
	}
	server.Close()
	require.Empty(t, lines.String())
}

// TestServerIsClosed under a handler, which goes on: what it does counts.
func TestServerIsClosed(t *testing.T) {
	t.Parallel()
	entered, leave, requests := make(chan struct{}), make(chan struct{}), make(chan context.Context, 1)
	r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil)}, func(ctx context.Context, _ event.Event) error {
		close(entered)
		<-leave
		return ctx.Err()
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		requests <- req.Context()
		r.ServeHTTP(w, req)
	}))
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	w := bufio.NewWriter(conn)
	require.NoError(t, signed(t, body("evt_1", `{}`)).Write(w))
	require.NoError(t, w.Flush())
	<-entered
	require.NoError(t, server.Config.Close())
	require.NoError(t, conn.Close())
	<-(<-requests).Done()
	close(leave)
	server.Close() // Waits for the handler.
	require.EqualValues(t, 1, r.Metrics().Processed)
	require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{}`)).Code)
	require.EqualValues(t, 1, r.Metrics().Duplicates)
}

// strict is a Seen that does nothing in a context that has ended, as one over a network.
type strict struct{ store.Seen }

func (s strict) CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error {
	return errors.Join(ctx.Err(), s.Seen.CommitSeen(ctx, scope, id, holder, value, ttl))
}

func (s strict) ForgetSeen(ctx context.Context, scope, id, holder string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.Seen.ForgetSeen(ctx, scope, id, holder)
}

// own is a context of the host's own making, on which package context spends a goroutine for
// as long as somebody listens to it.
type own struct {
	context.Context //nolint:containedctx // it is one
	done            <-chan struct{}
}

func (o own) Done() <-chan struct{} { return o.done }

// TestProcessIsCancelled: the handler says what becomes of the event.
func TestProcessIsCancelled(t *testing.T) {
	t.Parallel()
	for name, stops := range map[string]bool{"a handler that stops is given up": true, "one that ends its work is processed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			ran := 0
			r := newReceiver(t, &receiver.Options{Seen: strict{memstore.New(nil)}}, func(ctx context.Context, _ event.Event) error {
				if ran++; ran > 1 {
					return nil
				}
				cancel()
				<-ctx.Done()
				if stops {
					return ctx.Err()
				}
				return nil
			})
			err := r.Process(ctx, queued())
			require.Equal(t, stops, errors.Is(err, context.Canceled))
			require.NoError(t, r.Process(t.Context(), queued()))
			require.Equal(t, stops, ran == 2)
		})
	}
	t.Run("nothing is left in the host's context", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, nil, nothing)
			require.NoError(t, r.Process(own{t.Context(), make(chan struct{})}, queued()))
		})
	})
}

func TestCauseOfTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		r := newReceiver(t, nil, func(ctx context.Context, _ event.Event) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return ctx.Err()
		})
		post(t, r, body("evt_1", `{}`))
		require.ErrorIs(t, cause, context.DeadlineExceeded)
		require.ErrorContains(t, cause, "HandlerTimeout, 1m0s, is over")
	})
}

// TestOptionsThatPanic: the sender gets an answer, and a host's queue its error.
func TestOptionsThatPanic(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		o       receiver.Options
		status  int
		process bool // succeeds
	}{
		"Wrap":     {receiver.Options{Wrap: func(receiver.HandlerFunc) receiver.HandlerFunc { panic("no") }}, 500, false},
		"nil Wrap": {receiver.Options{Wrap: func(receiver.HandlerFunc) receiver.HandlerFunc { return nil }}, 500, false},
		"Observer": {receiver.Options{Observer: receiver.Observer{Settled: func(context.Context, receiver.SettledInfo) { panic("no") }}}, 200, true},
		"Accept":   {receiver.Options{Accept: func(context.Context, verifier.Message) error { panic("no") }}, 503, true},
		"Begin":    {receiver.Options{Seen: unasked{memstore.New(nil)}}, 503, false},
		"Commit":   {receiver.Options{Seen: broken{memstore.New(nil)}}, 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines syncBuffer
			tt.o.Logger = slog.New(slog.NewTextHandler(&lines, nil))
			r := newReceiver(t, &tt.o, nothing)
			require.Equal(t, tt.status, post(t, r, body("evt_2", `{}`)).Code)
			require.Equal(t, tt.process, r.Process(t.Context(), queued()) == nil)
			require.Contains(t, lines.String(), "panicked")
		})
	}
}

// unasked is a memory that panics.
type unasked struct{ store.Seen }

func (unasked) BeginSeen(context.Context, string, string, store.SeenBegin) (store.SeenAnswer, error) {
	panic("in BeginSeen")
}

// TestZeroMux is as useful as that of net/http.
func TestZeroMux(t *testing.T) {
	t.Parallel()
	var mux receiver.Mux
	_, err := receiver.New(secret, &mux, nil)
	require.ErrorContains(t, err, "mux has no handlers")
	mux.Handle("*", nothing)
	mux.Handle("*", nothing)
	_, err = receiver.New(secret, &mux, nil)
	require.ErrorContains(t, err, "is there twice")
}
