package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/signer"
)

const (
	secret = "an-example-secret"
	ours   = "whsec_xyz789abc123def456ghi789jkl012mno345"
	where  = "http://127.0.0.1:3000/webhooks/"
)

func mac(text string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

// TestReceiver posts what four senders send, each twice. It is handled once.
func TestReceiver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "receiver")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	now := time.Now()
	at := strconv.FormatInt(now.Unix(), 10)
	key, err := signer.ParseSecret(ours)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.New(key)
	if err != nil {
		t.Fatal(err)
	}
	const (
		push   = `{"ref":"refs/heads/main"}`
		charge = `{"id":"evt_stripe","type":"charge.succeeded","created":1762257600,"data":{"object":{}}}`
		say    = `{"type":"event_callback","event_id":"Ev1","event_time":1762257600,"event":{"type":"app_mention"}}`
		create = `{"created":"2025-11-04T12:36:00Z","data":{"documentId":"doc_1","title":"Contract"},"id":"evt_1","type":"document.created"}`
	)
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Dir = dir
	cmd.Env = []string{"GITHUB_SECRET=" + secret, "STRIPE_SECRET=" + secret, "SLACK_SECRET=" + secret, "WEBHOOK_SECRET=" + ours}
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		source, body string
		header       map[string]string
	}{
		{"github", push, map[string]string{"X-GitHub-Delivery": "72d3162e", "X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + mac(push)}},
		{"stripe", charge, map[string]string{"Stripe-Signature": "t=" + at + ",v1=" + mac(at+"."+charge)}},
		{"slack", say, map[string]string{"X-Slack-Request-Timestamp": at, "X-Slack-Signature": "v0=" + mac("v0:"+at+":"+say)}},
		{"ours", create, map[string]string{"webhook-id": "evt_1", "webhook-timestamp": at, "webhook-signature": string(s.AppendStandard(nil, "evt_1", now, []byte(create)))}},
	} {
		for range 2 {
			if got := post(t, m.source, m.body, m.header); got != http.StatusOK {
				t.Fatalf("%s: answered %d", m.source, got)
			}
		}
		if got := post(t, m.source, m.body, nil); got != http.StatusUnauthorized {
			t.Fatalf("%s without a signature: answered %d", m.source, got)
		}
	}
	want := map[string]int{"72d3162e: push": 0, "evt_stripe: charge.succeeded": 0, "Ev1: app_mention": 0, `evt_1: new document "Contract"`: 0}
	stop := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	for lines, left := bufio.NewScanner(out), len(want); left > 0 && lines.Scan(); {
		for line := range want {
			if strings.HasSuffix(lines.Text(), line) {
				want[line]++
				left--
			}
		}
	}
	stop.Stop()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for line, n := range want {
		if n != 1 {
			t.Errorf("%q was handled %d times", line, n)
		}
	}
}

// post sends a message as soon as the program listens.
func post(t *testing.T, source, body string, header map[string]string) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, where+source, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		for name, value := range header {
			r.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("the program does not listen: %w", err))
		}
		time.Sleep(10 * time.Millisecond) // It is another process, which says nothing when it listens.
	}
}
