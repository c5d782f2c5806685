package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
)

// Without -store and -secret-key, a restart loses nothing: one command, no settings.
func TestARestartInTheWorkingDirectory(t *testing.T) {
	if underRace {
		t.Skip("the driver of SQLite takes minutes to build with the race detector")
	}
	t.Chdir(t.TempDir())
	flags := []string{"-insecure-allow-http", "-insecure-allow-private-networks"}
	base, stop := startAs(t, flags...)
	bearer := token(t, secret, "m", time.Hour)
	status, out := call(t, http.MethodPost, base+"/api/merchants/m/webhooks", bearer, `{"url":"http://127.0.0.1:1/","events":["document.created"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	data, _ := out["data"].(map[string]any)
	hook := fmt.Sprintf("/api/merchants/m/webhooks/%s", data["webhookId"])
	status, out = call(t, http.MethodPost, base+"/api/merchants/m/events", bearer, `{"type":"document.created","data":{}}`)
	require.Equal(t, http.StatusAccepted, status, out)
	require.NoError(t, stop())
	info, err := os.Stat(ownKey)
	require.NoError(t, err)
	require.Equal(t, "-rw-------", info.Mode().String())
	kept, err := os.ReadFile(ownKey)
	require.NoError(t, err)

	base, stop = startAs(t, flags...)
	status, out = call(t, http.MethodGet, base+hook+"/deliveries", bearer, "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, fmt.Sprint(out), "totalDeliveries:1")
	require.NoError(t, stop())
	again, err := os.ReadFile(ownKey)
	require.NoError(t, err)
	require.Equal(t, kept, again)

	// The file is what -secret-key takes.
	t.Setenv("WEBHOOK_SERVER_SECRET_KEY_FILE", ownKey)
	_, stop = startAs(t, append(flags, "-store", "sqlite:"+ownStore)...)
	require.NoError(t, stop())
	t.Setenv("WEBHOOK_SERVER_SECRET_KEY_FILE", "")

	require.NoError(t, os.Remove(ownKey))
	err = Run(t.Context(), []string{"-addr", "127.0.0.1:0", "-jwt-secret", secret}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "webhooks.key is missing, and nothing else opens the secrets in webhooks.db")
}

// What prints or asks keeps nothing.
func TestATokenKeepsNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, Run(t.Context(), []string{"-jwt-secret", secret, "-token", "m"}, io.Discard, io.Discard))
	list, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, list)
}

// All that start at once in one fresh directory have one key, and one says so.
func TestOneKeyForAll(t *testing.T) {
	t.Parallel()
	for range 20 {
		dir := t.TempDir()
		var logs strings.Builder
		lines := make(chan string, 10)
		log := slog.New(slog.NewTextHandler(writer(lines), nil))
		found := make(chan []webhook.SecretKey, 8)
		for range cap(found) {
			go func() {
				keys, err := ownKeys(context.Background(), dir, log)
				if err != nil {
					keys = nil
				}
				found <- keys
			}()
		}
		first := <-found
		require.Len(t, first, 1)
		for range cap(found) - 1 {
			require.Equal(t, first[0].Key, (<-found)[0].Key)
		}
		close(lines)
		for line := range lines {
			logs.WriteString(line)
		}
		require.Equal(t, 1, strings.Count(logs.String(), "keep a copy of it"))
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, list, 1)
	}
}

// writer sends what is written to it.
type writer chan<- string

func (w writer) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// A key that is of no use is refused in words, and stays as it is.
func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	good := "k1:" + strings.Repeat("A", 43) + "="
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"readable by others": {good, 0o644, "can be used by others than its owner: chmod 600"},
		"for the group":      {good, 0o640, "can be used by others than its owner: chmod 600"},
		"empty":              {"\n", 0o600, "webhooks.key: the file is empty: bring it back"},
		"cut off":            {good[:20], 0o600, "webhooks.key is damaged: it is not id:base64 of 32 bytes"},
		"of another kind":    {"s3cret", 0o600, "webhooks.key is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, ownKey)
			require.NoError(t, os.WriteFile(file, []byte(tt.text), tt.mode))
			require.NoError(t, os.Chmod(file, tt.mode))
			_, err := ownKeys(t.Context(), dir, log)
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "s3cret")
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, tt.text, string(text))
		})
	}
	_, err := ownKeys(t.Context(), filepath.Join(t.TempDir(), "none"), log)
	require.ErrorContains(t, err, "-store memory", "a directory in which nothing can be written")
}
