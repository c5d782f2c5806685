package receiver_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// perTenant finds tenants by the path. Those named "away" cannot be looked up, and others than
// a and b are not known.
func perTenant(t *testing.T) verifier.Finder {
	t.Helper()
	v, err := verifier.New(secret, nil)
	require.NoError(t, err)
	other, err := verifier.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", nil)
	require.NoError(t, err)
	return func(r *http.Request) (string, verifier.Checker, error) {
		switch tenant := r.PathValue("tenant"); tenant {
		case "a", "b":
			return tenant, v, nil
		case "other":
			return tenant, other, nil
		case "away":
			return "", nil, errors.New("postgres://10.0.0.7 said no")
		case "nothing":
			return tenant, nil, nil
		case "nobody":
			return "", v, nil
		case "long":
			return tenant, repeater{Checker: v, period: 30 * 24 * time.Hour}, nil
		}
		return "", nil, verifier.ErrUnknownTenant
	}
}

// repeater is a sender who may repeat an event for a time.
type repeater struct {
	verifier.Checker

	period time.Duration
}

func (r repeater) Repeats() time.Duration { return r.period }

func TestTenants(t *testing.T) {
	t.Parallel()
	var lines syncBuffer
	var got []string
	mux := receiver.NewMux()
	mux.Handle("*", func(ctx context.Context, e event.Event) error {
		m, _ := verifier.MessageFromContext(ctx)
		got = append(got, m.Tenant+" "+e.ID)
		return nil
	})
	r, err := receiver.NewForEach(perTenant(t), mux, &receiver.Options{
		Seen: memstore.New(nil), Logger: slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	server := http.NewServeMux()
	server.Handle("/hooks/{tenant}", r)
	to := func(tenant, body string, change func(*http.Request)) *httptest.ResponseRecorder {
		req := signed(t, body)
		req.URL.Path = "/hooks/" + tenant
		if change != nil {
			change(req)
		}
		return serve(server, req)
	}
	for _, tenant := range []string{"a", "b", "a"} {
		require.Equal(t, http.StatusOK, to(tenant, body("evt_1", `{}`), nil).Code)
	}
	require.Equal(t, []string{"a evt_1", "b evt_1"}, got, "the same id of two tenants is two events")
	require.Contains(t, lines.String(), "tenant=a")

	for _, tenant := range []string{"away", "nothing", "nobody", "long"} {
		w := to(tenant, body("evt_2", `{}`), nil)
		require.Equal(t, http.StatusServiceUnavailable, w.Code, tenant)
		require.JSONEq(t, `{"error":"unavailable"}`, w.Body.String())
	}
	require.Contains(t, lines.String(), "a Remember of 192h0m0s is shorter than the 720h0m0s")
	require.Len(t, got, 2)

	queue := queued()
	queue.Event.ID, queue.Tenant = "evt_1", "b"
	require.NoError(t, r.Process(t.Context(), queue))
	require.Len(t, got, 2, "a queue's message is the same event")
	queue.Tenant = "c"
	require.NoError(t, r.Process(t.Context(), queue))
	require.Equal(t, "c evt_1", got[2])
}

// TestUnknownTenantsLookLikeWrongSignatures, whatever is sent.
func TestUnknownTenantsLookLikeWrongSignatures(t *testing.T) {
	t.Parallel()
	mux := receiver.NewMux()
	mux.Handle("*", nothing)
	r, err := receiver.NewForEach(perTenant(t), mux, nil)
	require.NoError(t, err)
	server := http.NewServeMux()
	server.Handle("/hooks/{tenant}", r)
	for name, tt := range map[string]struct {
		status int
		body   string
		change func(*http.Request)
	}{
		"a wrong signature":         {401, body("evt_1", `{}`), func(*http.Request) {}},
		"no signature":              {401, body("evt_1", `{}`), func(r *http.Request) { r.Header.Del("Webhook-Signature") }},
		"no body, without a length": {401, "", func(r *http.Request) { r.ContentLength = -1 }},
		"a form":                    {415, "a=1", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }},
		"another method":            {405, body("evt_1", `{}`), func(r *http.Request) { r.Method = http.MethodPut }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := func(tenant string) *httptest.ResponseRecorder {
				req := signed(t, tt.body)
				req.URL.Path = "/hooks/" + tenant
				tt.change(req)
				return serve(server, req)
			}
			known, unknown := to("other"), to("unknown")
			require.Equal(t, tt.status, known.Code)
			require.Equal(t, known.Code, unknown.Code)
			require.Equal(t, known.Body.String(), unknown.Body.String())
			require.Equal(t, known.Header(), unknown.Header())
		})
	}
}

func TestNewForEachWithoutFinder(t *testing.T) {
	t.Parallel()
	mux := receiver.NewMux()
	mux.Handle("*", nothing)
	_, err := receiver.NewForEach(nil, mux, nil)
	require.ErrorContains(t, err, "there is nothing to verify with")
}

// TestRememberIsAsLongAsTheSenderRepeats an event.
func TestRememberIsAsLongAsTheSenderRepeats(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		remember, repeats, kept time.Duration
		fails                   string
	}{
		"lengthens the default":  {0, 30 * day, 30 * day, ""},
		"a default that is long": {0, day, 8 * day, ""},
		"as long":                {day, day, day, ""},
		"unknown":                {time.Hour, 0, time.Hour, ""},
		"shorter":                {time.Hour, day, 0, "receiver: new: a Remember of 1h0m0s is shorter than the 24h0m0s for which the sender may repeat an event"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, ran := noon(), 0
			mux := receiver.NewMux()
			mux.Handle("*", func(context.Context, event.Event) error {
				ran++
				return nil
			})
			r, err := receiver.NewFor(repeater{stranger{}, tt.repeats}, mux, &receiver.Options{
				Seen: memstore.New(&memstore.Options{Now: func() time.Time { return now }}), Remember: tt.remember,
			})
			if tt.fails != "" {
				require.EqualError(t, err, tt.fails)
				return
			}
			require.NoError(t, err)
			for _, want := range []int{1, 1, 2} {
				require.Equal(t, http.StatusOK, post(t, r, body("evt_1", `{}`)).Code)
				require.Equal(t, want, ran)
				now = now.Add(tt.kept / 2)
			}
		})
	}
}

// TestEventsWithoutAnID are told apart by nothing, so none is dropped.
func TestEventsWithoutAnID(t *testing.T) {
	t.Parallel()
	ran := 0
	r := newReceiver(t, &receiver.Options{Seen: memstore.New(nil)}, func(context.Context, event.Event) error {
		ran++
		return nil
	})
	m := queued()
	m.Event.ID = ""
	for range 2 {
		require.NoError(t, r.Process(t.Context(), m))
	}
	require.Equal(t, 2, ran)
}
