//go:build chaos || chaoslong

package chaos_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/sqlstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
)

// workerVariable is set in a worker: its setup as JSON.
const workerVariable = "WEBHOOK_CHAOS_WORKER"

func TestMain(m *testing.M) {
	if text := os.Getenv(workerVariable); text != "" {
		if err := work(text); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// setup is what the processes of a run agree on.
type setup struct {
	Redis    address
	Shards   int
	Postgres string // where the store is, if it is not in Redis
	Workers  int

	Concurrency, PerWebhook int
	AttemptTimeout, Lease   time.Duration
	Delays                  []time.Duration
	MaxAttempts             int
	DisableAfter            int // 0: never

	// Notices is where workers post the ids of notices, unless it is empty.
	Notices string

	Inbox receiving
}

// address is a way to a Redis.
type address struct {
	Addrs    []string
	Sentinel string // the group to ask sentinels at Addrs for
	Cluster  bool
}

func (a address) connect() redis.UniversalClient {
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: a.Addrs, MasterName: a.Sentinel, IsClusterMode: a.Cluster,
		ContextTimeoutEnabled: true, DialTimeout: time.Second, ReadTimeout: 2 * time.Second,
	})
}

// onThisMachine are the rules for a receiver on the loopback interface.
func onThisMachine() *egress.Options {
	return &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
}

func keys() []webhook.SecretKey { return []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}} }

// work is the main function of a worker process. It runs a dispatcher until SIGTERM.
func work(text string) error {
	var s setup
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready")
	if err := s.deliver(ctx); err != nil {
		return err
	}
	var err error
	for range 10 { // Each waits for half a second, and the machine is busy.
		if err = goleak.Find(); err == nil {
			break
		}
	}
	return err
}

func (s setup) deliver(ctx context.Context) error {
	open, end, err := s.store()
	if err != nil {
		return err
	}
	defer end()
	var st store.Store
	for { // A supervisor would start it again until the store is there.
		if st, err = open(ctx); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
	if s.Inbox.Listen != "" {
		return s.receive(ctx, st)
	}
	opts := webhook.DispatcherOptions{
		Concurrency: s.Concurrency, PerWebhook: s.PerWebhook, AttemptTimeout: s.AttemptTimeout, Lease: s.Lease,
		Egress: onThisMachine(), SecretKeys: keys(),
		Retry:        retry.Policy{Delays: s.Delays, MaxAttempts: s.MaxAttempts},
		DisableAfter: s.DisableAfter, NeverDisable: s.DisableAfter == 0, MaxReclaims: 100,
		Retention: webhook.Retention{PerWebhook: 1_000_000},
		Logger:    slog.New(slog.DiscardHandler),
	}
	if s.Notices != "" {
		opts.OnNotice = func(ctx context.Context, n webhook.Notice) error { return post(ctx, s.Notices, n) }
	}
	disp, err := webhook.NewDispatcher(st, &opts)
	if err != nil {
		return err
	}
	return disp.Run(ctx)
}

// store returns what opens the store, and what ends its connections.
func (s setup) store() (open func(context.Context) (store.Store, error), end func(), err error) {
	if s.Postgres != "" {
		db, err := connectPostgres(s.Postgres)
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context) (store.Store, error) { return sqlstore.Open(ctx, db, nil) }, func() { _ = db.Close() }, nil
	}
	client := s.Redis.connect()
	return func(ctx context.Context) (store.Store, error) {
		return redisstore.Open(ctx, client, &redisstore.Options{Shards: s.Shards})
	}, func() { _ = client.Close() }, nil
}

func connectPostgres(url string) (*sql.DB, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	return db, nil
}

// post tells the test something.
func post(ctx context.Context, url string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// worker is a worker process as the test sees it.
type worker struct {
	cmd  *exec.Cmd
	done chan error
}

// startWorker starts a worker and waits until it handles SIGTERM.
func startWorker(t *testing.T, s setup) *worker {
	t.Helper()
	text, err := json.Marshal(s)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // It has ended already, unless the test fails.
	_, err = io.ReadFull(stdout, make([]byte, len("ready")))
	require.NoError(t, err)
	w := &worker{cmd: cmd, done: make(chan error, 1)}
	go func() { w.done <- cmd.Wait() }()
	return w
}

// startWorkers starts as many as the setup says.
func startWorkers(t *testing.T, s setup) []*worker {
	t.Helper()
	crew := make([]*worker, s.Workers)
	for i := range crew {
		crew[i] = startWorker(t, s)
	}
	return crew
}

func (w *worker) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, w.cmd.Process.Signal(s))
}

func (w *worker) kill(t *testing.T) {
	t.Helper()
	w.signal(t, syscall.SIGKILL)
	<-w.done
}

// stop ends the worker in an orderly way and requires that it does.
func (w *worker) stop(t *testing.T) {
	t.Helper()
	w.signal(t, syscall.SIGTERM)
	require.NoError(t, <-w.done, "a worker ends with 0 and leaves no goroutine")
}
