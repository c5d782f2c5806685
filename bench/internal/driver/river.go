package driver

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// jobs are one River job for each delivery.
type jobs struct {
	pool      *pgxpool.Pool
	client    *river.Client[pgx.Tx]
	addresses addresses
}

type jobArgs struct {
	URL  string `json:"url"`
	Body []byte `json:"body"`
}

// Kind names the job.
func (jobArgs) Kind() string { return "webhook" }

type jobWorker struct {
	river.WorkerDefaults[jobArgs]

	poster *poster
}

// Work posts.
func (w *jobWorker) Work(ctx context.Context, j *river.Job[jobArgs]) error {
	return w.poster.post(ctx, j.Args.URL, j.Args.Body)
}

// riverConns is the size of the pool, enough for its batches.
const riverConns = 16

func newRiver(ctx context.Context, s Spec) (*jobs, error) {
	p, err := newPoster(s)
	if err != nil {
		return nil, err
	}
	conf, err := pgxpool.ParseConfig(s.Postgres)
	if err != nil {
		return nil, err
	}
	conf.MaxConns = riverConns
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &jobWorker{poster: p})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: s.Concurrency}},
		Workers: workers, Logger: slog.New(slog.DiscardHandler),
		FetchCooldown:     time.Millisecond, // the least; 100 ms by default
		FetchPollInterval: 100 * time.Millisecond,
		MaxAttempts:       3,
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &jobs{pool: pool, client: client}, nil
}

// Migrate makes River's tables, or empties them.
func Migrate(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, "TRUNCATE river_job")
	return err
}

// Register implements [Driver].
func (j *jobs) Register(_ context.Context, endpoints []Endpoint) error {
	j.addresses = newAddresses(endpoints)
	return nil
}

// Publish implements [Driver].
func (j *jobs) Publish(ctx context.Context, merchant string, sent []time.Time) error {
	var params []river.InsertManyParams
	for _, at := range sent {
		b := body(at)
		for _, url := range j.addresses[merchant] {
			params = append(params, river.InsertManyParams{Args: jobArgs{url, b}})
		}
	}
	if len(params) == 1 {
		_, err := j.client.Insert(ctx, params[0].Args, nil)
		return err
	}
	_, err := j.client.InsertManyFast(ctx, params)
	return err
}

// Deliver implements [Driver].
func (j *jobs) Deliver(ctx context.Context) error {
	if err := j.client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return j.client.StopAndCancel(stop)
}

// Close implements [Driver].
func (j *jobs) Close() { j.pool.Close() }
