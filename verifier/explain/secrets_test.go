package explain_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

// part is how much of a secret or a signature may show.
const part = 15

// requireHidden fails if the report shows more than that of any of the texts, in
// whatever way it is printed.
func requireHidden(t *testing.T, r explain.Report, texts ...string) {
	t.Helper()
	printed := []string{r.String(), string(marshal(r))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, r), fmt.Sprintf(verb, &r), fmt.Sprintf(verb, r.Findings))
	}
	all := strings.ToLower(strings.Join(printed, "\n"))
	for _, text := range texts {
		text = strings.ToLower(text)
		for i := 0; i+part < len(text); i++ {
			piece := text[i : i+part+1]
			require.NotContains(t, all, piece)
			require.NotContains(t, all, hex.EncodeToString([]byte(piece)))
		}
	}
}

// signatures are those that a request with this body should have.
func signatures(secret string, h http.Header, body string) []string {
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	return []string{untimed(secret, body)[7:], standard(decoded(secret), id+"."+timestamp+"."+body)[3:]}
}

func TestReportsHoldNoSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := arrived(t, eventBody)
			tt.change(c)
			hidden := append(c.secrets, secretA, secretB)
			for _, secret := range []string{secretA, secretB} {
				hidden = append(hidden, signatures(secret, c.header, c.body)...)
				hidden = append(hidden, signatures(secret, c.header, eventBody)...)
			}
			for _, values := range c.header {
				hidden = append(hidden, values...)
			}
			requireHidden(t, c.explain(), hidden...)
		})
	}
}

// TestSecretsInOddPlaces has the secret where it does not belong.
func TestSecretsInOddPlaces(t *testing.T) {
	t.Parallel()
	private := signer.NewPrivateKey()
	for _, secret := range []string{secretA, private.Reveal(), private.Public().String()} {
		c := arrived(t, eventBody)
		c.body = `{"id":"` + secret[:40] + `","type":"` + strings.ToLower(secret[:20]) + `","created":"` + secret + `","data":"` + secret + `"`
		for _, name := range []string{"X-Webhook-Signature", "X-Webhook-Event", "X-Webhook-Delivery-ID", "webhook-id", "webhook-timestamp", "webhook-signature", "Content-Length"} {
			c.set(name, secret)
		}
		c.header["X-"+secret] = []string{secret, secret}
		c.header[secret+"-signature"] = []string{secret}
		c.secrets = []string{secret, " " + secret + "\n", "x" + secret, secret[:30]}
		requireHidden(t, c.explain(), secret)
		c.untimedOnly()
		c.standardOnly()
		requireHidden(t, c.explain(), secret)
	}
}

// FuzzExplain holds reports of anything at all to three promises: nothing panics,
// Verified is what package verifier says, and nothing shows.
func FuzzExplain(f *testing.F) {
	for i, tt := range cases {
		c := arrived(f, eventBody)
		tt.change(c)
		f.Add(c.header.Get("X-Webhook-Signature"), c.header.Get("webhook-signature"), c.header.Get("webhook-id"), c.header.Get("webhook-timestamp"),
			c.header.Get("X-Webhook-Event"), "X-Other", c.body, uint8(i))
	}
	f.Fuzz(func(t *testing.T, untimedValue, standardValue, id, timestamp, eventType, name, body string, flags uint8) {
		if len(body) > 4096 {
			return // Longer ones are slow, and nothing new.
		}
		sum := sha256.Sum256([]byte(body + name))
		secret := "whsec_" + base64.RawStdEncoding.EncodeToString(sum[:27])
		h := http.Header{name: {untimedValue, secret}}
		if flags&16 != 0 {
			h.Set("Content-Type", "application/json")
		}
		for name, value := range map[string]string{
			"X-Webhook-Signature": untimedValue, "Webhook-Signature": standardValue, "Webhook-Id": id, "Webhook-Timestamp": timestamp, "X-Webhook-Event": eventType,
		} {
			if value != "" {
				h[name] = []string{value}
			}
		}
		if flags&1 != 0 {
			h.Set("X-Webhook-Signature", untimed(secret, body))
		}
		if flags&2 != 0 {
			h.Set("webhook-signature", standard(decoded(secret), id+"."+timestamp+"."+body))
		}
		arrival := body
		if flags&4 != 0 {
			arrival = " " + body
		}
		opts := &verifier.Options{AcceptUntimed: flags&8 != 0, Now: func() time.Time { return testTime }}
		r := explain.With(opts, h, []byte(arrival), secret, secretA)
		v, err := verifier.New(secret, opts)
		require.NoError(t, err)
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(arrival))
		req.Header = h
		w := httptest.NewRecorder()
		v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, req)
		require.Equal(t, w.Code == http.StatusOK, r.Verified, "%v\n%v", w.Body, r)
		require.Equal(t, w.Code != http.StatusOK, len(causes(r)) > 0, "a request that does not verify has a cause, and no other: %v\n%v", w.Body, r)
		requireHidden(t, r, append(signatures(secret, h, body), secret, secretA)...)
		_, err = json.Marshal(r)
		require.NoError(t, err)
	})
}
