package pgxstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rag-assistant/webhooks/store/sqlstore"
)

const (
	minPause = 100 * time.Millisecond
	maxPause = 30 * time.Second
	// connectTimeout bounds connecting, and each statement on the connection.
	connectTimeout = 10 * time.Second
)

// ListenOptions configures [Listen].
type ListenOptions struct {
	// Logger is told when listening fails, and when it goes on. Defaults to none.
	Logger *slog.Logger

	// CheckInterval is after how long without a message the connection is tried, so that
	// one that was cut off without a word is replaced. Defaults to 30 seconds.
	CheckInterval time.Duration
}

func (o *ListenOptions) withDefaults() ListenOptions {
	var out ListenOptions
	if o != nil {
		out = *o
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.CheckInterval <= 0 {
		out.CheckInterval = 30 * time.Second
	}
	return out
}

// ErrPooler says that a connection goes through a pooler, which would lose what it listens for.
var ErrPooler = errors.New("the connection goes through a pooler, such as PgBouncer: give Listen a pool with the server's own address")

// Listen returns what [sqlstore.Options].Listen takes. It opens a connection by way of the pool,
// with its hooks, and takes it out of there, so that it does not count in MaxConns. One that
// breaks is replaced, after pauses of a tenth of a second to 30 seconds. Meanwhile the store's
// poll goes on. It opens nothing before Watch is called, and the pool is not closed. A nil o is
// the default.
func Listen(pool *pgxpool.Pool, o *ListenOptions) sqlstore.ListenFunc {
	l := &listener{pool, o.withDefaults()}
	return l.run
}

type listener struct {
	pool *pgxpool.Pool
	opts ListenOptions
}

func (l *listener) run(ctx context.Context, channel string, heard func(payload string)) error {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		began := time.Now()
		err := l.listen(ctx, channel, heard)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // It was to end.
		}
		if time.Since(began) > maxPause {
			pause = minPause
		}
		l.opts.Logger.WarnContext(ctx, "webhook store does not listen", slog.Any("error", err), slog.String("channel", channel), slog.Duration("pause", pause))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause/2)): //nolint:gosec // So that not all come back at once.
		}
	}
}

// listen listens on one connection until that breaks.
func (l *listener) listen(ctx context.Context, channel string, heard func(payload string)) error {
	conn, err := l.connect(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // The server notices anyhow.
	}()
	if err := l.begin(ctx, conn, channel); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	l.opts.Logger.InfoContext(ctx, "webhook store listens", slog.String("channel", channel))
	heard("")
	for {
		if err := l.wait(ctx, conn, channel, heard); err != nil {
			return err
		}
	}
}

// connect takes a connection out of the pool.
func (l *listener) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return c.Hijack(), nil
}

// begin listens, and holds the lock by which others see it. A pooler is known by the
// process id that it makes up.
func (l *listener) begin(ctx context.Context, conn *pgx.Conn, channel string) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var pid uint32
	if err := conn.QueryRow(ctx, "select pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid); err != nil {
		return err
	}
	if pid != conn.PgConn().PID() {
		return ErrPooler
	}
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "select pg_advisory_lock_shared(hashtextextended($1, 7313))", pgx.QueryExecModeExec, channel)
	return err
}

// wait waits for one message, or tries the connection if there is none for long.
func (l *listener) wait(ctx context.Context, conn *pgx.Conn, channel string, heard func(payload string)) error {
	wait, cancel := context.WithTimeout(ctx, l.opts.CheckInterval)
	defer cancel()
	n, err := conn.WaitForNotification(wait)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case pgconn.Timeout(err):
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		return conn.Ping(ctx)
	case err != nil:
		return err
	case n == nil: // The pool's own OnNotification has it.
		heard("")
	case n.Channel == channel: // The pool's hooks may listen to others.
		heard(n.Payload)
	}
	return nil
}
