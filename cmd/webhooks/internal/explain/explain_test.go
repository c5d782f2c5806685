package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	secret   = "whsec_xyz789abc123def456ghi789jkl012mno345"
	received = "2025-11-04T12:00:00Z"
)

func TestRun(t *testing.T) {
	t.Parallel()
	sample, err := os.ReadFile("request.http")
	require.NoError(t, err)
	good := strings.NewReplacer(`": "`, `":"`, `": {`, `":{`, `, "`, `,"`, `\u00e9`, "é").Replace(strings.TrimSuffix(string(sample), "\n"))
	headless := good[strings.Index(good, "\n")+1:]
	with := func(pairs ...string) func(string) string {
		env := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			env[pairs[i]] = pairs[i+1]
		}
		return func(name string) string { return env[name] }
	}
	known := with("WEBHOOK_SECRET", secret)
	for _, tt := range []struct {
		name  string
		args  []string
		env   func(string) string
		stdin string
		code  int
		says  string
	}{
		{"sample file", []string{"-at", received, "request.http"}, known, "", 1, "body_rewritten"},
		{"sample file, today", []string{"request.http"}, known, "", 1, "stale"},
		{"stdin", []string{"-at", received}, known, good, 0, "The request verifies."},
		{"without a request line", []string{"-at", received}, known, headless, 0, "The request verifies."},
		{"with CRLF in the headers", []string{"-at", received}, known, strings.ReplaceAll(good, "\n", "\r\n"), 0, "The request verifies."},
		{"secret with a line break", []string{"-at", received}, with("WEBHOOK_SECRET", secret+"\n"), good, 1, "secret_space"},
		{"older secret", []string{"-at", received}, with("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "WEBHOOK_OTHER_SECRETS", "x,"+secret), good, 1, "secret_other"},
		{"no secret", nil, with(), good, 1, "secret_missing"},
		{"a line break at the end", []string{"-at", received}, known, good + "\n", 1, "body_line_break"},
		{"no empty line", nil, known, "Host: x\n", 2, "no empty line"},
		{"no headers", nil, known, "POST / HTTP/1.1\nnonsense\n\n", 2, "Name: value"},
		{"no such file", []string{"nowhere"}, known, "", 2, "nowhere"},
		{"two files", []string{"a", "b"}, known, "", 2, "one file"},
		{"a bad time", []string{"-at", "noon"}, known, "", 2, "noon"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			code, err := run(tt.args, tt.env, strings.NewReader(tt.stdin), &out)
			require.Equal(t, tt.code, code, out.String())
			require.Equal(t, code == 2, err != nil)
			if err != nil {
				out.WriteString(err.Error())
			}
			require.Contains(t, out.String(), tt.says)
			require.NotContains(t, out.String(), secret[6:16])
		})
	}
	code, err := run(nil, known, broken{}, io.Discard)
	require.Equal(t, 2, code)
	require.Error(t, err)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
