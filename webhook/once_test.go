package webhook_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

func over(t *testing.T, st webhook.ServiceStore) *webhook.Service {
	t.Helper()
	s, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
	require.NoError(t, err)
	return s
}

func TestOnce(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		s, other := over(t, st), over(t, st)
		calls := 0
		do := func(context.Context) (string, error) {
			calls++
			return "whk_1", nil
		}
		_, _, err := s.Once(t.Context(), harness.Merchant, "k1", nil, func(context.Context) (string, error) {
			return "", errors.New("no")
		})
		require.EqualError(t, err, "no")

		note, again, err := s.Once(t.Context(), harness.Merchant, "k1", nil, do)
		require.NoError(t, err, "what failed can be tried again")
		require.False(t, again)
		require.Equal(t, "whk_1", note)

		note, again, err = other.Once(t.Context(), harness.Merchant, "k1", nil, do)
		require.NoError(t, err)
		require.True(t, again, "another process knows of it")
		require.Equal(t, "whk_1", note)
		require.Equal(t, 1, calls)

		for _, c := range [][2]string{{harness.Merchant, "k2"}, {"merchant_43", "k1"}} {
			_, again, err = s.Once(t.Context(), c[0], c[1], nil, do)
			require.NoError(t, err)
			require.False(t, again, "%v is another key", c)
		}
		_, _, err = s.Once(t.Context(), "no merchant", "k1", nil, do)
		require.ErrorIs(t, err, webhook.ErrInvalid)
		for _, o := range []webhook.OnceOptions{{Time: -1}, {Age: -1}} {
			_, _, err = s.Once(t.Context(), harness.Merchant, "k3", &o, do)
			require.ErrorIs(t, err, webhook.ErrInvalid)
		}
	})
}

func TestOnceWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		s := over(t, st)
		begun, end := make(chan struct{}), make(chan struct{})
		go func() {
			_, _, _ = s.Once(t.Context(), harness.Merchant, "k1", nil, func(context.Context) (string, error) {
				close(begun)
				<-end
				return "first", nil
			})
		}()
		<-begun
		never := func(context.Context) (string, error) { panic("twice") }
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, _, err := s.Once(short, harness.Merchant, "k1", nil, never)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		close(end)
		note, again, err := s.Once(t.Context(), harness.Merchant, "k1", nil, never)
		require.NoError(t, err)
		require.True(t, again)
		require.Equal(t, "first", note)
	})
}

// A caller that hangs up, or a panic, leaves nothing half done.
func TestOnceEndsWhatItBegan(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		s := over(t, st)
		ctx, hangUp := context.WithCancel(t.Context())
		note, again, err := s.Once(ctx, harness.Merchant, "k1", nil, func(ctx context.Context) (string, error) {
			hangUp()
			return "done", ctx.Err()
		})
		require.NoError(t, err)
		require.False(t, again)
		require.Equal(t, "done", note)

		require.Panics(t, func() {
			_, _, _ = s.Once(t.Context(), harness.Merchant, "k2", nil, func(context.Context) (string, error) { panic("no") })
		})
		_, again, err = s.Once(t.Context(), harness.Merchant, "k2", nil, func(context.Context) (string, error) { return "", nil })
		require.NoError(t, err)
		require.False(t, again)
	})
}

func TestReserveTestsChecksItsNumber(t *testing.T) {
	t.Parallel()
	s, _ := harness.NewService(t, nil)
	one := harness.Register(t, s, harness.Merchant, "*").Webhook.ID
	for _, n := range []int{0, 61} {
		_, err := s.ReserveTests(t.Context(), harness.Merchant, one, 1, n)
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid)
	}
	_, err := s.ReserveTests(t.Context(), harness.Merchant, "whk_unknown", 1, 5)
	require.ErrorIs(t, err, webhook.ErrNotFound)
	wait, err := s.ReserveTests(t.Context(), harness.Merchant, one, 1, 1)
	require.NoError(t, err)
	require.Zero(t, wait)
	wait, err = s.ReserveTests(t.Context(), harness.Merchant, one, 1, 1)
	require.NoError(t, err)
	require.Positive(t, wait)
}

// What is not enough is not taken.
func TestReserveTestsTakesAllOrNone(t *testing.T) {
	t.Parallel()
	s, _ := harness.NewService(t, nil)
	one := harness.Register(t, s, harness.Merchant, "*").Webhook.ID
	reserve := func(n int) time.Duration {
		t.Helper()
		wait, err := s.ReserveTests(t.Context(), harness.Merchant, one, n, 5)
		require.NoError(t, err)
		return wait
	}
	require.Zero(t, reserve(3))
	require.Positive(t, reserve(3))
	require.Zero(t, reserve(1))
	require.Zero(t, reserve(1))
	require.Positive(t, reserve(1))
}

func TestOnceOptions(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, st store.Store) {
		t.Helper()
		s := over(t, st)
		never := func(context.Context) (string, error) { panic("twice") }
		first := &webhook.OnceOptions{Fingerprint: "one", NoWait: true}
		_, _, err := s.Once(t.Context(), harness.Merchant, "k1", first, func(ctx context.Context) (string, error) {
			_, _, err := s.Once(ctx, harness.Merchant, "k1", first, never)
			require.ErrorIs(t, err, webhook.ErrInProgress)
			ends, bounded := ctx.Deadline()
			require.True(t, bounded)
			require.WithinDuration(t, time.Now().Add(30*time.Second), ends, 10*time.Second)
			return "first", nil
		})
		require.NoError(t, err)
		value, again, err := s.Once(t.Context(), harness.Merchant, "k1", first, never)
		require.NoError(t, err)
		require.True(t, again)
		require.Equal(t, "first", value)
		_, _, err = s.Once(t.Context(), harness.Merchant, "k1", &webhook.OnceOptions{Fingerprint: "two"}, never)
		require.ErrorIs(t, err, webhook.ErrConflict)
	})
}

// lostCommit is a store that goes away before a value is kept.
type lostCommit struct{ *memstore.Store }

func (lostCommit) CommitSeen(context.Context, string, string, string, []byte, time.Duration) error {
	return errDown
}

func TestOnceReturnsWhatCouldNotBeKept(t *testing.T) {
	t.Parallel()
	s := over(t, lostCommit{memstore.New(nil)})
	value, again, err := s.Once(t.Context(), harness.Merchant, "k1", nil, func(context.Context) (string, error) { return "done", nil })
	require.ErrorIs(t, err, errDown)
	require.False(t, again)
	require.Equal(t, "done", value)
}
