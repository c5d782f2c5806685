package webhook_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
)

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	reg := harness.Register(t, svc, harness.Merchant, "document.created")
	long := strings.Repeat("é", 513)
	for name, c := range map[string]struct {
		in   webhook.Registration
		want []string // fields at fault
	}{
		"long description":      {webhook.Registration{Description: long}, []string{"description"}},
		"line in description":   {webhook.Registration{Description: "a\nb"}, []string{"description"}},
		"NEL in description":    {webhook.Registration{Description: "a\u0085b"}, []string{"description"}},
		"DEL in description":    {webhook.Registration{Description: "a\x7f"}, []string{"description"}},
		"description not UTF-8": {webhook.Registration{Description: "a\xff"}, []string{"description"}},
		"a rate too low":        {webhook.Registration{RateLimit: -1}, []string{"rateLimit"}},
		"a rate too high":       {webhook.Registration{RateLimit: 10_001}, []string{"rateLimit"}},
		"too much metadata":     {webhook.Registration{Metadata: harness.Many(21)}, []string{"metadata"}},
		"empty key":             {webhook.Registration{Metadata: map[string]string{"": "a"}}, []string{`metadata[""]`}},
		"long key":              {webhook.Registration{Metadata: map[string]string{strings.Repeat("k", 65): "a"}}, []string{`metadata["` + strings.Repeat("k", 64) + `"…]`}},
		"key not UTF-8":         {webhook.Registration{Metadata: map[string]string{"k\xff": "a"}}, []string{`metadata["k\xff"]`}},
		"long metadata":         {webhook.Registration{Metadata: map[string]string{"key": long, "other": "x"}}, []string{"metadata.key"}},
		"metadata not UTF-8":    {webhook.Registration{Metadata: map[string]string{"a b": "\xff"}}, []string{`metadata["a b"]`}},
		"too many headers":      {webhook.Registration{Headers: harness.Many(21)}, []string{"headers"}},
		"a header twice":        {webhook.Registration{Headers: map[string]string{"X-A": "1", "x-a": "2"}}, []string{"headers.x-a"}},
		"every fault in one list": {
			webhook.Registration{
				Description: long, RateLimit: 1e9, Metadata: map[string]string{"b": long, "a": long},
				Headers: map[string]string{"Host": "", "X-B": " x", "X-A": "x"},
			},
			[]string{"description", "metadata.a", "metadata.b", "headers.Host", "headers.X-B", "rateLimit"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := c.in
			in.URL, in.Events = "https://example.com/", []string{"document.created"}
			_, err := svc.Register(t.Context(), harness.Merchant, in)
			got := fields(t, err)
			slices.Sort(c.want)
			require.Equal(t, c.want, slices.Sorted(maps.Keys(got)))
			u := webhook.Update{Description: &in.Description, Metadata: in.Metadata, Headers: in.Headers, RateLimit: &in.RateLimit}
			_, err = svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, u)
			require.Equal(t, c.want, slices.Sorted(maps.Keys(fields(t, err))))
		})
	}
}

func TestHeaderNames(t *testing.T) {
	t.Parallel()
	svc, _ := harness.NewService(t, nil)
	refused := func(name, value string) bool {
		in := harness.Registration()
		in.Headers = webhook.Headers{name: value}
		_, err := svc.Register(t.Context(), "merchant_of_"+fmt.Sprintf("%x", name)[:min(40, 2*len(name))], in)
		if err == nil {
			return false
		}
		got := fields(t, err)
		require.Len(t, got, 1, name)
		for field, message := range got {
			require.True(t, strings.HasPrefix(field, "headers"), field)
			require.NotContains(t, message, "VALUE", "no value in an error")
		}
		return true
	}
	for _, name := range []string{
		"Authorization", "authorization", "X-Api-Key", "x-api-key", "X_API_KEY", "Cookie", "Accept", "Tenant", "a", "1",
		"!#$%&'*+-.^_`|~", strings.Repeat("x", 64), "X-Webhooks", "Webhook", "Dates", "Hosting", "Teams", "My-Content-Type",
	} {
		require.False(t, refused(name, "VALUE"), name)
	}
	for _, name := range []string{
		// No tokens.
		"", "X A", "X-A:", ":authority", "X-Ä", "X-A\r\nX-B", "X\x00", "(x)", "X,Y", "X/Y", "[x]", "X=Y", strings.Repeat("x", 65), "X-\xff",
		// The sender's, however they are written.
		"Content-Type", "content-type", "CONTENT-TYPE", "User-Agent", "X-Webhook-Signature", "X-Webhook-ID", "X-Webhook-Anything",
		"webhook-id", "Webhook-Signature", "webhook-anything", "X_Webhook_Signature", "X.Webhook.ID", "webhook_id", "USER_AGENT",
		// HTTP's.
		"Host", "host", "Content-Length", "content-length", "Content_Length", "Content-Encoding", "Content-Range", "Transfer-Encoding",
		"transfer-encoding", "Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Upgrade", "TE", "te", "Trailer",
		"Expect", "Accept-Encoding", "Date", "HTTP2-Settings",
		// What net/http acts upon.
		"Idempotency-Key", "idempotency-key", "X-Idempotency-Key", "X_Idempotency_Key",
		// What proxies tell.
		"Forwarded", "X-Forwarded-For", "x-forwarded-host", "X-Real-IP", "Via", "CF-Connecting-IP", "X-HTTP-Method-Override",
		"Traceparent", "tracestate", "Baggage",
	} {
		require.True(t, refused(name, "VALUE"), name)
	}
	for _, value := range []string{"VALUE", "V", "a b", "a\tb", `"!~`, "Bearer VALUE", strings.Repeat("v", 1024)} {
		require.False(t, refused("X-A", value), value)
	}
	for _, value := range []string{
		"", " ", "\t", " VALUE", "VALUE ", "VALUE\t", "VALUE\r\nX-Evil: 1", "VALUE\n", "VALUE\x00", "VALUE\x7f", "VALUEé", "VALUE\xff",
		strings.Repeat("v", 1025),
	} {
		require.True(t, refused("X-A", value), value)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	svc, st := harness.NewService(t, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
	in := harness.Registration()
	in.Description = "Orders — " + strings.Repeat("é", 503)
	in.Metadata = map[string]string{strings.Repeat("é", 64): strings.Repeat("é", 512), "empty": "", "lines": "a\nb"}
	in.Headers = webhook.Headers{"x-tenant": "42", "Authorization": "Bearer abc"}
	in.RateLimit = webhook.MaxRateLimit
	reg, err := svc.Register(t.Context(), harness.Merchant, in)
	require.NoError(t, err)
	id := reg.Webhook.ID
	read := func() webhook.Webhook {
		w, err := svc.Webhook(t.Context(), harness.Merchant, id)
		require.NoError(t, err)
		return w
	}
	for _, w := range []webhook.Webhook{reg.Webhook, read()} {
		require.Equal(t, in.Description, w.Description)
		require.Equal(t, in.Metadata, w.Metadata)
		require.Equal(t, []string{"Authorization", "x-tenant"}, w.HeaderNames)
		require.Equal(t, in.RateLimit, w.RateLimit)
	}

	before := read()
	u := "https://example.com/new"
	_, err = svc.Update(t.Context(), harness.Merchant, id, webhook.Update{URL: &u})
	require.NoError(t, err)
	after := read()
	before.URL, before.Version, before.UpdatedAt = u, after.Version, after.UpdatedAt
	require.Equal(t, before, after, "what is nil stays")

	w, err := svc.Update(t.Context(), harness.Merchant, id, webhook.Update{
		Metadata: map[string]string{"a": "b"}, Headers: webhook.Headers{"X-New": "1"}, RateLimit: new(5),
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "b"}, w.Metadata)
	require.Equal(t, []string{"X-New"}, w.HeaderNames)
	require.Equal(t, 5, w.RateLimit)

	w, err = svc.Update(t.Context(), harness.Merchant, id, webhook.Update{
		Description: new(""), Metadata: map[string]string{}, Headers: webhook.Headers{}, RateLimit: new(0),
	})
	require.NoError(t, err)
	require.Empty(t, w.Description)
	require.Empty(t, w.Metadata)
	require.Empty(t, w.HeaderNames)
	require.Zero(t, w.RateLimit)
	kept, err := st.Webhook(t.Context(), harness.Merchant, id)
	require.NoError(t, err)
	require.Empty(t, kept.Headers, "nothing is sealed where there is nothing")
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		in := harness.Registration()
		in.RateLimit = 2
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		r.Another(webhook.DispatcherOptions{}) // The rate is that of both.
		for range 6 {
			r.Publish()
		}
		harness.Pass(10 * time.Second)
		var at []time.Duration
		for _, c := range r.Endpoint.Seen() {
			at = append(at, r.Since(c.At).Round(time.Millisecond))
		}
		const half = 500 * time.Millisecond
		require.Equal(t, []time.Duration{0, 0, half, 2 * half, 3 * half, 4 * half}, at)
		list, err := r.Svc.Deliveries(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.DeliveryQuery{Limit: 10})
		require.NoError(t, err)
		for _, d := range list.Deliveries {
			require.Equal(t, webhook.DeliverySucceeded, d.Status)
			require.Equal(t, 1, d.Attempts)
			require.Zero(t, d.Reclaims)
		}
		r.Close()
	})
}
