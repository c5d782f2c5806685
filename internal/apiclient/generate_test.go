package apiclient_test

import (
	"os/exec"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	_ "github.com/rag-assistant/webhooks/webhook/api" // A change to the API or to its document is a reason to test again.
)

// TestGenerated generates the client and runs the tests that need it. They carry a
// build tag, so that the package compiles without the client.
func TestGenerated(t *testing.T) {
	t.Parallel()
	// go test repeats its last verdict unless a file that was looked at has changed.
	for _, name := range []string{"client_test.go", "generate.yaml", "overlay.yaml"} {
		require.FileExists(t, name)
	}
	run := func(args ...string) {
		out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
		require.NoError(t, err, "go %q: %s", args, out)
		t.Logf("%s", out)
	}
	test := []string{"test", "-tags", "generated", "-skip", "^TestGenerated$", "."}
	info, ok := debug.ReadBuildInfo()
	require.True(t, ok)
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		test = slices.Insert(test, 1, "-race")
	}
	run("generate", ".")
	run(test...)
}
