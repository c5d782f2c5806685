package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/bench/internal/driver"
	"github.com/rag-assistant/webhooks/bench/internal/receiver"
	"github.com/rag-assistant/webhooks/bench/internal/servers"
	"github.com/rag-assistant/webhooks/bench/internal/worker"
)

// bench is what all sections share. It starts a server when one is first needed, and
// empties it between cases.
type bench struct {
	options

	log      io.Writer
	receiver *receiver.Remote
	redis    map[string]*servers.Redis // by fsync
	postgres *servers.Postgres
	noPG     error
}

// caseTimeout bounds the wait for one case.
const caseTimeout = 5 * time.Minute

func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(b.log, time.Now().UTC().Format("15:04:05 ")+format+"\n", args...)
}

func (b *bench) close() {
	if b.receiver != nil {
		_ = b.receiver.Close()
	}
	for _, r := range b.redis {
		r.Close()
	}
	if b.postgres != nil {
		b.postgres.Close()
	}
	if b.passing {
		_ = os.RemoveAll(b.dir)
	}
}

// fresh starts the servers that a way needs, unless they run already, empties them, and
// returns the spec for its workers.
func (b *bench) fresh(ctx context.Context, name, fsync string) (driver.Spec, error) {
	s := driver.Spec{Name: name}
	if b.receiver == nil {
		r, err := receiver.Start(ctx)
		if err != nil {
			return s, err
		}
		b.receiver = r
	}
	s.Authority = b.receiver.Authority
	switch name {
	case driver.Redis, driver.Asynq:
		r, err := b.redisServer(ctx, fsync)
		if err != nil {
			return s, err
		}
		s.Redis = []string{r.Addr}
		return s, r.Client.FlushAll(ctx).Err()
	case driver.River:
		if b.postgres == nil && b.noPG == nil {
			b.postgres, b.noPG = servers.StartPostgres(ctx)
		}
		if b.noPG != nil {
			return s, b.noPG
		}
		s.Postgres = b.postgres.URL
		return s, driver.Migrate(ctx, s.Postgres)
	}
	return s, nil
}

// redisServer returns the server with the given fsync policy.
func (b *bench) redisServer(ctx context.Context, fsync string) (*servers.Redis, error) {
	if fsync == "" {
		fsync = servers.Everysec
	}
	if r := b.redis[fsync]; r != nil {
		return r, nil
	}
	r, err := servers.StartRedis(ctx, fsync)
	if err != nil {
		return nil, err
	}
	if b.redis == nil {
		b.redis = map[string]*servers.Redis{}
	}
	b.redis[fsync] = r
	return r, nil
}

// wanted reports whether a row is to be measured.
func (b *bench) wanted(row string) bool { return strings.Contains(row, b.match) }

// missing reports whether a case cannot run for want of an optional server.
func missing(err error) bool { return errors.Is(err, servers.ErrNoPostgres) }

// fleet are the workers of a case.
type fleet []*worker.Remote

func startFleet(ctx context.Context, n int, s driver.Spec) (fleet, error) {
	var f fleet
	for range n {
		w, err := worker.Start(ctx, s)
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		f = append(f, w)
	}
	return f, nil
}

func (f fleet) close() error {
	errs := make([]error, len(f))
	var all sync.WaitGroup
	for i, w := range f {
		all.Go(func() { errs[i] = w.Close() })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (f fleet) deliver() error {
	var errs []error
	for _, w := range f {
		errs = append(errs, w.Deliver())
	}
	return errors.Join(errs...)
}

// used adds up what the workers have used.
func (f fleet) used() (mallocs uint64, cpu time.Duration, err error) {
	for _, w := range f {
		r, err := w.Report()
		if err != nil {
			return 0, 0, err
		}
		mallocs += r.Mallocs
		cpu += r.CPU
	}
	return mallocs, cpu, nil
}

// merchants returns the ids of n merchants.
func merchants(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("merchant_%d", i)
	}
	return out
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// micros is a duration in microseconds, millis in milliseconds.
func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
