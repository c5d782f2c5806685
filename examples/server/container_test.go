package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/cmd/webhooks/serve"
	"github.com/rag-assistant/webhooks/internal/redistest"
)

const (
	fromRoot = "examples/server/"
	secret   = "0123456789abcdef0123456789abcdef"
)

// image is what the Dockerfile says of the image.
type image struct {
	build              string // a line of shell
	environment        []string
	entrypoint, health []string
}

func readDockerfile(t *testing.T) image {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	field := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile("(?m)^" + pattern + "$").FindStringSubmatch(string(text))
		require.NotNil(t, m, pattern)
		return m[1]
	}
	list := func(text string) (out []string) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(text), &out), text)
		return out
	}
	return image{
		build: field("RUN (.*)"), environment: strings.Fields(field("ENV (.*)")),
		entrypoint: list(field("ENTRYPOINT (.*)")), health: list(field("HEALTHCHECK .* CMD (.*)")),
	}
}

// TestImage does what the Dockerfile says, without a container: it builds and starts
// the server, asks if it is healthy, and stops it.
func TestImage(t *testing.T) {
	t.Parallel()
	im := readDockerfile(t)
	binary := filepath.Join(t.TempDir(), "server")
	// Without -trimpath, the packages that are compiled already can be used.
	line := strings.NewReplacer(" "+im.entrypoint[0], " "+binary, " -trimpath", "").Replace(im.build)
	build := exec.CommandContext(t.Context(), "sh", "-c", line)
	build.Dir = strings.Repeat("../", strings.Count(fromRoot, "/"))
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	command := func(words []string, env ...string) *exec.Cmd {
		require.Equal(t, im.entrypoint[0], words[0])
		cmd := exec.CommandContext(t.Context(), binary, words[1:]...)
		cmd.Env = append(im.environment, env...)
		return cmd
	}

	server := command(im.entrypoint, "WEBHOOK_SERVER_ADDR=127.0.0.1:0", "WEBHOOK_SERVER_JWT_SECRET="+secret)
	server.Dir = t.TempDir()
	logs, err := server.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	lines := bufio.NewReader(logs)
	addr := listening(t, lines)
	healthy := func() error { return command(im.health, "WEBHOOK_SERVER_ADDR="+addr[0]).Run() }
	require.NoError(t, healthy())
	require.NoError(t, server.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, lines)
	require.NoError(t, server.Wait())
	require.FileExists(t, filepath.Join(server.Dir, "webhooks.db"))
	require.EqualError(t, healthy(), "exit status 1")
}

// listening reads the log until the server listens, and returns its address and role.
func listening(t *testing.T, log *bufio.Reader) []string {
	t.Helper()
	for {
		line, err := log.ReadString('\n')
		require.NoError(t, err)
		if found := regexp.MustCompile(`addr=(\S+) role=(\S+)`).FindStringSubmatch(line); found != nil {
			return found[1:]
		}
	}
}

// TestCompose loads the file as Docker does, and starts the server in the environment of
// each of its containers, on a Redis of the test's.
func TestCompose(t *testing.T) {
	key := "k1:" + base64.StdEncoding.EncodeToString([]byte(secret))
	opts, err := cli.NewProjectOptions([]string{"compose.yaml"},
		cli.WithName("webhooks"), cli.WithEnv([]string{"JWT_SECRET=" + secret, "SECRET_KEY=" + key}), cli.WithConsistency(true))
	require.NoError(t, err)
	project, err := opts.LoadProject(t.Context())
	require.NoError(t, err)
	redis := "redis://" + redistest.Start(t).Addr
	im, known := readDockerfile(t), variables(t)
	roles := map[string]bool{}
	for name, s := range project.Services {
		for other, d := range s.DependsOn {
			if d.Condition == types.ServiceConditionHealthy {
				require.NotNil(t, project.Services[other].HealthCheck, "%s waits for %s to be healthy", name, other)
			}
		}
		if s.Build == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			require.FileExists(t, filepath.Join(s.Build.Context, s.Build.Dockerfile))
			require.Equal(t, append([]string{"CMD"}, im.health...), []string(s.HealthCheck.Test))
			require.Contains(t, im.environment, "WEBHOOK_SERVER_ADDR=:8080", "this is where the proxy asks")
			require.Greater(t, time.Duration(*s.StopGracePeriod), 35*time.Second, "it may take that long to drain")
			for key, value := range s.Environment {
				require.NotNil(t, value, key)
				require.True(t, known[key] || strings.HasPrefix(key, "OTEL_"), "the server knows no %s", key)
				t.Setenv(key, inContainer(t, project, s, *value))
			}
			require.Equal(t, "redis://redis:6379", os.Getenv("WEBHOOK_SERVER_STORE"))
			t.Setenv("WEBHOOK_SERVER_STORE", redis)
			t.Setenv("WEBHOOK_SERVER_ADDR", "127.0.0.1:0")
			ctx, stop := context.WithCancel(t.Context())
			logs, w := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				ended <- serve.Run(ctx, s.Command, io.Discard, w)
				_ = w.Close()
			}()
			lines := bufio.NewReader(logs)
			role := listening(t, lines)[1]
			go func() { _, _ = io.Copy(io.Discard, lines) }()
			stop()
			require.NoError(t, <-ended)
			_, told := s.Environment["WEBHOOK_SERVER_JWT_SECRET_FILE"]
			require.Equal(t, role == "api", told, "it is told no more secrets than it needs")
			roles[role] = true
		})
	}
	require.Equal(t, map[string]bool{"api": true, "dispatch": true}, roles)
}

// inContainer returns a value of the environment. The path of a secret is replaced by
// one that exists here.
func inContainer(t *testing.T, project *types.Project, s types.ServiceConfig, value string) string {
	t.Helper()
	name, isSecret := strings.CutPrefix(value, "/run/secrets/")
	if !isSecret {
		return value
	}
	for _, one := range s.Secrets {
		if one.Source == name {
			file := filepath.Join(t.TempDir(), name)
			text, set := project.Environment[project.Secrets[name].Environment]
			require.True(t, set, name)
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			return file
		}
	}
	require.Failf(t, "no such secret", "%s has no secret %s", s.Name, name)
	return ""
}

// variables returns the variables of the flags that -h lists, and of those that hold
// secrets the ones that name files.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	var help strings.Builder
	require.ErrorIs(t, serve.Run(t.Context(), []string{"-h"}, io.Discard, &help), flag.ErrHelp)
	out := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  -(\S+)`).FindAllStringSubmatch(help.String(), -1) {
		out["WEBHOOK_SERVER_"+strings.ToUpper(strings.ReplaceAll(m[1], "-", "_"))] = true
	}
	for _, name := range []string{"STORE", "SECRET_KEY", "JWT_SECRET", "SMTP_PASSWORD"} {
		require.Contains(t, out, "WEBHOOK_SERVER_"+name)
		out["WEBHOOK_SERVER_"+name+"_FILE"] = true
	}
	return out
}
