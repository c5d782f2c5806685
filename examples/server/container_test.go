package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
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
)

const fromRoot = "examples/server/"

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
	var addr []string
	for addr == nil {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		addr = regexp.MustCompile(`addr=(\S+)`).FindStringSubmatch(line)
	}
	healthy := func() error { return command(im.health, "WEBHOOK_SERVER_ADDR="+addr[1]).Run() }
	require.NoError(t, healthy())
	require.NoError(t, server.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, lines)
	require.NoError(t, server.Wait())
	require.FileExists(t, filepath.Join(server.Dir, ownStore))
	require.EqualError(t, healthy(), "exit status 1")
}

// TestCompose loads the file as Docker does. The server reads the environment of each
// of its containers.
func TestCompose(t *testing.T) {
	key := "k1:" + base64.StdEncoding.EncodeToString([]byte(secret))
	opts, err := cli.NewProjectOptions([]string{"compose.yaml"},
		cli.WithName("webhooks"), cli.WithEnv([]string{"JWT_SECRET=" + secret, "SECRET_KEY=" + key}), cli.WithConsistency(true))
	require.NoError(t, err)
	project, err := opts.LoadProject(t.Context())
	require.NoError(t, err)
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
			for _, line := range im.environment {
				key, value, _ := strings.Cut(line, "=")
				require.Contains(t, known, key)
				t.Setenv(key, value)
			}
			for key, value := range s.Environment {
				require.NotNil(t, value, key)
				require.True(t, known[key] || strings.HasPrefix(key, "OTEL_"), "the server knows no %s", key)
				t.Setenv(key, inContainer(t, project, s, *value))
			}
			c, err := parse(s.Command, io.Discard)
			require.NoError(t, err)
			require.Equal(t, "k1", c.service.SecretKeys[0].ID)
			require.True(t, c.serves() || c.jwtSecret == nil, "it is told no more secrets than it needs")
			require.Greater(t, time.Duration(*s.StopGracePeriod), 35*time.Second, "it may take that long to drain")
			require.Equal(t, ":8080", c.addr, "this is where the proxy asks")
			roles[c.role] = true
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

// variables returns the variables that -h lists.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	var help strings.Builder
	_, err := parse([]string{"-h"}, &help)
	require.Error(t, err)
	out := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  -(\S+)`).FindAllStringSubmatch(help.String(), -1) {
		out[variable(m[1])] = true
	}
	for _, name := range inFiles() {
		require.Contains(t, out, variable(name))
		out[variable(name)+"_FILE"] = true
	}
	return out
}
