package portal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/portal"
	"github.com/rag-assistant/webhooks/webhook/words"
)

func TestTimesAndNumbers(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "just now", -time.Second: "just now", 30 * time.Second: "30 seconds ago", time.Minute: "1 minute ago",
		-90 * time.Second: "in 1 minute", 47 * time.Hour: "47 hours ago", 72 * time.Hour: "3 days ago",
	} {
		require.Equal(t, want, portal.Ago(d))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		require.Equal(t, want, portal.Count(n))
	}
	require.Equal(t, "34 ms", portal.Took(34*time.Millisecond))
	require.Equal(t, "1.5 s", portal.Took(1500*time.Millisecond))
	require.Equal(t, "90.0 s", portal.Took(90*time.Second))
	require.Equal(t, "5 min", portal.Took(5*time.Minute))
	require.Equal(t, "28.0 h", portal.Took(28*time.Hour))
	require.Equal(t, "whdel_1", portal.Short("whdel_1"))
	require.Equal(t, "whdel_123…abcdef", portal.Short("whdel_123456789abcdef"))
}

// A text within a text is said, and escaped.
func TestTextsWithinTexts(t *testing.T) {
	t.Parallel()
	w, err := words.New(&words.Options{Texts: map[string]string{"%s is there twice": "twice <%s>"}})
	require.NoError(t, err)
	inner := words.Message{Text: "%s is there twice", Args: []any{"a"}}
	require.Equal(t, "x: twice &lt;a&gt;", string(portal.Text(w, "%s: %s", "x", inner)))
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for want, c := range map[string][2]int{
		"100%": {120, 120}, "0%": {0, 120}, "99.9%": {9999, 10_000}, "50%": {1, 2}, "33.3%": {1, 3}, "0.1%": {1, 1000},
	} {
		require.Equal(t, want, portal.Percent(c[0], c[1]))
	}
}

// Each code has words of its own.
func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	require.Zero(t, portal.Explain("", 200))
	ours := portal.Explain("no_such_code", 0)
	seen := map[portal.Cause]webhook.Code{}
	for _, code := range []webhook.Code{
		webhook.CodeTimeout, webhook.CodeDNS, webhook.CodeBlockedAddress, webhook.CodeConnect, webhook.CodeConnection,
		webhook.CodeTLS, webhook.CodeBadResponse, webhook.CodeRedirect, webhook.CodeWebhookDisabled, webhook.CodeCancelled, webhook.CodeDamaged, webhook.CodeSecretLost,
	} {
		c := portal.Explain(code, 302)
		require.NotEqual(t, ours, c, code)
		require.Empty(t, seen[c])
		seen[c] = code
		require.NotEmpty(t, c.Remedy)
	}
	require.Equal(t, ours, portal.Explain(webhook.CodeInternal, 0))
	for _, status := range []int{401, 403, 404, 405, 410, 413, 415, 429, 400, 500, 599} {
		c := portal.Explain(webhook.CodeStatus, status)
		require.Contains(t, c.What, fmt.Sprint(status))
		require.NotEmpty(t, c.Remedy)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	of := func(statuses string) []webhook.Delivery {
		var out []webhook.Delivery
		for _, s := range statuses {
			out = append(out, webhook.Delivery{Status: map[rune]webhook.DeliveryStatus{
				's': webhook.DeliverySucceeded, 'f': webhook.DeliveryFailed, 'p': webhook.DeliveryPending,
			}[s]})
		}
		return out
	}
	none := portal.NewHealth(nil, 10)
	require.Len(t, none.Bars, 10)
	require.Equal(t, "No deliveries yet", none.Label)
	require.Empty(t, none.Rate)
	require.Equal(t, "The newest 2 deliveries: still pending", portal.NewHealth(of("pp"), 10).Label)

	few := portal.NewHealth(of("fs"), 4) // The newest first: it is the last bar.
	require.Equal(t, "50%", few.Rate)
	require.False(t, few.Good)
	require.Equal(t, []int{0, 0, 1, 1}, []int{few.Bars[0].Deliveries, few.Bars[1].Deliveries, few.Bars[2].Deliveries, few.Bars[3].Deliveries})
	require.Positive(t, few.Bars[3].Failed)
	require.Zero(t, few.Bars[2].Failed)

	tests := of("ffffs")
	for i := range 4 {
		tests[i].Test = true
	}
	require.Equal(t, "100%", portal.NewHealth(tests, 4).Rate, "tests are no deliveries of events")
	many := portal.NewHealth(of(strings.Repeat("s", 99)+"f"), 10)
	require.True(t, many.Good)
	require.Equal(t, "99% of the last 100 deliveries succeeded", many.Label)
	require.Positive(t, many.Bars[0].Failed, "one of ten can be seen")
	for _, h := range []int{1, 3, 7, 100, 101, 119} {
		for _, b := range portal.NewHealth(of(strings.Repeat("spf", h)), 10).Bars {
			if b.Deliveries > 0 {
				require.Equal(t, 28, b.OK+b.Failed+b.Pending)
				require.GreaterOrEqual(t, b.OK, 0)
			}
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	joined, kinds := portal.JoinedTokens(`{"a\"b":"x:y","n":-1.5e3,"t":[true,null,{}]}`)
	require.Equal(t, "{\n  \"a\\\"b\": \"x:y\",\n  \"n\": -1.5e3,\n  \"t\": [\n    true,\n    null,\n    {}\n  ]\n}", joined)
	require.Equal(t, "kskn"+"knn", kinds)
	for _, text := range []string{`no json <b>`, `"`, `{"a":`} {
		joined, _ = portal.JoinedTokens(text)
		require.Equal(t, text, joined)
	}
	large := `{"a":[` + strings.Repeat(`1,`, 40_000) + `1]}`
	_, kinds = portal.JoinedTokens(large)
	require.Empty(t, kinds, "too large for colours")
}

func TestAccents(t *testing.T) {
	t.Parallel()
	css, err := portal.Accents("#4f46e5", "#a5b4fc")
	require.NoError(t, err)
	require.Contains(t, css, "--accent:#4f46e5;--on-accent:#ffffff")
	for _, c := range [][2]string{{"#4f46e5", "#333333"}, {"#cccccc", "#a5b4fc"}, {"4f46e5", "#a5b4fc"}, {"#4f46e5;}", "#a5b4fc"}, {"#abc", "#a5b4fc"}} {
		_, err := portal.Accents(c[0], c[1])
		require.Error(t, err, c)
	}
}
