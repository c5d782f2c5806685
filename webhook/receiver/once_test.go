package receiver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// onEachSeen runs a test with a memory of this process and with one in Redis.
func onEachSeen(t *testing.T, test func(t *testing.T, seen store.Seen)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, memstore.New(nil))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		client, prefix := redistest.Client(t), redistest.Prefix()
		t.Cleanup(func() { redistest.Forget(t, client, prefix) })
		st, err := redisstore.Open(t.Context(), client, &redisstore.Options{Prefix: prefix})
		require.NoError(t, err)
		test(t, st)
	})
}

// TestOneOfAHundred sends one event a hundred times at once to two receivers that
// share what they have seen.
func TestOneOfAHundred(t *testing.T) {
	t.Parallel()
	onEachSeen(t, func(t *testing.T, seen store.Seen) {
		t.Helper()
		var ran atomic.Int64
		entered, leave := make(chan struct{}), make(chan struct{})
		h := func(context.Context, event.Event) error {
			ran.Add(1)
			close(entered)
			<-leave
			return nil
		}
		both := []*receiver.Receiver{
			newReceiver(t, &receiver.Options{Seen: seen}, h), newReceiver(t, &receiver.Options{Seen: seen}, h),
		}
		var codes [600]atomic.Int64
		var first, rest sync.WaitGroup
		first.Go(func() { codes[post(t, both[0], body("evt_1", `{}`)).Code].Add(1) })
		<-entered
		for i := range 99 {
			rest.Go(func() {
				w := post(t, both[i%2], body("evt_1", `{}`))
				codes[w.Code].Add(1)
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
					t.Errorf("a repeat of what is in work is answered with %d", w.Code)
				}
			})
		}
		rest.Wait()
		close(leave)
		first.Wait()
		for i := range 2 {
			require.Equal(t, http.StatusOK, post(t, both[i], body("evt_1", `{}`)).Code)
		}
		require.EqualValues(t, 1, ran.Load())
		require.EqualValues(t, 1, codes[http.StatusOK].Load())
		require.EqualValues(t, 101, both[0].Metrics().Duplicates+both[1].Metrics().Duplicates)
	})
}

func TestWhatFailedIsProcessedAgain(t *testing.T) {
	t.Parallel()
	onEachSeen(t, func(t *testing.T, seen store.Seen) {
		t.Helper()
		faults := []func() error{
			func() error { return errors.New("no") },
			func() error { panic("no") },
			func() error { return nil },
		}
		ran := 0
		var told []string
		r := newReceiver(t, &receiver.Options{
			Seen:    seen,
			OnError: func(_ context.Context, e event.Event, err error) { told = append(told, e.ID+": "+err.Error()) },
		}, func(context.Context, event.Event) error {
			ran++
			return faults[ran-1]()
		})
		for _, want := range []int{500, 500, 200, 200} {
			require.Equal(t, want, post(t, r, body("evt_1", `{}`)).Code)
		}
		require.Equal(t, 3, ran)
		require.Equal(t, []string{"evt_1: no", "evt_1: receiver: the handler of document.created panicked: no"}, told)
		m := r.Metrics()
		require.EqualValues(t, 4, m.Received)
		require.EqualValues(t, 1, m.Processed)
		require.EqualValues(t, 2, m.Failed)
		require.EqualValues(t, 1, m.Duplicates)
	})
}

// TestWhatHandlersSay: an error may ask for no repeat, or for a later one.
func TestWhatHandlersSay(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name      string
		err       error
		status    int
		wait      string
		processed bool // for the sender
	}{
		{"fails", broken, 500, "", false},
		{"acknowledges", receiver.Acknowledge(broken), 200, "", true},
		{"acknowledges, wrapped", fmt.Errorf("indexing: %w", receiver.Acknowledge(broken)), 200, "", true},
		{"gives up", receiver.Never(broken), 200, "", true},
		{"later", receiver.RetryAfter(90*time.Second, broken), 503, "90", false},
		{"later, a fraction", receiver.RetryAfter(1500*time.Millisecond, fmt.Errorf("busy: %w", broken)), 503, "2", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ran := 0
			var told error
			r := newReceiver(t, &receiver.Options{
				Seen: memstore.New(nil), OnError: func(_ context.Context, _ event.Event, err error) { told = err },
			}, func(context.Context, event.Event) error {
				ran++
				return tt.err
			})
			w := post(t, r, body("evt_1", `{}`))
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.wait, w.Header().Get("Retry-After"))
			require.ErrorIs(t, told, broken)
			require.Equal(t, tt.err.Error(), told.Error())
			require.EqualValues(t, 1, r.Metrics().Failed)
			post(t, r, body("evt_1", `{}`))
			require.Equal(t, tt.processed, ran == 1)
		})
	}
	require.NoError(t, receiver.Acknowledge(nil))
	require.NoError(t, receiver.Never(nil))
	require.Error(t, receiver.RetryAfter(time.Second, nil))
}

func TestSameIDOtherContent(t *testing.T) {
	t.Parallel()
	ran := 0
	r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil)}, func(context.Context, event.Event) error {
		ran++
		return nil
	})
	for _, c := range []struct {
		body string
		want int
	}{
		{body("evt_1", `{"title":"Café & <b>","n":[1,2.5],"big":9007199254740993}`), 200},
		{`{ "id":"evt_1", "type":"document.created", "data":{"n":[1,2.5],"big":9007199254740993,"title":"Caf\u00e9 \u0026 \u003cb\u003e"}, "created":"2025-11-04T12:36:00Z" }`, 200},
		{body("evt_1", `{"title":"Café & <b>","n":[1,2.5],"big":9007199254740992}`), 409},
		{body("evt_1", `{"title":"Cafe & <b>","n":[1,2.5],"big":9007199254740993}`), 409},
		{typed("evt_1", "document.updated", `{"title":"Café & <b>","n":[1,2.5],"big":9007199254740993}`), 409},
	} {
		require.Equal(t, c.want, post(t, r, c.body).Code, c.body)
	}
	require.Equal(t, 1, ran)
	require.EqualValues(t, 3, r.Metrics().Conflicts)
	require.EqualValues(t, 1, r.Metrics().Duplicates)
}

// TestOtherSenders: the id of a message is in its header, and a repeat has another time.
func TestOtherSenders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mux := receiver.NewMux()
		var got []event.Event
		for _, pattern := range []string{"Contact-Created", "Invoice.*"} {
			mux.Handle(pattern, func(_ context.Context, e event.Event) error {
				got = append(got, e)
				return nil
			})
		}
		r, err := receiver.New(secret, mux, &receiver.Options{Seen: memstore.New(nil)})
		require.NoError(t, err)
		for _, body := range []string{`{"type":"Contact-Created","data":{"id":"contact_1"}}`, `{"type":"Invoice.Paid","id":"invoice_1"}`} {
			got = nil
			for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusOK, http.StatusConflict} {
				time.Sleep(time.Minute)
				sent := body
				if want == http.StatusConflict {
					sent = strings.Replace(body, "_1", "_2", 1)
				}
				w := serve(r, message(t, "msg_"+body[9:16], time.Now(), sent))
				require.Equal(t, want, w.Code, "repeat %d", i)
			}
			require.Len(t, got, 1)
			require.Equal(t, "msg_"+body[9:16], got[0].ID)
		}
	})
}

func TestScopesAndTimes(t *testing.T) {
	t.Parallel()
	now := noon()
	seen := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
	ran := 0
	h := func(context.Context, event.Event) error {
		ran++
		return nil
	}
	a := newReceiver(t, &receiver.Options{Seen: seen, Remember: time.Hour}, h)
	b := newReceiver(t, &receiver.Options{Seen: seen, Scope: "b"}, h)
	post(t, a, body("evt_1", `{}`))
	post(t, b, body("evt_1", `{}`))
	require.Equal(t, 2, ran, "each scope has its own")
	now = now.Add(time.Hour - time.Second)
	post(t, a, body("evt_1", `{}`))
	require.Equal(t, 2, ran)
	now = now.Add(time.Second)
	post(t, a, body("evt_1", `{}`))
	post(t, b, body("evt_1", `{}`))
	require.Equal(t, 3, ran)
	now = now.Add(7 * 24 * time.Hour)
	post(t, b, body("evt_1", `{}`))
	require.Equal(t, 3, ran, "as long as this module's sender can replay by default")
}

// away is a memory that cannot be reached.
type away struct{ store.Seen }

func (away) BeginSeen(context.Context, string, string, store.SeenBegin) (store.SeenAnswer, error) {
	return store.SeenAnswer{}, errors.New("redis://10.0.0.7 said no")
}

func TestSeenAway(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, &receiver.Options{Seen: away{}}, func(context.Context, event.Event) error {
		t.Error("what may have been processed is processed")
		return nil
	})
	w := post(t, r, body("evt_1", `{}`))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, w.Body.String(), "10.0.0.7")
	require.EqualValues(t, 1, r.Metrics().Refused)
}

// TestSenderHangsUp cancels the request while its handler works.
func TestSenderHangsUp(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil)}, func(ctx context.Context, _ event.Event) error {
		hangUp()
		return ctx.Err()
	})
	serve(r, signed(t, body("evt_1", `{}`)).WithContext(ctx))
	require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{}`)).Code)
	require.EqualValues(t, 1, r.Metrics().Processed)
	require.EqualValues(t, 1, r.Metrics().Duplicates)
}

// TestHandlerTimeout has a handler that never ends by itself, and one that does
// not listen.
func TestHandlerTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil)}, func(ctx context.Context, _ event.Event) error {
			<-ctx.Done()
			return ctx.Err()
		})
		began := time.Now()
		require.Equal(t, http.StatusInternalServerError, post(t, r, body("evt_1", `{}`)).Code)
		require.Equal(t, time.Minute, time.Since(began))

		var ran atomic.Int64
		deaf := newReceiver(t, &receiver.Options{Seen: memstore.New(nil)}, func(context.Context, event.Event) error {
			if ran.Add(1) == 1 {
				<-time.After(10 * time.Minute)
			}
			return nil
		})
		done := make(chan int)
		go func() { done <- post(t, deaf, body("evt_1", `{}`)).Code }()
		<-time.After(75 * time.Second)
		require.Equal(t, http.StatusServiceUnavailable, post(t, deaf, body("evt_1", `{}`)).Code)
		<-time.After(25 * time.Second)
		require.Equal(t, http.StatusOK, post(t, deaf, body("evt_1", `{}`)).Code, "its lease has ended")
		require.Equal(t, http.StatusOK, <-done)
		require.EqualValues(t, 2, ran.Load())
	})
}

func FuzzReceive(f *testing.F) {
	f.Add("document.created", "evt_1", `{"a":1}`)
	f.Add("usage.limit.exceeded", "e", `[1,2.5,"x",null]`)
	f.Add("", "", ``)
	f.Add("a..b", "\x00", `{"a":1,"a":2}`)
	f.Add("a.b.c", "x", `1e999`)
	mux := receiver.NewMux()
	ran := 0
	count := func(context.Context, event.Event) error {
		ran++
		return nil
	}
	mux.Handle("usage.*", count)
	mux.Handle("a.b.*", count)
	mux.Handle("document.created", count)
	r, err := receiver.New(secret, mux, &receiver.Options{Seen: memstore.New(nil)})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, kind, id, data string) {
		kindJSON, _ := json.Marshal(kind)
		idJSON, _ := json.Marshal(id)
		text := `{"id":` + string(idJSON) + `,"type":` + string(kindJSON) + `,"created":"2025-11-04T12:36:00Z","data":` + data + `}`
		first := post(t, r, text).Code
		before := ran
		second := post(t, r, text).Code
		require.Equal(t, before, ran, "a handler runs once")
		require.Equal(t, first, second)
		require.Contains(t, []int{200, 400, 409}, first)
	})
}

// mortal is a memory shared by processes, as seen by one that may die.
type mortal struct {
	store.Seen
	dead atomic.Bool
}

func (m *mortal) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	if m.dead.Load() {
		return store.SeenAnswer{}, errors.New("the process is dead")
	}
	return m.Seen.BeginSeen(ctx, scope, id, b)
}

// TestLongHandlers have 10 minutes, while the sender tries at once, after 1 minute and
// after 5 more.
func TestLongHandlers(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, seen store.Seen, h receiver.HandlerFunc) *receiver.Receiver {
		t.Helper()
		return newReceiver(t, &receiver.Options{Seen: seen, HandlerTimeout: 10 * time.Minute}, h)
	}
	t.Run("one that lives keeps its event", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			seen := memstore.New(nil)
			a := start(t, seen, func(context.Context, event.Event) error {
				time.Sleep(7 * time.Minute)
				return nil
			})
			b := start(t, seen, nothing)
			go post(t, a, body("evt_1", `{}`))
			for _, pause := range []time.Duration{time.Minute, 5 * time.Minute} {
				time.Sleep(pause)
				require.Equal(t, http.StatusServiceUnavailable, post(t, b, body("evt_1", `{}`)).Code)
			}
			time.Sleep(2 * time.Minute)
			require.Equal(t, http.StatusOK, post(t, b, body("evt_1", `{}`)).Code)
			require.EqualValues(t, 1, a.Metrics().Processed)
			require.Zero(t, b.Metrics().Processed)
		})
	})
	t.Run("one that dies loses none", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			seen := memstore.New(nil)
			dying := &mortal{Seen: seen}
			a := start(t, dying, func(ctx context.Context, _ event.Event) error {
				<-ctx.Done()
				require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
				return ctx.Err()
			})
			b := start(t, seen, nothing)
			go post(t, a, body("evt_1", `{}`))
			time.Sleep(15 * time.Second)
			dying.dead.Store(true)
			time.Sleep(45 * time.Second)
			require.Equal(t, http.StatusOK, post(t, b, body("evt_1", `{}`)).Code, "the second attempt")
			require.EqualValues(t, 1, b.Metrics().Processed)
			time.Sleep(10 * time.Minute)
		})
	})
	t.Run("one that was cut off is told", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			seen := memstore.New(nil)
			cut := &mortal{Seen: seen}
			told := make(chan error, 1)
			a := start(t, cut, func(ctx context.Context, _ event.Event) error {
				<-ctx.Done()
				told <- context.Cause(ctx)
				return ctx.Err()
			})
			b := start(t, seen, nothing)
			go post(t, a, body("evt_1", `{}`))
			time.Sleep(time.Second)
			cut.dead.Store(true)
			time.Sleep(time.Minute)
			require.Equal(t, http.StatusOK, post(t, b, body("evt_1", `{}`)).Code)
			cut.dead.Store(false)
			require.ErrorContains(t, <-told, "another process has the event")
		})
	})
}
