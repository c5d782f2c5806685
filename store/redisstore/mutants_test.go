//go:build !race

package redisstore_test

import (
	"hash/fnv"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// Variables for the process that plays a mutant.
const (
	mutantVariable = "WEBHOOK_TEST_MUTANT"
	addrVariable   = "WEBHOOK_TEST_MUTANT_ADDR"
)

// allVariable asks for all mutants.
const allVariable = "WEBHOOK_TEST_MUTANTS"

// played says whether a mutant's turn has come: that of one in four, other ones with each
// change of any of them. `make mutants` plays all.
func played(name string) bool {
	if os.Getenv(allVariable) != "" {
		return true
	}
	h := fnv.New32a()
	for _, m := range mutants {
		_, _ = h.Write([]byte(m.before + m.after))
	}
	_, _ = h.Write([]byte(name))
	return h.Sum32()%4 == 0
}

// TestMutants shows that the conformance suite sees each fault. Of the suite, a mutant
// plays what is known to find it.
func TestMutants(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	self, err := os.Executable()
	require.NoError(t, err)
	for _, m := range mutants {
		if !played(m.name) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			finder := "^" + strings.ReplaceAll("TestMutant/"+m.by, "/", "$/^") + "$"
			cmd := exec.CommandContext(t.Context(), self, "-test.run", finder, "-test.v", "-test.timeout", "5m")
			cmd.Env = append(os.Environ(), mutantVariable+"="+m.name, addrVariable+"="+server.Addr)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "nothing noticed the fault")
			require.Contains(t, string(out), "broken promise")
		})
	}
}

// TestMutant is what the processes of TestMutants run. It ends with the first failure.
func TestMutant(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		if m.name != os.Getenv(mutantVariable) {
			continue
		}
		client := redis.NewClient(&redis.Options{Addr: os.Getenv(addrVariable), ContextTimeoutEnabled: true})
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		open := func(t *testing.T) (*redisstore.Store, *clock) {
			t.Helper()
			t.Cleanup(func() {
				if t.Failed() {
					os.Exit(1)
				}
			})
			c := newClock()
			st, err := redisstore.OpenMutant(t.Context(), client, &redisstore.Options{Prefix: redistest.Prefix(), Now: c.now}, m.script, m.before, m.after)
			require.NoError(t, err)
			return st, c
		}
		if m.by == repeated {
			t.Run(repeated, func(t *testing.T) {
				t.Parallel()
				client.AddHook(losing(1, new(atomic.Int64)))
				st, c := open(t)
				story(t, st, st, c)
			})
			continue
		}
		storetest.Run(t, func(t *testing.T) storetest.Harness {
			t.Helper()
			st, c := open(t)
			return storetest.Harness{Store: st, Advance: c.advance, Audit: st.Audit}
		})
	}
}
