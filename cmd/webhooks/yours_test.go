package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestYours runs each command of docs/yours.md. A service that the page starts is up for those
// that follow.
func TestYours(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/yours.md")
	require.NoError(t, err)
	lines := regexp.MustCompile(`(?m)^webhooks .*$`).FindAllString(string(text), -1)
	require.Greater(t, len(lines), 3)
	const key = "0123456789abcdef0123456789abcdef"
	login := []string{"-store", "memory", "-jwt-secret", key}
	var url, token string
	for _, line := range lines {
		args := strings.Fields(strings.Replace(line, "catalog.json", "serve/testdata/acme.json", 1))
		if args[1] == "serve" {
			args = append(args, login...)
			to, stdout, _ := newTool()
			require.Zero(t, to.run(t.Context(), append(args, "-token", "*")), line)
			url, token = listening(t, append(args, "-addr", "127.0.0.1:0")), strings.TrimSpace(stdout.String())
			continue
		}
		got := run(t, append([]string{"--server", url, "--token", token}, args[1:]...)...)
		require.Zero(t, got.code, "%s: %s", line, got.stderr)
	}
	flags, stdout, stderr := newTool()
	require.Zero(t, flags.run(t.Context(), []string{"webhooks", "serve", "-h"}))
	for _, flag := range []string{"title", "tenant", "catalog", "wire-prefix", "wire-untimed", "jwt-claim"} {
		require.Contains(t, stdout.String()+stderr.String(), "  -"+flag)
		require.Contains(t, string(text), "-"+flag)
	}
}

// listening runs a service until the test ends, and returns its address.
func listening(t *testing.T, args []string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	logs, w := io.Pipe()
	to := &tool{stdin: strings.NewReader(""), stdout: io.Discard, stderr: w, getenv: func(string) string { return "" }}
	ended := make(chan int, 1)
	go func() {
		ended <- to.run(ctx, args)
		_ = w.Close()
	}()
	t.Cleanup(func() {
		stop()
		require.Zero(t, <-ended)
	})
	var read bytes.Buffer
	for buf := make([]byte, 1024); ; {
		n, err := logs.Read(buf)
		require.NoError(t, err, "%s: %s", args, read.String())
		read.Write(buf[:n])
		if at := regexp.MustCompile(`addr=(\S+) `).FindStringSubmatch(read.String()); at != nil {
			go func() { _, _ = io.Copy(io.Discard, logs) }()
			return "http://" + at[1]
		}
	}
}
