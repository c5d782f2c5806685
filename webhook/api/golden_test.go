package api_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/words"
)

var update = flag.Bool("update", false, "write the documents of testdata again")

// TestGoldenDocuments compares the document with that in testdata: as a service without options
// serves it, and as a host's that has everything of its own.
func TestGoldenDocuments(t *testing.T) {
	t.Parallel()
	byDefault, _ := describe(t, nil, nil)
	w, err := words.New(&words.Options{Tenant: "shop"})
	require.NoError(t, err)
	house := newHouse(t, w, signer.Wire{Prefix: "X-Acme-", OmitUntimed: true, UserAgent: "Acme-Webhooks/1.0"}, acme())
	_, ofAcme := house.ask(http.MethodGet, "/openapi.yaml", "", "")
	for file, got := range map[string]string{
		"testdata/openapi.default.yaml.gz": serveDocument(t, byDefault, http.MethodGet, "/api/openapi.yaml").body,
		"testdata/openapi.acme.yaml.gz":    ofAcme,
	} {
		if *update {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, err := io.WriteString(w, got)
			require.NoError(t, errors.Join(err, w.Close(), os.WriteFile(file, b.Bytes(), 0o600)))
		}
		packed, err := os.Open(file)
		require.NoError(t, err)
		defer packed.Close()
		text, err := gzip.NewReader(packed)
		require.NoError(t, err)
		want, err := io.ReadAll(text)
		require.NoError(t, err)
		require.Equal(t, string(want), got, "go test ./webhook/api -run TestGoldenDocuments -update")
		require.NotRegexp(t, `(?m)^\s*# |\S # `, got, "comments are for who maintains the file")
	}
}
