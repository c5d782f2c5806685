package webhooktest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const merchant = "merchant_42"

// trial is a test whose failure another test examines. It has those methods of a
// testing.TB that the kit and require use.
type trial struct {
	testing.TB // nil: anything else panics

	ctx      context.Context //nolint:containedctx // as in testing.T
	cleanups []func()

	mu         sync.Mutex
	log, fatal string
}

// run runs a test to its end, cleanups included.
func run(ctx context.Context, test func(t *trial)) *trial {
	t := &trial{ctx: ctx}
	done := make(chan struct{})
	go func() { // FailNow ends it.
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(t.cleanups) {
				f()
			}
		}()
		test(t)
	}()
	<-done
	return t
}

// try runs a test and returns how it failed, or "".
func try(ctx context.Context, test func(t *trial)) string { return run(ctx, test).fatal }

func (*trial) Helper()                    {}
func (t *trial) Context() context.Context { return t.ctx }
func (t *trial) Cleanup(f func())         { t.cleanups = append(t.cleanups, f) }
func (*trial) FailNow()                   { runtime.Goexit() }

func (t *trial) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fatal += fmt.Sprintf(format, args...)
}

func (t *trial) Logf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log += fmt.Sprintf(format, args...)
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	t.FailNow()
}

func (t *trial) Fatal(args ...any) { t.Fatalf("%s", fmt.Sprint(args...)) }

// sender is a service and a dispatcher that runs until the test ends.
type sender struct {
	t   testing.TB
	svc *webhook.Service
}

// newSender starts a sender whose dispatcher has the given options.
func newSender(tb testing.TB, opts webhook.DispatcherOptions) *sender {
	tb.Helper()
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: opts.Egress})
	require.NoError(tb, err)
	disp, err := webhook.NewDispatcher(st, &opts)
	require.NoError(tb, err)
	dispatch(tb, disp)
	return &sender{tb, svc}
}

func (s *sender) register(ep *webhooktest.Endpoint) webhook.Registered {
	s.t.Helper()
	reg, err := s.svc.Register(s.t.Context(), merchant, webhook.Registration{URL: ep.URL(), Events: []string{"document.created"}})
	require.NoError(s.t, err)
	return reg
}

func (s *sender) publish() webhook.Publication {
	s.t.Helper()
	p, err := s.svc.Publish(s.t.Context(), merchant, event.New(event.DocumentCreated{DocumentID: "doc_1", Title: "Café <b>"}))
	require.NoError(s.t, err)
	return p
}

// quick is a schedule for tests that wait in real time.
var quick = retry.Policy{Delays: []time.Duration{time.Millisecond}, MaxAttempts: 4}

func requireNoSecret(t *testing.T, secret, text string) {
	t.Helper()
	for i := 0; i+8 <= len(secret); i++ {
		require.False(t, strings.Contains(text, secret[i:i+8]))
	}
}
