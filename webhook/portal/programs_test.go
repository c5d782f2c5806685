//go:build interop

package portal_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

const (
	programSecret = "whsec_xyz789abc123def456ghi789jkl012mno345"
	shapedBody    = "@topic=order.paid name=Zoë"
	programBody   = `{"id":"evt_1","type":"order.paid","created":"2026-01-02T03:04:05.000Z","data":{"name":"Zoë <&>"}}`
)

// TestProgramsByTheWire runs the programs that the portal shows, for senders that call
// their headers otherwise.
func TestProgramsByTheWire(t *testing.T) {
	t.Parallel()
	wires := map[string]signer.Wire{
		"the guide's": {},
		"Acme's":      {Prefix: "X-Acme-"},
		"base64":      {Signature: "Acme-Hmac", Untimed: signer.Untimed{NoPrefix: true, Base64: true, DecodedKey: true}},
		"quotes":      {Prefix: "X-Acme-", Untimed: signer.Untimed{Prefix: "'\"`$\\#{mac}${mac}="}},
		"standard":    {StandardOnly: true},
		"untimed off": {Prefix: "X-Acme-", OmitUntimed: true},
	}
	wires["a shape"], wires["a shape, Acme's"] = wires["the guide's"], wires["Acme's"]
	rust := buildRust(t, wires)
	for name, wire := range wires {
		body, shaped := programBody, isShaped(name)
		if shaped {
			body = shapedBody // neither JSON nor an id
		}
		for file, command := range map[string][]string{
			"receiver.js": {"node"}, "receiver.py": {"python3"}, "receiver.rb": {"ruby"}, "Receiver.java": {"java"},
			"receiver.php": {"php", "-S", "127.0.0.1:0"}, "main.go": {"go", "run"},
			"Program.cs": {"sh", "-c", `mcs -out:"$0.exe" "$0" && exec mono "$0.exe"`}, "main.rs": {filepath.Join(rust, rustName(name))},
		} {
			t.Run(name+" "+file, func(t *testing.T) {
				t.Parallel()
				at := filepath.Join(t.TempDir(), file)
				require.NoError(t, os.WriteFile(at, []byte(portal.Program(t, wire, shaped, file)), 0o600))
				url := "http://" + startProgram(t, append(command, at)...) + "/webhooks"
				wire := wire.WithDefaults()
				require.Less(t, deliver(t, url, body, wire, nil), 300)
				needed := []string{"webhook-signature", "webhook-id", "webhook-timestamp"}
				if file != "main.go" && wire.Signature != "" { // The one in Go takes the others alone.
					needed = append(needed, wire.Signature)
				}
				for _, spoilt := range needed {
					require.Equal(t, http.StatusUnauthorized, deliver(t, url, body, wire, func(h http.Header) { h.Set(spoilt, "1"+h.Get(spoilt)) }), spoilt)
					require.Equal(t, http.StatusUnauthorized, deliver(t, url, body, wire, func(h http.Header) { h.Del(spoilt) }), spoilt)
				}
			})
		}
	}
}

func isShaped(name string) bool { return strings.HasPrefix(name, "a shape") }

// rustName is what the program in Rust for a wire is called.
func rustName(wire string) string { return regexp.MustCompile(`\W+`).ReplaceAllString(wire, "-") }

// buildRust builds the programs in Rust for all wires at once, and returns where they are.
func buildRust(t *testing.T, wires map[string]signer.Wire) string {
	t.Helper()
	dir := t.TempDir()
	manifest, err := os.ReadFile("../../examples/receivers/Cargo.toml")
	require.NoError(t, err)
	head, tail, _ := strings.Cut(string(manifest), "[[bin]]")
	_, needs, _ := strings.Cut(tail, "[dependencies]")
	for name, wire := range wires {
		bin := rustName(name)
		head += fmt.Sprintf("[[bin]]\nname = %q\npath = %q\n", bin, bin+".rs")
		require.NoError(t, os.WriteFile(filepath.Join(dir, bin+".rs"), []byte(portal.Program(t, wire, isShaped(name), "main.rs")), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Cargo.toml"), []byte(head+"[dependencies]"+needs), 0o600))
	cmd := exec.CommandContext(t.Context(), "../../tools/cargo.sh", "build", "--manifest-path", filepath.Join(dir, "Cargo.toml"))
	cmd.Env = append(os.Environ(), "RUSTFLAGS=-D warnings")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "target/debug")
}

// deliver posts a body with its signatures, which spoil may change, and returns the status.
func deliver(t *testing.T, url, body string, wire signer.Wire, spoil func(http.Header)) int {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(programSecret, "whsec_"))
	require.NoError(t, err)
	sum := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	if r.Header.Set("Content-Type", "application/json"); body == shapedBody {
		r.Header.Set("Content-Type", "text/plain")
	}
	if wire.Signature != "" {
		with, write := []byte(programSecret), hex.EncodeToString
		if wire.Untimed.DecodedKey {
			with = key
		}
		if wire.Untimed.Base64 {
			write = base64.StdEncoding.EncodeToString
		}
		r.Header.Set(wire.Signature, wire.Untimed.Prefix+write(sum(with, body)))
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("webhook-id", "evt_1")
	r.Header.Set("webhook-timestamp", now)
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(sum(key, "evt_1."+now+"."+body)))
	if spoil != nil {
		spoil(r.Header)
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

// startProgram runs a program until the test ends, and returns where it listens.
func startProgram(t *testing.T, command ...string) string {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(command[0], command[1:]...)
	port := "0"
	if command[0] == "sh" { // HttpListener takes no port 0.
		free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		_, port, err = net.SplitHostPort(free.Addr().String())
		require.NoError(t, err)
		require.NoError(t, free.Close())
	}
	cmd.Env = append(os.Environ(), "NODE_PATH=/usr/share/nodejs", "WEBHOOK_SECRET="+programSecret, "PORT="+port)
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	listening, ended := make(chan string, 1), make(chan string, 1)
	go func() {
		var said strings.Builder
		for lines := bufio.NewScanner(read); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if m := regexp.MustCompile(`127\.0\.0\.1:[1-9]\d*`).FindString(lines.Text()); m != "" {
				select {
				case listening <- m:
				default:
				}
			}
		}
		_ = cmd.Wait()
		ended <- said.String()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // With what "go run" has started.
		<-ended
		_ = read.Close()
	})
	select {
	case at := <-listening:
		return at
	case said := <-ended:
		ended <- said
		require.FailNow(t, "it has ended", said)
	case <-time.After(3 * time.Minute):
		require.FailNow(t, "it does not listen", "%q", command)
	}
	return ""
}
