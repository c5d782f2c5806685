package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"github.com/rag-assistant/webhooks/verifier/explain"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

// ran is what a run of the command left.
type ran struct {
	code           int
	stdout, stderr string
}

func newTool() (t *tool, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &tool{
		stdin: strings.NewReader(""), stdout: stdout, stderr: stderr,
		getenv: func(string) string { return "" },
		now:    func() time.Time { return time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC) },
		pause:  func(ctx context.Context) error { return ctx.Err() },
	}, stdout, stderr
}

// run runs the command with these arguments.
func run(t *testing.T, args ...string) ran {
	t.Helper()
	to, stdout, stderr := newTool()
	code := to.run(t.Context(), append([]string{"webhooks"}, args...))
	return ran{code, stdout.String(), stderr.String()}
}

// answering answers like the management API, from testdata/api.json: by method and path with
// query, and body if there is one, several answers one after the other.
func answering(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/api.json")
	require.NoError(t, err)
	var answers map[string][]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &answers))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key := strings.TrimSpace(r.Method + " " + r.RequestURI + " " + string(body))
		given := answers[key]
		switch {
		case r.Header.Get("Authorization") != "Bearer secret-token":
			fail(w, http.StatusUnauthorized, `{"code":"unauthorized","message":"Valid credentials are needed.","details":[]}`)
		case len(given) == 0:
			fail(w, http.StatusNotImplemented, fmt.Sprintf(`{"code":"untold","message":%q,"details":[]}`, key))
		case bytes.HasPrefix(given[0], []byte(`{"code"`)):
			fail(w, map[string]int{"not_found": 404, "no_such_path": 404, "forbidden": 403, "invalid_request": 400}[regexp.MustCompile(`"code":"(\w+)"`).FindStringSubmatch(string(given[0]))[1]], string(given[0]))
		default:
			_, _ = fmt.Fprintf(w, `{"success":true,"data":%s,"timestamp":"2026-11-30T12:00:00Z","requestId":"req_1"}`, given[0])
			if len(given) > 1 {
				answers[key] = given[1:]
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func fail(w http.ResponseWriter, status int, fault string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"success":false,"error":%s,"timestamp":"2026-11-30T12:00:00Z","requestId":"req_1"}`, fault)
}

// TestPage runs what docs/command.md shows: each line of a console block that begins with
// "$ " prints what follows it.
func TestPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/command.md")
	require.NoError(t, err)
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for example := range strings.SplitSeq(block[1], "$ webhooks ") {
			if example == "" {
				continue
			}
			line, want, _ := strings.Cut(example, "\n")
			shown++
			t.Run(line, func(t *testing.T) {
				t.Parallel()
				var args []string
				for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1) {
					args = append(args, strings.Trim(word, "'"))
				}
				got := run(t, append([]string{"--server", answering(t), "--token", "secret-token"}, args...)...)
				require.Equal(t, strings.TrimRight(want, "\n"), strings.TrimRight(got.stderr+got.stdout, "\n"))
			})
		}
	}
	require.Greater(t, shown, 15)
}

// TestPageIsWhole looks for each subcommand and each of its flags.
func TestPageIsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/command.md")
	require.NoError(t, err)
	to, _, _ := newTool()
	for _, c := range to.root().Commands {
		names := []string{c.Name}
		for _, below := range c.Commands {
			names = append(names, c.Name+" "+below.Name)
		}
		for _, name := range names {
			require.Regexp(t, "[` ]"+name+"`", string(text))
		}
		for _, one := range append(c.Commands, c) {
			for _, f := range one.Flags {
				require.Contains(t, string(text), "`--"+f.Names()[0]+"`", name(one, f))
			}
		}
	}
}

func name(c *cli.Command, f cli.Flag) string { return c.Name + " --" + f.Names()[0] }

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   string
		code   int
		stdout string // all of it
		stderr string // a part
	}{
		{"the data as it is", "events m1 --limit 1 -o json", 0, `{"events":[{"id":"evt_2","type":"document.deleted","createdAt":"2026-11-30T11:00:00Z"}],"next":"c1", "later": [1]}` + "\n", ""},
		{"an unknown event is an answer", "why m1 nope -o json", 0, `{"code":"not_found","message":"This merchant has no event with this id. The merchant never published it, or it is not known any more: no event of the merchant is kept.","details":[]}` + "\n", ""},
		{"an unknown path is none", "why m1 nowhere", 1, "", "There is no such path. (404 no_such_path, request req_1)\n  is --server right? And if the service calls its merchants something else, give its noun: --tenant"},
		{"a refusal is none", "ls m2", 1, "", "webhooks: These credentials are not for this merchant. (403 forbidden, request req_1)\n"},
		{"an unknown webhook is none", "deliveries m1 nope", 1, "", "(404 not_found, request req_1)"},
		{"details", "events m1 --limit 0", 1, "", "The request is not valid. See details. (400 invalid_request, request req_1)\n  limit: must be a whole number from 1 to 1000\n"},
		{"a wrong token", "ls m1 --token wrong", 1, "", "Valid credentials are needed. (401 unauthorized"},
		{"no API", "ls m1 --server http://127.0.0.1:1", 1, "", "connection refused"},
		{"no address", "ls m1 --server localhost:8080", 2, "", "--server is no address"},
		{"an address with a password", "ls m1 --server https://u:hidden@example.com", 2, "", "--server is no address"},
		{"an unknown flag", "ls m1 --nope", 2, "", "webhooks ls --help"},
		{"an unknown command", "lst", 2, "", `there is no command "lst"`},
		{"an unknown command of operators", "operator lst", 2, "", `there is no command "lst"`},
		{"too few arguments", "why m1", 2, "", "why takes MERCHANT EVENT"},
		{"too many", "events m1 m2", 2, "", "events takes MERCHANT"},
		{"an output that there is not", "ls m1 -o yaml", 2, "", "must be one of: text, json"},
		{"a time that is none", "events m1 --since noon", 2, "", "--since: give a time"},
		{"two hours ago", "events m1 --since 2h", 0, "PUBLISHED  TYPE  EVENT\n", ""},
		{"a job for nobody in particular", "operator delete", 2, "", "say which webhooks"},
		{"a job that failed", "operator job job_9 -o json --wait", 1, `{"id":"job_9","kind":"rewrap","status":"failed"}` + "\n", ""},
		{"a job of all", "operator rewrap --all --rate 50 --note rotated -o json", 0, `{"id":"job_3","kind":"rewrap","status":"running"}` + "\n", ""},
		{"what a terminal would obey", "ls evil", 0, "WEBHOOK  STATUS  HEALTH   FAILING SINCE  URL\nwhk_1    active  healthy  -              https://a.example.com/\\u001b[2J\n", ""},
		{"what a terminal would obey in an error", "ls worse", 1, "", `\u001b[2J (404 not_found`},
		{"no merchant to hand on from", "listen --forward http://127.0.0.1:1/", 2, "", "--forward needs MERCHANT"},
		{"a status that there is not", "listen --status 99", 2, "", "must be 200 to 599"},
		{"a prefix of headers that is none", "listen --wire-prefix X_Acme", 2, "", `--wire-prefix "X_Acme": `},
		{"nothing to explain", "explain nowhere", 2, "", "nowhere"},
		{"nothing kept to explain", "explain --last --dir nowhere", 2, "", "nowhere"},
		{"a time that is none to explain", "explain --at noon", 2, "", "--at"},
		{"a service without a login", "serve -store memory", 1, "", "-jwt-secret is needed"},
		{"no store", "export --store mysql://", 1, "", "is none of memory"},
		{"a key that is none", "export --store memory --seal-with hidden", 2, "", "is not id:base64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(tt.args)
			if args[0] != "serve" {
				args = append([]string{"--server", answering(t), "--token", "secret-token"}, args...)
			}
			got := run(t, args...)
			require.Equal(t, tt.code, got.code, "%s%s", got.stdout, got.stderr)
			require.Equal(t, tt.stdout, got.stdout)
			require.Contains(t, got.stderr, tt.stderr)
			require.NotContains(t, got.stderr, "hidden")
			require.NotContains(t, got.stderr, "secret-token")
		})
	}
}

// What other programs answer is no answer.
func TestNoAnswerOfTheAPI(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<html>")
		},
		"a redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
		"other JSON":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"error":"x"}`) },
		"other shapes": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"success":true,"data":[1]}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(h)
			defer server.Close()
			got := run(t, "--server", server.URL, "--token", "x", "why", "m1", "evt_1")
			require.Equal(t, 1, got.code)
			require.Regexp(t, "not as the API answers|not what this command knows", got.stderr)
			require.Empty(t, got.stdout)
		})
	}
}

// What a receiver has kept is judged as of when it arrived, unless --at says otherwise.
func TestExplainWhatWasKept(t *testing.T) {
	t.Parallel()
	secret, dir, arrived := "whsec_xyz789abc123def456ghi789jkl012mno345", t.TempDir(), time.Date(2025, time.November, 4, 12, 0, 0, 0, time.UTC)
	synctest.Test(t, func(t *testing.T) { // It ends when the file is written.
		keep, err := explain.Keep(dir, &explain.KeepOptions{Now: func() time.Time { return arrived }})
		require.NoError(t, err)
		keep(webhooktest.Request(t, secret, event.New(event.DocumentDeleted{DocumentID: "doc_1"}), &webhooktest.RequestOptions{At: arrived}), http.StatusUnauthorized, nil)
	})
	file := filepath.Join(dir, "rejected-20251104T120000.000000000Z-401.http")
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"", 0, "The request verifies."},
		{"1", 0, "The request verifies."},
		{"--at 2025-11-04T13:00:00Z", 1, "stale"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			to, stdout, stderr := newTool()
			to.getenv = func(name string) string { return map[string]string{"WEBHOOK_SECRET": secret}[name] }
			code := to.run(t.Context(), append([]string{"webhooks", "explain", "--last", "--dir", dir}, strings.Fields(tt.args)...))
			require.Equal(t, tt.code, code, "%s%s", stdout, stderr)
			require.True(t, strings.HasPrefix(stdout.String(), file+"\n"), stdout.String())
			require.Contains(t, stdout.String(), tt.says)
		})
	}
}

// The second page of the log fails once. What the first has shown is handed on all the same.
func TestForwardAfterAFailedPage(t *testing.T) {
	t.Parallel()
	failed := false
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := `{"id":"` + path.Base(r.URL.Path) + `","type":"document.created","payload":{}}`
		if path.Base(r.URL.Path) == "evt_2" { // in another shape
			data = `{"id":"evt_2","type":"document.created","payload":null,"sent":{"contentType":"text/plain","headers":{"X-Topic":"a"},"body":" a=1\n"}}`
		}
		switch {
		case path.Base(r.URL.Path) != "events":
		case r.FormValue("cursor") == "":
			data = `{"events":[{"id":"evt_2","createdAt":"2026-11-30T11:59:00Z"}],"next":"older"}`
		case !failed:
			failed = true
			fail(w, http.StatusServiceUnavailable, `{"code":"unavailable","message":"Later.","details":[]}`)
			return
		default:
			data = `{"events":[{"id":"evt_1","createdAt":"2026-11-30T11:58:00Z"}],"next":""}`
		}
		_, _ = fmt.Fprintf(w, `{"success":true,"data":%s}`, data)
	}))
	defer api.Close()
	var got []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Header.Get("webhook-id")+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("X-Topic")+" "+string(body))
	}))
	defer receiver.Close()
	to, stdout, stderr := newTool()
	polls := 0
	to.pause = func(context.Context) error {
		if polls++; polls < 3 {
			return nil
		}
		return context.Canceled
	}
	code := to.run(t.Context(), []string{"webhooks", "--server", api.URL, "--token", "x", "listen", "m1", "--forward", receiver.URL, "--since", "2h"})
	require.Equal(t, 0, code, stderr.String())
	require.Contains(t, stdout.String(), "tries again")
	require.Equal(t, []string{"evt_1 application/json  {}", "evt_2 text/plain a  a=1\n"}, got, "as it was sent")
}

func TestSettingsFromTheEnvironment(t *testing.T) {
	require.Equal(t, 2, run(t, "ls", "m1").code)
	t.Setenv("WEBHOOKS_SERVER", answering(t)+"/api/")
	t.Setenv("WEBHOOKS_TOKEN", "secret-token")
	require.Equal(t, ran{0, "whk_1 is active\n", ""}, run(t, "enable", "m1", "whk_1"))
	require.NotContains(t, run(t, "ls", "--help").stdout, "secret-token")
	require.Contains(t, run(t, "version").stdout, "webhooks ")
}

func TestInterruptedWait(t *testing.T) {
	t.Parallel()
	to, stdout, stderr := newTool()
	to.pause = func(context.Context) error { return context.Canceled }
	require.Equal(t, 1, to.run(t.Context(), []string{"webhooks", "--server", answering(t), "--token", "secret-token", "operator", "job", "job_1", "--wait"}))
	require.Empty(t, stdout.String())
	require.Contains(t, stderr.String(), "job_1 goes on by itself")
}
