package webhook_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// servfail is what Go's resolver says when a name server has failed.
var servfail = &net.DNSError{Err: "server misbehaving", IsTemporary: true}

// TestOutage lets up to an hour pass in which some hosts cannot be reached, with an event for
// each merchant every 30 seconds, and looks at what was counted.
func TestOutage(t *testing.T) {
	t.Parallel()
	unreachable := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}
	for _, tt := range []struct {
		name      string
		merchants int
		perEach   int // webhooks of a merchant
		err       error
		fails     func(merchant int) bool
		minutes   int
		ours      bool // it is an outage of this side; else it is the endpoints'
	}{
		{"the resolver, 50 merchants", 50, 1, servfail, func(int) bool { return true }, 60, true},
		{"the resolver, 3 merchants", 3, 1, servfail, func(int) bool { return true }, 20, true},
		{"the route, 50 merchants", 50, 1, unreachable, func(int) bool { return true }, 20, true},
		{"the resolver, for 40 of 50", 50, 1, servfail, func(m int) bool { return m >= 10 }, 20, true},
		{"one host of 50", 50, 1, servfail, func(m int) bool { return m == 7 }, 20, false},
		{"one host of one", 1, 1, servfail, func(int) bool { return true }, 20, false},
		{"four hosts of 50", 50, 1, servfail, func(m int) bool { return m < 4 }, 20, false},
		{"twenty hosts of one merchant, beside three others", 4, 20, servfail, func(m int) bool { return m == 0 }, 20, false},
		{"two merchants, of whom each host fails", 2, 5, servfail, func(int) bool { return true }, 20, false},
		{"a name that is not there", 50, 1, &net.DNSError{Err: "no such host", IsNotFound: true}, func(int) bool { return true }, 20, false},
		{"connections that are refused", 50, 1, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, func(int) bool { return true }, 20, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logs harness.LockedBuffer
				var away atomic.Bool
				var told, over atomic.Int32
				r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Logger: textLogger(&logs), Observer: webhook.Observer{
					Trouble: func(_ context.Context, i webhook.TroubleInfo) {
						told.Add(1)
						if i.Err == nil {
							over.Add(1)
						}
					},
				}})
				r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
					u, _ := url.Parse(c.URL)
					var merchant int
					_, _ = fmt.Sscanf(u.Hostname(), "m%d-", &merchant)
					if away.Load() && tt.fails(merchant) {
						return harness.Answer{}, tt.err
					}
					return harness.Reply(http.StatusOK, ""), nil
				})
				hooks := map[string][]string{}
				for m := range tt.merchants {
					id := fmt.Sprint("m", m)
					for i := range tt.perEach {
						reg, err := r.Svc.Register(t.Context(), id, webhook.Registration{
							URL: fmt.Sprintf("https://m%d-%d.example.com/", m, i), Events: []string{string(event.TypeDocumentCreated)},
						})
						require.NoError(t, err)
						hooks[id] = append(hooks[id], reg.Webhook.ID)
					}
				}
				away.Store(true)
				for range 2 * tt.minutes {
					for m := range tt.merchants {
						r.PublishFor(fmt.Sprint("m", m))
					}
					harness.Pass(30 * time.Second)
				}
				health := r.Disp.Health(t.Context())
				require.True(t, health.Ready, "it can still take events")
				if tt.fails(0) {
					require.Equal(t, tt.ours, strings.Contains(health.String(), "way to endpoints has failed"), health)
				}
				for m := range tt.merchants {
					for _, id := range hooks[fmt.Sprint("m", m)] {
						w, err := r.Svc.Webhook(t.Context(), fmt.Sprint("m", m), id)
						require.NoError(t, err)
						require.Equal(t, !tt.ours && tt.fails(m), w.Status == webhook.Disabled, "merchant %d: %s", m, w.Status)
					}
				}
				tried := r.Endpoint.Count()
				away.Store(false)
				harness.Pass(time.Minute)
				require.Equal(t, webhook.Health{Ready: true}, r.Disp.Health(t.Context()))
				if tt.ours {
					for id, of := range hooks {
						page, err := r.Svc.Deliveries(t.Context(), id, of[0], webhook.DeliveryQuery{Limit: 1000})
						require.NoError(t, err)
						require.Len(t, page.Deliveries, 2*tt.minutes)
						for _, d := range page.Deliveries {
							require.Equal(t, webhook.DeliverySucceeded, d.Status)
							require.Equal(t, 1, d.Attempts, "what the outage took was no attempt")
						}
					}
				}
				r.Close()
				begins := strings.Count(logs.String(), `msg="webhook failure" in="way to endpoints"`)
				require.Equal(t, tt.ours, begins > 0)
				require.LessOrEqual(t, begins, 61, "a line a minute")
				ends := strings.Count(logs.String(), `msg="webhook failure is over" in="way to endpoints"`)
				require.Equal(t, tt.ours, ends > 0)
				require.LessOrEqual(t, ends, begins)
				require.Equal(t, tt.ours, told.Load() > 0)
				require.Equal(t, told.Load(), 2*over.Load())
				if tt.ours && tt.fails(0) {
					require.EqualValues(t, 2, told.Load(), "it begins once and ends once")
					require.LessOrEqual(t, tried, tt.merchants+tt.minutes*12*3, "few try the way, each five seconds")
				}
			})
		})
	}
}

// TestStopCountsWhatWasKeptBack ends a dispatcher while it holds a result.
func TestStopCountsWhatWasKeptBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) { return harness.Answer{}, servfail })
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		harness.Pass(time.Second)
		require.Zero(t, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Attempts)
		r.Close()
		require.Equal(t, 1, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Attempts)
	})
}

// TestAClockThatIsOff has a store whose time is ten minutes ahead, or behind, and a
// receiver that minds.
func TestAClockThatIsOff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		by     time.Duration
		says   string
		status int
	}{
		{10 * time.Minute, "this machine's clock is 10m0s behind the store's", http.StatusUnauthorized},
		{-10 * time.Minute, "this machine's clock is 10m0s ahead of the store's", http.StatusForbidden},
	} {
		t.Run(tt.by.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { aClockThatIsOff(t, tt.by, tt.says, tt.status) })
		})
	}
}

func aClockThatIsOff(t *testing.T, by time.Duration, says string, status int) {
	t.Helper()
	var logs harness.LockedBuffer
	st := newHooked()
	off := func(by time.Duration) {
		st.change(func() {
			st.claim = func(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
				got, err := st.Store.Claim(ctx, c)
				got.At = got.At.Add(by)
				return got, err
			}
		})
	}
	off(by)
	r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: textLogger(&logs), DisableAfter: 2})
	reg := r.Register(event.TypeDocumentCreated)
	r.Endpoint.Set(harness.Always(status))
	p := r.Publish()
	harness.Pass(time.Hour)
	health := r.Disp.Health(t.Context())
	require.False(t, health.Ready)
	require.Contains(t, health.String(), says)
	require.Equal(t, 60, strings.Count(logs.String(), `msg="webhook failure" in=clock`))
	require.Equal(t, webhook.Active, r.Webhook(reg.Webhook.ID).Status)
	require.Zero(t, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Attempts)

	off(by / 11)
	r.Endpoint.Set(harness.Always(http.StatusOK))
	harness.Pass(3 * time.Minute)
	require.True(t, r.Disp.Health(t.Context()).Ready)
	require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
	require.Equal(t, 1, strings.Count(logs.String(), `msg="webhook failure is over" in=clock`))
	r.Close()
}

// TestTooFewDescriptors lets a process open one socket at a time, of which 50 deliveries
// want one.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs harness.LockedBuffer
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Logger: textLogger(&logs), PerWebhook: 50})
		var open atomic.Int32
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
			defer open.Add(-1)
			if open.Add(1) > 5 {
				return harness.Answer{}, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EMFILE}
			}
			time.Sleep(10 * time.Millisecond)
			return harness.Reply(http.StatusOK, ""), nil
		})
		reg := r.Register(event.TypeDocumentCreated)
		for range 50 {
			r.Publish()
		}
		harness.Pass(5 * time.Second)
		page, err := r.Svc.Deliveries(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.DeliveryQuery{Limit: 100})
		require.NoError(t, err)
		require.Len(t, page.Deliveries, 50)
		for _, d := range page.Deliveries {
			require.Equal(t, webhook.DeliverySucceeded, d.Status)
			require.Equal(t, 1, d.Attempts)
		}
		r.Close()
		require.Contains(t, logs.String(), `in=sockets error="fewer attempts are made at once: egress: post: too many open files"`)
		require.Contains(t, logs.String(), `msg="webhook failure is over" in=sockets`)
		require.Equal(t, 2, strings.Count(logs.String(), "in=sockets"), logs.String())
	})
}
