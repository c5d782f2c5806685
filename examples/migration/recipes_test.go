package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// recorded answers as an API did, by path and query, to whoever has the token.
func recorded(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var answers map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &answers))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, known := answers[r.URL.RequestURI()]
		if !known || r.Header.Get("Authorization") != "Bearer secret-token" {
			http.Error(w, r.URL.RequestURI(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// cook runs a recipe, which needs jq and curl: tools/install.sh brings them. It requires
// that no command line has the token or a secret.
func cook(t *testing.T, server, name string, args ...string) (file []byte, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "recipes/"+name+".sh", args...)
	for _, api := range []string{"SVIX", "CONVOY", "OUTPOST"} {
		cmd.Env = append(cmd.Env, api+"_URL="+server, api+"_TOKEN=secret-token")
	}
	bin := t.TempDir()
	seen := filepath.Join(bin, "seen")
	for _, program := range []string{"curl", "jq"} {
		path, err := exec.LookPath(program)
		require.NoError(t, err)
		script := "#!/bin/sh\necho \"$@\" >>'" + seen + "'\nexec '" + path + "' \"$@\"\n"
		require.NoError(t, os.WriteFile(filepath.Join(bin, program), []byte(script), 0o700))
	}
	cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	require.NoError(t, cmd.Run(), wrong.String())
	processes, err := os.ReadFile(seen)
	require.NoError(t, err)
	require.NotEmpty(t, processes)
	require.NotContains(t, string(processes), "secret-token", "everybody on the machine sees it")
	secrets := regexp.MustCompile(`"secret":"v0\.([^"]+)"`).FindAllSubmatch(out.Bytes(), -1)
	require.NotEmpty(t, secrets)
	for _, secret := range secrets {
		require.NotContains(t, string(processes), string(secret[1]))
	}
	return out.Bytes(), wrong.String()
}

// TestRecipes takes in what the recipes make of recorded answers: ids and secrets stay.
func TestRecipes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		args    []string
		said    []string // of what does not come along
		refused string   // by the import
		want    []store.Webhook
	}{
		{
			name: "svix", args: []string{"shop-1"}, said: []string{"channels", "Svix does not show: Authorization"},
			want: []store.Webhook{
				{MerchantID: "shop-1", ID: "ep_2aB3cD4eF5gH6iJ7kL8mN9oP0qR", Events: []string{"order.paid", "order.refunded"}, Status: store.Active, RateLimit: 20, Description: "Production", Headers: "X-Region,X-Tenant:v0.eu\n7", Secret: "v0.whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
				{MerchantID: "shop-1", ID: "ep_2aB3cD4eF5gH6iJ7kL8mN9oP0qS", Events: []string{"*"}, Status: store.Disabled, Secret: "v0.whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
			},
		},
		{
			name: "convoy", args: []string{"01H28MWP1TQV5AC5QR54BSX8HJ"}, said: []string{"01H3FRSZYKNYWGPVV46RN98PM5 has a filter"},
			refused: "webhook 01H3FRSZYKNYWGPVV46RN98PM6 of 01H28MWP1TQV5AC5QR54BSX8HJ: secret does not open: ",
			want: []store.Webhook{
				{MerchantID: "582b0124-b0fe-45e0-9063-86877f797647", ID: "01H3FRSZYKNYWGPVV46RN98PM5", Events: []string{"order.paid", "order.refunded"}, Status: store.Active, RateLimit: 10, Description: "Orders", Headers: "X-Api-Key:v0.key-of-the-shop", Secret: "v0.jcB2wOErN3ot-ECK5QwGbpyf4"},
			},
		},
		{
			name: "outpost", said: []string{"des_sqs_456 is no webhook but aws_sqs", "3f0c6a53-6f0e-4a43-9a5e-0d7c0f8f2b11 has a filter"},
			want: []store.Webhook{
				{MerchantID: "shop-4", ID: "3f0c6a53-6f0e-4a43-9a5e-0d7c0f8f2b11", Events: []string{"*"}, Status: store.Disabled, Secret: "v0.6b1f0c3e9d2a48b7a5c4e6f8"},
				{MerchantID: "shop-4", ID: "des_12345", Events: []string{"order.paid"}, Status: store.Active, Headers: "x-api-key,x-tenant-id:v0.secret123\ncustomer-456", Secret: "v0.whsec_VfXnbAgOEXlHzyzKLBQOoGcSqTXFnTVk"},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file, said := cook(t, recorded(t, "recipes/testdata/"+tt.name+".json"), tt.name, tt.args...)
			for _, want := range tt.said {
				require.Contains(t, said, want)
			}
			m, end, err := newMove(&bytes.Buffer{})
			require.NoError(t, err)
			defer end()
			o := transfer.ImportOptions{Service: m.rehearsal.Service, InsecureUnsealed: true}
			o.Service.SecretKeys = nil // which lets a store in memory show what it got
			st := memstore.New(nil)
			_, err = transfer.Import(t.Context(), st, bytes.NewReader(file), &o)
			if refused, ok := errors.AsType[*transfer.RefusedError](err); tt.refused != "" {
				require.True(t, ok, "%v", err)
				require.Contains(t, refused.Problems[0].String(), tt.refused)
			} else {
				require.NoError(t, err, "%s", file)
			}
			page, err := st.Merchants(t.Context(), store.MerchantQuery{Limit: 10})
			require.NoError(t, err)
			require.Equal(t, []string{tt.want[0].MerchantID}, page.Merchants)
			for _, want := range tt.want {
				got, err := st.Webhook(t.Context(), want.MerchantID, want.ID)
				require.NoError(t, err)
				require.Equal(t, want, store.Webhook{
					MerchantID: got.MerchantID, ID: got.ID, Events: got.Events, Status: got.Status, RateLimit: got.RateLimit,
					Description: got.Description, Headers: got.Headers, Secret: got.Secret,
				})
			}
		})
	}
}

// TestReady keeps merchants as a whole, with what is disabled. Ids are of one merchant only.
func TestReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, lines ...string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
		return name
	}
	webhook := func(merchant, id, status string) string {
		return `{"merchantId":"` + merchant + `","webhookId":"` + id + `","status":"` + status + `"}`
	}
	verdict := func(merchant, id, verdict string) string {
		return `{"merchantId":"` + merchant + `","webhookId":"` + id + `","verdict":"` + verdict + `"}`
	}
	ready := []string{webhook("m1", "1", "active"), webhook("m1", "2", "disabled"), webhook("m4", "8", "disabled")}
	stays := []string{webhook("m2", "1", "active"), webhook("m2", "3", "active"), webhook("m2", "4", "disabled"), webhook("m3", "9", "active")}
	file := write("webhooks.jsonl", append(append([]string{`{"format":"rag-assistant/webhooks"}`}, ready...), append(stays, `{"end":true}`)...)...)
	report := write("report.jsonl", verdict("m1", "1", "only_old"), verdict("m1", "1", "same"), verdict("m2", "3", "neither"), verdict("m2", "1", "only_old"))
	cook := func(recipe, report, file string) (out, said string) {
		cmd := exec.CommandContext(t.Context(), "jq", "-cn", "--slurpfile", "report", report, "-f", "recipes/"+recipe, file)
		var wrong bytes.Buffer
		cmd.Stderr = &wrong
		got, err := cmd.Output()
		require.NoError(t, err, wrong.String())
		return strings.TrimSpace(string(got)), wrong.String()
	}
	got, said := cook("ready.jq", report, file)
	require.Equal(t, ready, strings.Split(got, "\n"))
	require.Equal(t, 4, strings.Count(said, " stays: "), said)
	for _, want := range []string{"1 of m2 stays: only_old", "3 of m2 stays: goes with", "4 of m2 stays: goes with", "9 of m3 stays: not tested"} {
		require.Contains(t, said, want)
	}

	encoding := write("encoding.jsonl", `{"merchantId":"m1","webhookId":"1","encoding":"ascii"}`)
	got, _ = cook("mend.jq", encoding, file)
	require.Equal(t, 1, strings.Count(got, "payloadEncoding"), got)
	require.Contains(t, got, `{"merchantId":"m1","webhookId":"1","status":"active","payloadEncoding":"ascii"}`)
}
