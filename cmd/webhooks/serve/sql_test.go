package serve

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// lasting is what every store that lasts needs.
func lasting() []string {
	return []string{
		"-secret-key", "k1:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))),
		"-insecure-allow-http", "-insecure-allow-private-networks",
	}
}

// database makes a database of the test's in the PostgreSQL that the environment names.
func database(t *testing.T) string {
	t.Helper()
	url := os.Getenv("WEBHOOK_TEST_POSTGRES_URL")
	if url == "" {
		if os.Getenv("WEBHOOK_TEST_REQUIRE_POSTGRES") != "" {
			t.Fatal("WEBHOOK_TEST_POSTGRES_URL is not set; run the tests with tools/with-postgres.sh")
		}
		t.Skip("WEBHOOK_TEST_POSTGRES_URL is not set; tools/with-postgres.sh starts a PostgreSQL for tests")
	}
	name := fmt.Sprintf("server_%d", time.Now().UnixNano())
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "create database "+name)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	return strings.Replace(url, "/postgres?", "/"+name+"?", 1)
}

// A process that has ended loses nothing: the next one knows the webhook and the event.
func TestARestartOnSQL(t *testing.T) {
	t.Parallel()
	stores := map[string]func(t *testing.T) string{"PostgreSQL": database}
	if !underRace { // which leaves the driver of SQLite out
		stores["SQLite"] = func(t *testing.T) string { t.Helper(); return "sqlite:" + filepath.Join(t.TempDir(), "webhooks.db") }
	}
	for name, address := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := append(lasting(), "-store", address(t))
			require.ErrorContains(t, Run(t.Context(), append([]string{"-jwt-secret", secret}, flags...), os.Stderr, os.Stderr), "-migrate")
			flags = append(flags, "-migrate")
			base, stop := start(t, flags...)
			bearer := token(t, secret, "m", time.Hour)
			status, out := call(t, http.MethodPost, base+"/api/merchants/m/webhooks", bearer, `{"url":"http://127.0.0.1:1/","events":["document.created"]}`)
			require.Equal(t, http.StatusCreated, status, out)
			data, _ := out["data"].(map[string]any)
			hook := fmt.Sprintf("/api/merchants/m/webhooks/%s", data["webhookId"])
			status, out = call(t, http.MethodPost, base+"/api/merchants/m/events", bearer, `{"type":"document.created","id":"order-7","data":{}}`)
			require.Equal(t, http.StatusAccepted, status, out)
			require.NoError(t, stop())

			base, _ = start(t, flags...)
			status, out = call(t, http.MethodGet, base+hook+"/deliveries", bearer, "")
			require.Equal(t, http.StatusOK, status)
			require.Contains(t, fmt.Sprint(out), "totalDeliveries:1")
		})
	}
}
