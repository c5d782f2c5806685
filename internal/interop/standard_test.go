//go:build interop

package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
)

// standardCase is a request that is signed, or to be signed, by one of the two sides.
type standardCase struct {
	Key       string            `json:"key"` // whsec_, whsk_ to sign, or whpk_ to verify
	ID        string            `json:"id"`
	Timestamp int64             `json:"timestamp"`
	Body      string            `json:"body"`
	Headers   map[string]string `json:"headers,omitempty"`
}

// TestStandardWebhooksJavaScript signs with each side and verifies with the other:
// this module, and the JavaScript library of Standard Webhooks on Node.
func TestStandardWebhooksJavaScript(t *testing.T) {
	t.Parallel()
	now := time.Now()
	bodies := []string{
		"", "{}", `{"test": 2432232314}`, "not JSON, and a line break\n", `{"name":"Café 日本 🎧 \u2028 <b>&"}`,
		strings.Repeat("0123456789", 20_000),
	}
	var ours, theirs []standardCase
	var accepted []bool // which of ours the library has to accept
	var public []string // whom we verify theirs with
	for i, body := range bodies {
		id := fmt.Sprintf("evt_%d", i)
		secret, previous, key := signer.NewSecret(), signer.NewSecret(), signer.NewPrivateKey()
		both := newStandardSigner(t, secret, previous).Join(newAsymmetricSigner(t, key))
		headers := func(at time.Time, body string) map[string]string {
			return map[string]string{
				signer.HeaderStandardID: id, signer.HeaderStandardTimestamp: strconv.FormatInt(at.Unix(), 10),
				signer.HeaderStandardSignature: string(both.AppendStandard(nil, id, at, []byte(body))),
			}
		}
		add := func(accept bool, key string, at time.Time, signed, sent string) {
			ours = append(ours, standardCase{key, id, at.Unix(), sent, headers(at, signed)})
			accepted = append(accepted, accept)
		}
		for _, text := range []string{secret.Reveal(), previous.Reveal(), key.Public().String()} {
			add(true, text, now, body, body)
			add(false, text, now, body, body+" ")
		}
		add(false, signer.NewSecret().Reveal(), now, body, body)
		add(false, signer.NewPrivateKey().Public().String(), now, body, body)
		add(false, secret.Reveal(), now.Add(-time.Hour), body, body)
		add(false, secret.Reveal(), now.Add(time.Hour), body, body)
		theirs = append(theirs,
			standardCase{secret.Reveal(), id, now.Unix(), body, nil}, standardCase{key.Reveal(), id, now.Unix(), body, nil})
		public = append(public, "", key.Public().String())
	}

	signatures, verified := askJavaScript(t, theirs, ours)
	require.Equal(t, accepted, verified)
	for i, c := range theirs {
		secret := c.Key
		opts := &verifier.Options{}
		if public[i] != "" {
			secret, opts.PublicKeys = "", []string{public[i]}
		}
		v, err := verifier.New(secret, opts)
		require.NoError(t, err)
		h := http.Header{}
		h.Set(signer.HeaderStandardID, c.ID)
		h.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(c.Timestamp, 10))
		h.Set(signer.HeaderStandardSignature, signatures[i])
		require.NoError(t, v.Check(h, []byte(c.Body)))
		require.ErrorIs(t, v.Check(h, []byte(c.Body+" ")), verifier.ErrMismatch)
	}
}

// askJavaScript returns the signatures of the first cases, and which of the
// second ones verify.
func askJavaScript(t *testing.T, sign, verify []standardCase) (signatures []string, verified []bool) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("standard")))
	run := func(input []byte, name string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), name, args...)
		var stderr bytes.Buffer
		cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(input), &stderr
		out, err := cmd.Output()
		require.NoError(t, err, "%s: %s", name, &stderr)
		return out
	}
	run(nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	input, err := json.Marshal(map[string]any{"sign": sign, "verify": verify})
	require.NoError(t, err)
	var answer struct {
		Sign   []string
		Verify []bool
	}
	require.NoError(t, json.Unmarshal(run(input, "node", filepath.Join(dir, "peer.mjs")), &answer))
	require.Len(t, answer.Sign, len(sign))
	return answer.Sign, answer.Verify
}

func newStandardSigner(t *testing.T, current signer.Secret, previous ...signer.Secret) *signer.Signer {
	t.Helper()
	s, err := signer.New(current, previous...)
	require.NoError(t, err)
	return s
}

func newAsymmetricSigner(t *testing.T, key signer.PrivateKey) *signer.Signer {
	t.Helper()
	s, err := signer.NewAsymmetric(key)
	require.NoError(t, err)
	return s
}
