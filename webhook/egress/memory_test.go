package egress_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// flooded is what a process says of itself after it has posted to many endpoints.
type flooded struct {
	Succeeded int64
	Failed    string // one of the errors
	Resident  uint64 // by how many bytes it grew at most, as the kernel sees it; 0 if that cannot be told
	Obtained  uint64 // by how many bytes, as the runtime sees it
	Allocated uint64 // how many bytes, over all the time
}

const floodVariable = "EGRESS_TEST_FLOOD"

// TestEndlessBodiesOfManyEndpoints has 500 endpoints answer with a gigabyte or more
// at once, and measures a process that does nothing but post to them.
func TestEndlessBodiesOfManyEndpoints(t *testing.T) {
	t.Parallel()
	const endpoints = 500
	if address := os.Getenv(floodVariable); address != "" {
		flood(t, address, endpoints)
		return
	}
	heads := []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
	}
	chunk := bytes.Repeat([]byte("x"), 16<<10)
	var waiting atomic.Int32
	ready := make(chan struct{})
	ca := newAuthority(t)
	var config *tls.Config
	if !underRaceDetector() { // It makes 500 handshakes a matter of many seconds.
		config = ca.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} })
	}
	r := receive(t, config, func(p *peer) {
		if _, _, err := p.request(); err != nil {
			return
		}
		n := waiting.Add(1)
		if n == endpoints {
			close(ready) // All wait for an answer before any of them gets it.
		}
		select {
		case <-ready:
		case <-t.Context().Done():
			return
		}
		_ = p.raw.SetWriteBuffer(32 << 10)
		_, err := io.WriteString(p, heads[int(n)%len(heads)])
		for err == nil {
			_, err = p.Write(chunk)
		}
	})
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), floodVariable+"="+r.address)
	cmd.Stdin = bytes.NewReader(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	line, _, _ := strings.Cut(string(out), "\n")
	var got flooded
	require.NoError(t, json.Unmarshal([]byte(line), &got), "%s", out)
	t.Logf("grew by %d KiB resident, %d KiB obtained, %d KiB allocated", got.Resident>>10, got.Obtained>>10, got.Allocated>>10)
	require.EqualValues(t, endpoints, got.Succeeded, got.Failed)
	const limit = 64 << 20
	require.Less(t, got.Resident, uint64(limit))
	require.Less(t, got.Obtained, uint64(limit))
}

// flood posts to that many endpoints at address at once, and prints a line about it.
func flood(t *testing.T, address string, endpoints int) {
	t.Helper()
	root, err := io.ReadAll(os.Stdin)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(root))
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	const limit = 5 * time.Minute // The machine may be a busy one.
	e := newEgress(t, &egress.Options{
		InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true, RootCAs: roots, Resolver: answer("127.0.0.1"),
		DNSTimeout: limit, DialTimeout: limit, TLSHandshakeTimeout: limit,
	})
	scheme := "https"
	if underRaceDetector() {
		scheme = "http"
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resident := status("VmRSS:")
	var got flooded
	var mu sync.Mutex
	var posts sync.WaitGroup
	for i := range endpoints {
		posts.Go(func() {
			resp, err := egress.Post(ctx, e.Transport(), fmt.Sprintf("%s://h%d.example.com:%s/", scheme, i, port), nil, []byte("{}"))
			mu.Lock()
			defer mu.Unlock()
			if err == nil && resp.StatusCode == http.StatusOK {
				got.Succeeded++
			} else {
				got.Failed = fmt.Sprint(resp, err)
				cancel() // The others would wait for this one.
			}
		})
	}
	posts.Wait()
	runtime.ReadMemStats(&after)
	if peak := status("VmHWM:"); peak > resident && !underRaceDetector() { // Its own memory is several times that.
		got.Resident = peak - resident
	}
	got.Obtained = after.Sys - before.Sys
	got.Allocated = after.TotalAlloc - before.TotalAlloc
	line, err := json.Marshal(got)
	require.NoError(t, err)
	fmt.Printf("%s\n", line)
}

func underRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// status returns a size from what Linux tells about the process, in bytes.
func status(name string) uint64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(text), name)
	var kib uint64
	_, _ = fmt.Sscan(rest, &kib)
	return kib << 10
}
