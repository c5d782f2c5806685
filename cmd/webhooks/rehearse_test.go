package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

// TestRehearsal sends both forms to two receivers, says who would fail, and goes on with
// the report once that receiver is mended.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	var mended atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		old := len(r.Header.Get("X-Shop-Signature")) == 64
		old = old || r.Header.Get("X-Acme-Event") != "" // as it will be called
		if r.URL.Path == "/strict" && !old && (!mended.Load() || r.Header.Get(signer.HeaderSignature) == "") {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	form, file, report := filepath.Join(dir, "old.json"), filepath.Join(dir, "webhooks.jsonl"), filepath.Join(dir, "report.jsonl")
	require.NoError(t, os.WriteFile(form, []byte(`{"wire":{"signature":"X-Shop-Signature","untimed":{"noPrefix":true}},"body":{"kind":"ping"}}`), 0o600))
	lines := `{"format":"rag-assistant/webhooks","version":1}` + "\n"
	for _, path := range []string{"strict", "open"} {
		lines += `{"merchantId":"m1","webhookId":"ep_` + path + `","url":"` + server.URL + "/" + path + `","events":["*"],"status":"active","secret":"v0.sk_live_0123456789"}` + "\n"
	}
	require.NoError(t, os.WriteFile(file, []byte(lines+`{"end":true,"webhooks":2}`+"\n"), 0o600))

	args := []string{"import", "--rehearse", "--insecure-unsealed", "--insecure-allow-http", "--insecure-allow-private-networks", "--old-form", form}
	got := run(t, append(args, file)...)
	require.Equal(t, 1, got.code, got.stderr)
	require.Contains(t, got.stdout, `"webhookId":"ep_strict","merchantId":"m1","url":"`+server.URL+`/strict","old":{"status":200},"new":{"status":401},"verdict":"only_old"`)
	require.Contains(t, got.stderr, "would fail: ep_strict of m1, "+server.URL+"/strict: refuses the new form with 401\n")
	require.Contains(t, got.stderr, "2 tested: 1 take both, 1 would fail after the move, 0 take the new form only, 0 take neither, 0 do not answer; 1 do not verify\n")
	require.Contains(t, got.stderr, "webhooks: 1 webhook would fail after the move\n")

	got = run(t, append(args, "--wire-prefix", "X-Acme-", file)...)
	require.Equal(t, 0, got.code, got.stderr)

	got = run(t, "import", "--rehearse", "--insecure-unsealed", file)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "2 webhooks not tested:\n  line 2: webhook ep_strict of m1: url must start with https://")
	require.Equal(t, 1, strings.Count(got.stderr, "are for --insecure-allow-http"))

	args = append(args, "--report", report, "--per-host", "1", file)
	require.Equal(t, 1, run(t, args...).code)
	text, err := os.ReadFile(report)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(report, append(text, `{"webhookId":"ep_`...), 0o600)) // as a kill leaves it
	mended.Store(true)
	got = run(t, args...)
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stderr, "1 of them passed in the report that was there")
	text, err = os.ReadFile(report)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(text), "\n"), "%s", text)
	require.Equal(t, 3, strings.Count(string(text), `"verdict"`), "%s", text)

	require.Equal(t, 2, run(t, "import", "--rehearse", "--old-form", file, file).code)

	for _, other := range []string{"SECRET=1", "SECRET=1\nPORT=8080", "SECRET=1\n", lines} { // a file named by mistake
		require.NoError(t, os.WriteFile(report, []byte(other), 0o600))
		got = run(t, args...)
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, "line 1 of the earlier report is none of a rehearsal")
		text, err = os.ReadFile(report)
		require.NoError(t, err)
		require.Equal(t, other, string(text))
	}
	cut := `{"webhookId":"ep_x","verdict":"same"}` + "\n" + `{"webh`
	require.NoError(t, os.WriteFile(report, []byte(cut), 0o600))
	require.NoError(t, os.WriteFile(form, []byte(`{"headers":{"a b":"1"}}`), 0o600))
	require.Contains(t, run(t, args...).stderr, `"a b" is not the name of a header`)
	text, err = os.ReadFile(report)
	require.NoError(t, err)
	require.Equal(t, cut, string(text), "options are checked first")
}
