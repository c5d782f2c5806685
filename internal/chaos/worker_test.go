//go:build chaos

package chaos_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
)

const (
	workerVariable = "WEBHOOK_CHAOS_WORKER" // set in a worker: the address of its Redis

	concurrency    = 32
	attemptTimeout = 500 * time.Millisecond
	lease          = 2 * time.Second
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(workerVariable); addr != "" {
		if err := work(addr); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// onThisMachine are the rules for a receiver on the loopback interface.
func onThisMachine() *egress.Options {
	return &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
}

func keys() []webhook.SecretKey { return []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}} }

func openStore(addr string) (*redisstore.Store, *redis.Client, error) {
	client := redis.NewClient(&redis.Options{
		Addr: addr, ContextTimeoutEnabled: true, DialTimeout: time.Second, ReadTimeout: 2 * time.Second,
	})
	st, err := redisstore.New(client, nil)
	return st, client, err
}

// work is a worker process: a dispatcher until SIGTERM.
func work(addr string) error {
	st, client, err := openStore(addr)
	if err != nil {
		return err
	}
	defer client.Close()
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		Concurrency: concurrency, PerWebhook: concurrency, AttemptTimeout: attemptTimeout, Lease: lease,
		Egress: onThisMachine(), SecretKeys: keys(),
		Retry: retry.Policy{
			Delays: []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}, MaxAttempts: 50,
		},
		NeverDisable: true, MaxReclaims: 100,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return disp.Run(ctx)
}

// worker is a worker process as the test sees it.
type worker struct {
	cmd  *exec.Cmd
	done chan error
}

func startWorker(t *testing.T, addr string) *worker {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+addr)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	w := &worker{cmd: cmd, done: make(chan error, 1)}
	go func() { w.done <- cmd.Wait() }()
	return w
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
	require.NoError(t, <-w.done, "a worker ends with 0")
}

// megabytes is the memory that the worker holds.
func (w *worker) megabytes(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(status), "VmRSS:")
	require.True(t, ok)
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kilobytes >> 10
}
