package explain_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

// read returns the files of a directory, the newest first.
func read(t *testing.T, dir string) []string {
	t.Helper()
	list, err := explain.Kept(dir)
	require.NoError(t, err)
	var out []string
	for _, r := range list {
		raw, err := os.ReadFile(r.Path)
		require.NoError(t, err)
		out = append(out, string(raw))
	}
	return out
}

// TestKeepsWhatIsRejected posts to a receiver as a sender with a wrong secret does.
func TestKeepsWhatIsRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "new", "rejected")
		keep, err := explain.Keep(dir, &explain.KeepOptions{LeaveOut: []string{"x-api-key"}})
		require.NoError(t, err)
		handler := verifier.Middleware("whsec_xyz789abc123def456ghi789jkl012mno345", &verifier.Options{
			OnReject: keep,
		})(http.NotFoundHandler())
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.org/hooks?tenant=4", strings.NewReader("{\"a\":\r\n\r\n1}\n"))
		for _, name := range []string{"Cookie", "Authorization", "Proxy-Authorization", "X-Api-Key"} {
			req.Header.Set(name, "a key")
		}
		req.Header["authorization"] = []string{"a key"} // as adapters may write it
		req.Header.Set("Content-Type", "application/json")
		req.Header["Webhook-Signature"] = []string{"v1,one", "v1,two"}
		arrived := time.Now()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		synctest.Wait()

		require.Equal(t, http.StatusUnauthorized, w.Code)
		require.Equal(t, []string{"POST http://example.org/hooks?tenant=4 HTTP/1.1\r\nHost: example.org\r\nContent-Length: 12\r\n" +
			"Content-Type: application/json\r\nWebhook-Signature: v1,one\r\nWebhook-Signature: v1,two\r\n\r\n{\"a\":\r\n\r\n1}\n"}, read(t, dir))
		list, err := explain.Kept(dir)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, list[0].Status)
		require.True(t, arrived.Equal(list[0].At))
		for path, mode := range map[string]os.FileMode{list[0].Path: 0o600, dir: 0o700 | os.ModeDir} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode())
		}
	})
}

// post is a rejected request with a body.
func post(t *testing.T, body string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
}

func bodies(raw []string) (out []string) {
	for _, r := range raw {
		_, body, _ := strings.Cut(r, "\r\n\r\n")
		out = append(out, body)
	}
	return out
}

func TestKeepsTheLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{
		"a file of somebody else's", "rejected-x-401.http",
		"rejected-19990101T000000.000000000Z-401.http", "rejected-19990102T000000.000000000Z-401.http.part",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	synctest.Test(t, func(t *testing.T) {
		keep, err := explain.Keep(dir, &explain.KeepOptions{Last: 3, MaxBytes: 4})
		require.NoError(t, err)
		for i := range 5 {
			keep(post(t, fmt.Sprint(i)), http.StatusUnauthorized, nil)
			synctest.Wait()
		}
		require.Equal(t, []string{"4", "3", "2"}, bodies(read(t, dir)))

		r := post(t, "too long")
		keep(r, http.StatusRequestEntityTooLarge, nil)
		rest, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "too long", string(rest), "the next one has all of the body")
		synctest.Wait()
		require.Equal(t, []string{"too ", "4", "3"}, bodies(read(t, dir)))
		require.Contains(t, read(t, dir)[0], "Content-Length: 8\r\n")
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 3+2, "what is not Keep's own stays, what was left half-written does not")
	})
}

// TestKeepDropsUnderAFlood holds the disk up, as far as a logger can.
func TestKeepDropsUnderAFlood(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		stuck := &stuckWriter{free: make(chan struct{})}
		keep, err := explain.Keep(dir, &explain.KeepOptions{Last: 2, Logger: slog.New(slog.NewTextHandler(stuck, nil))})
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(dir))
		keep(post(t, "first"), http.StatusUnauthorized, nil)
		synctest.Wait() // It is being told that there is no directory.
		require.NoError(t, os.Mkdir(dir, 0o700))
		for i := range 5 {
			keep(post(t, fmt.Sprint(i)), http.StatusUnauthorized, nil)
		}
		require.Empty(t, read(t, dir))
		close(stuck.free)
		synctest.Wait()
		require.Equal(t, []string{"4", "3"}, bodies(read(t, dir)))
		require.Equal(t, 1, strings.Count(stuck.String(), "cannot be kept"), stuck.String())
		require.NotContains(t, stuck.String(), "first\n")
	})
}

// stuckWriter writes nothing before it is free.
type stuckWriter struct {
	free chan struct{}
	mu   sync.Mutex
	bytes.Buffer
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	<-w.free
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Buffer.Write(p)
}

func TestKeepRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for name, c := range map[string]struct {
		dir string
		o   *explain.KeepOptions
	}{
		"no directory":       {file, nil},
		"negative Last":      {t.TempDir(), &explain.KeepOptions{Last: -1}},
		"negative MaxBytes":  {t.TempDir(), &explain.KeepOptions{MaxBytes: -1}},
		"no name of any dir": {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := explain.Keep(c.dir, c.o)
			require.ErrorContains(t, err, "explain: keep: ")
		})
	}
	_, err := explain.Kept(file)
	require.ErrorContains(t, err, "explain: kept: ")
}
