//go:build chaos || chaoslong

package chaos_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/sqlstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	typed "github.com/rag-assistant/webhooks/webhook/receiver"
)

// receiving is the setup of a worker that has an inbox.
type receiving struct {
	Secret  string
	Listen  string // its socket; empty: it sends
	Effects string // where a handler posts the event's id; empty: it inserts it in its transaction
	Deaths  string // a folder with a file for each event whose death was died
}

// The moments at which an event has its worker killed, once: its id begins with one.
const (
	acknowledged = "acknowledged" // when it was answered
	begun        = "begun"        // when its handler was called
	effected     = "effected"     // when its effect was made, in the handler
	returned     = "returned"     // when its handler has returned, and the result is not stored
)

func (r receiving) die(moment, id string) {
	if !strings.HasPrefix(id, moment) {
		return
	}
	f, err := os.OpenFile(filepath.Join(r.Deaths, id), os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return // Another has died of it.
	}
	_ = f.Close()
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// receive takes events in and has them handled until ctx ends.
func (s setup) receive(ctx context.Context, st store.Store) error {
	mux := typed.NewMux()
	mux.Handle("*", func(ctx context.Context, e event.Event) error {
		s.Inbox.die(begun, e.ID)
		if err := s.Inbox.effect(ctx, e.ID); err != nil {
			return err
		}
		s.Inbox.die(effected, e.ID)
		<-time.After(10 * time.Millisecond) // Others die here.
		return nil
	})
	o := inbox.Options{
		Concurrency: s.Concurrency, PerSource: s.PerWebhook, HandlerTimeout: s.AttemptTimeout,
		Retry: retry.Policy{Delays: s.Delays, MaxAttempts: s.MaxAttempts},
	}
	o.Engine.Attempted = func(_ context.Context, i webhook.AttemptInfo) { s.Inbox.die(returned, i.EventID) }
	in, err := inbox.New(hasty{st, s.Lease}, mux, &o)
	if err != nil {
		return err
	}
	v, err := verifier.New(s.Inbox.Secret, nil)
	if err != nil {
		return err
	}
	h, err := in.Handler(source, v, nil)
	if err != nil {
		return err
	}
	_ = os.Remove(s.Inbox.Listen) // It is there if another has died.
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", s.Inbox.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush()
		s.Inbox.die(acknowledged, r.Header.Get(signer.HeaderStandardID))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	err = in.Run(ctx)
	err = cmp.Or(err, server.Close())
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = cmp.Or(err, e)
	}
	return err
}

const source = "vendor"

// effect is all that a handler does.
func (r receiving) effect(ctx context.Context, id string) error {
	if r.Effects != "" {
		return post(ctx, r.Effects, id)
	}
	tx, err := inbox.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "insert into effects values ($1)", id)
	return err
}

// hasty is a store with short leases and pauses, so that what a dead process had is soon another's.
type hasty struct {
	store.Store

	lease time.Duration
}

func (h hasty) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	c.Lease = h.lease
	return h.Store.Claim(ctx, c)
}

// BeginSeen has a lease that ends before that of the delivery.
func (h hasty) BeginSeen(ctx context.Context, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
	b.Lease = h.lease / 2
	return h.Store.BeginSeen(ctx, scope, id, b)
}

func (h hasty) Finish(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	for i := range results {
		results[i].Delay = min(results[i].Delay, h.lease/4)
	}
	return h.Store.Finish(ctx, results)
}

func (h hasty) BeginOnce(ctx context.Context, scope, id string, keep time.Duration) (*sql.Tx, bool, error) {
	st, ok := h.Store.(*sqlstore.Store)
	if !ok {
		return nil, false, errors.New("the store is not in SQL")
	}
	return st.BeginOnce(ctx, scope, id, keep)
}
