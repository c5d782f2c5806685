package explain_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

func TestCauses(t *testing.T) {
	t.Parallel()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			tt.change(c)
			r := c.explain()
			require.False(t, r.Verified, r)
			require.Equal(t, tt.want, causes(r), r)
			for _, code := range tt.want {
				require.True(t, r.Has(code))
			}
		})
	}
}

// A secret of another sender is the key of both signatures as it stands.
func TestSecretOfAnotherSender(t *testing.T) {
	t.Parallel()
	c := arrived(t, eventBody)
	c.secrets = []string{ownSecret}
	c.set("X-Webhook-Signature", untimed(ownSecret, c.body))
	c.set("webhook-signature", standard(ownSecret, "evt_1."+c.header.Get("webhook-timestamp")+"."+c.body))
	require.True(t, c.explain().Verified, c.explain())
	v, err := verifier.New(ownSecret, c.options())
	require.NoError(t, err)
	_, err = v.Verify(c.header, []byte(c.body))
	require.NoError(t, err)
}

// TestVerifiedIsTheVerifiers: package verifier says the same of all cases.
func TestVerifiedIsTheVerifiers(t *testing.T) {
	t.Parallel()
	c := arrived(t, eventBody)
	svix := func() { *c = *arrived(t, `{"type":"Contact-Created"}`); c.header.Del("X-Webhook-Event"); c.svix() }
	for _, keep := range []func(){svix, func() { *c = *arrived(t, eventBody) }, c.untimedOnly} {
		keep()
		r := c.explain()
		require.True(t, r.Verified, r)
		require.Empty(t, causes(r))
		v, err := verifier.New(secretA, c.options())
		require.NoError(t, err)
		_, err = v.Verify(c.header, []byte(c.body))
		require.NoError(t, err)
	}
	require.Equal(t, "The request verifies.\n", c.explain().String())
}

// TestObservations are findings that are no reason.
func TestObservations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		change   func(c *capture)
		verified bool
		want     explain.Code
	}{
		{"a wrong X-Webhook-Signature beside the right one", func(c *capture) { c.set("X-Webhook-Signature", untimed("x", "y")) }, true, explain.Unmatched},
		{"an older secret in quotes", func(c *capture) { c.secrets = append(c.secrets, `"`+secretB+`"`) }, true, explain.SecretQuoted},
		{"lost characters", func(c *capture) { c.body = strings.ReplaceAll(c.body, "é", "\ufffd") }, false, explain.BodyCharset},
		{"event type", func(c *capture) { c.set("X-Webhook-Event", "x"); c.secrets[0] = secretB }, false, explain.EventType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			tt.change(c)
			r := c.explain()
			require.Equal(t, tt.verified, r.Verified, r)
			require.True(t, r.Has(tt.want), r)
			require.NotContains(t, causes(r), tt.want)
			require.Contains(t, r.String(), "Also seen:\n")
			require.Equal(t, tt.verified, !strings.Contains(r.String(), "Why:"))
			last := r.Findings[len(r.Findings)-1]
			require.False(t, last.Cause, "observations are last")
		})
	}
}

// TestSignatureCutIntoValues: package verifier joins what adapters of AWS Lambda cut.
func TestSignatureCutIntoValues(t *testing.T) {
	t.Parallel()
	c := arrived(t, eventBody)
	c.header["Webhook-Signature"] = strings.Split(c.header.Get("webhook-signature"), ",")
	require.True(t, c.explain().Verified, c.explain())
	require.Empty(t, c.explain().Findings)
	c.body += "\n"
	require.Equal(t, codes{explain.BodyLineBreak}, causes(c.explain()))
}

func TestSecretsOfEachRequest(t *testing.T) {
	t.Parallel()
	c := arrived(t, eventBody)
	secrets := []string{secretB, secretA}
	opts := c.options()
	opts.Secrets = func() ([]string, error) { return secrets, nil }
	require.True(t, explain.With(opts, c.header, []byte(c.body)).Verified)
	secrets = nil
	require.Equal(t, codes{explain.SecretMissing}, causes(explain.With(opts, c.header, []byte(c.body))))
}

// TestDumpsAreUndone: where all bytes are there, the signature matches.
func TestDumpsAreUndone(t *testing.T) {
	t.Parallel()
	undone := 0
	for _, tt := range cases {
		c := arrived(t, eventBody)
		tt.change(c)
		if r := c.explain(); r.Has(explain.BodyDump) && strings.Contains(r.Findings[0].Text, "prints of the bytes, and not") {
			undone++
		}
	}
	require.Equal(t, 4, undone)
}

func TestExplainTakesThePresent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := arrived(t, eventBody)
		time.Sleep(time.Until(testTime) + 2*time.Hour)
		r := explain.Explain(c.header, []byte(c.body), secretA)
		require.Equal(t, codes{explain.Stale}, causes(r))
		require.Contains(t, r.Findings[0].Text, "2h0m0s ago; 5m0s are allowed")
		require.Contains(t, r.Findings[0].Advice, "time zone")
		r = explain.At(testTime.Add(-time.Hour-10*time.Minute), c.header, []byte(c.body), secretA)
		require.Contains(t, r.Findings[0].Text, "1h10m0s in the future")
		require.NotContains(t, r.Findings[0].Advice, "time zone")
	})
}

func TestAsymmetric(t *testing.T) {
	t.Parallel()
	key, other := signer.NewPrivateKey(), signer.NewPrivateKey()
	s, err := signer.NewAsymmetric(key)
	require.NoError(t, err)
	for _, tt := range []struct {
		name   string
		change func(c *capture)
		want   codes
	}{
		{"verified", func(*capture) {}, codes{}},
		{"another key", func(c *capture) { c.secrets = []string{other.Public().String()} }, codes{explain.Unmatched}},
		{"no key", func(c *capture) { c.secrets = []string{secretA} }, codes{explain.SecretMissing}},
		{"the private key", func(c *capture) { c.secrets = []string{key.Reveal()} }, codes{explain.SecretPrivate, explain.SecretMissing}},
		{"a key in quotes", func(c *capture) { c.secrets = []string{`"` + c.secrets[0] + `"`} }, codes{explain.SecretQuoted}},
		{"a mangled key", func(c *capture) { c.secrets = []string{c.secrets[0][:30]} }, codes{explain.SecretMalformed, explain.SecretMissing}},
		{"rewritten", rewrite(marshal), codes{explain.BodyRewritten}},
		{"another id", func(c *capture) { c.set("webhook-id", "evt_2") }, codes{explain.SignedOther}},
		{"stale", func(c *capture) { c.now = testTime.Add(time.Hour) }, codes{explain.Stale}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			c.standardOnly()
			c.set("webhook-signature", string(s.AppendStandard(nil, "evt_1", testTime, []byte(c.body))))
			c.secrets = []string{key.Public().String()}
			tt.change(c)
			r := c.explain()
			require.Equal(t, tt.want, causes(r), r)
			require.Equal(t, len(tt.want) == 0, r.Verified)
		})
	}
}
