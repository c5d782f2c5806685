// Package layout_test holds the module to its import picture: which package may
// pull in which, and which further modules reach a user's go.mod through it.
// The linter looks at single import lines; here everything counts that a
// package drags along.
package layout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/rag-assistant/webhooks"
	redis  = "github.com/redis/go-redis"
	pgx    = "github.com/jackc/pgx/v5"
	jwt    = "github.com/golang-jwt/jwt/v5"
	mail   = "github.com/wneessen/go-mail"
	otel   = "go.opentelemetry.io/otel"
	yaml   = "go.yaml.in/yaml/v4"
)

// A rule says all that a package may pull in beside the standard library, at any
// distance.
type rule struct {
	// room is the package, from the module's root.
	room string

	// ours are the module's packages that it may pull in; a pattern that ends in
	// /... takes those below as well.
	ours []string

	// modules are the further modules that it may pull in. Nil is none: whoever
	// imports the room finds nothing new in their go.mod.
	modules []string
}

// core is what a sender needs. The service takes its store as an argument, so
// no backend is among them.
var core = []string{"retry", "signer", "internal/hidden", "store", "webhook/event", "webhook/egress", "webhook/words", "webhook/internal/..."}

var coreModules = []string{
	"code.dny.dev/ssrf",
	"github.com/go-json-experiment/json",
	"github.com/google/uuid",
	"golang.org/x/sync",
}

// otelModules are OpenTelemetry's API and what that needs: no SDK, no exporter.
var otelModules = []string{
	otel,
	otel + "/metric",
	otel + "/trace",
	"github.com/cespare/xxhash/v2",
}

var rules = []rule{
	// Leaves.
	{room: "retry"},
	{room: "signer", ours: []string{"internal/hidden"}},
	{room: "store"},
	{room: "webhook/words"},
	{room: "webhook/event", ours: []string{"webhook/internal/strictjson"}},
	{room: "webhook/portable", ours: []string{"webhook/internal/strictjson"}},

	// The receiving side adds no module and knows neither the sending side nor a
	// store's backend.
	{room: "verifier", ours: []string{"signer", "internal/hidden", "webhook/event", "webhook/internal/strictjson"}},
	{room: "webhook/receiver", ours: []string{"verifier", "signer", "internal/hidden", "store", "webhook/event", "webhook/internal/..."}},
	{room: "webhook/otelreceiver", ours: []string{"webhook/receiver", "verifier", "signer", "internal/hidden", "store", "webhook/event", "webhook/internal/..."}, modules: otelModules},

	// The sending side.
	{room: "webhook/egress", ours: []string{"webhook/internal/...", "webhook/words"}, modules: []string{"code.dny.dev/ssrf"}},
	{room: "webhook", ours: core, modules: coreModules},
	{room: "webhook/jwtauth", ours: append([]string{"webhook"}, core...), modules: append([]string{jwt}, coreModules...)},
	{room: "webhook/mailnotify", ours: append([]string{"webhook"}, core...), modules: append([]string{
		mail,
		"golang.org/x/crypto",
		"golang.org/x/text",
	}, coreModules...)},

	{room: "webhook/internal/vault", ours: []string{"signer", "internal/hidden", "store", "webhook/internal/token", "webhook/words"}},
	{room: "webhook/internal/webui", ours: append([]string{"webhook"}, core...), modules: coreModules},
	{room: "webhook/internal/once", ours: []string{"store", "webhook/internal/id", "webhook/words"}, modules: []string{"github.com/google/uuid"}},

	// Twins: neither knows the other.
	{room: "webhook/api", ours: append([]string{"webhook", "webhook/operator"}, core...), modules: append([]string{yaml}, coreModules...)},
	{room: "webhook/portal", ours: append([]string{"webhook", "webhook/operator"}, core...), modules: coreModules},
	{room: "webhook/operator", ours: append([]string{"webhook"}, core...), modules: coreModules},
	{room: "webhook/inbox", ours: append([]string{"webhook", "webhook/receiver", "verifier"}, core...), modules: coreModules},
	{room: "webhook/transfer", ours: append([]string{"webhook"}, core...), modules: coreModules},
	{room: "webhook/otelwebhook", ours: append([]string{"webhook"}, core...), modules: append(otelModules, coreModules...)},

	// Backends know the contract, not their caller.
	{room: "store/memstore", ours: []string{"store"}},
	{room: "store/redisstore", ours: []string{"store"}, modules: []string{
		redis + "/v9",
		"github.com/cespare/xxhash/v2",
		"go.uber.org/atomic",
		"golang.org/x/sys",
	}},
	{room: "store/sqlstore/pgx", ours: []string{"store", "store/sqlstore"}, modules: []string{
		pgx,
		"github.com/jackc/pgpassfile",
		"github.com/jackc/pgservicefile",
		"github.com/jackc/puddle/v2",
		"golang.org/x/sync",
		"golang.org/x/text",
	}},
	{room: "store/sqlstore", ours: []string{"store"}, modules: []string{"golang.org/x/sync"}},
}

// redisRooms may import go-redis: the backend, what tests it, and whole
// programs, which open the client that they pass in.
var redisRooms = []string{"store/redisstore/...", "internal/redistest/...", "examples/..."}

// otelRooms may import OpenTelemetry.
var otelRooms = []string{"webhook/otelwebhook/...", "webhook/otelreceiver/...", "examples/..."}

// pkg is what the test reads of `go list -json`.
type pkg struct {
	ImportPath string
	Imports    []string // The direct ones, without those of tests.
	Deps       []string // All of them, at any distance.
	Standard   bool
	Module     *struct{ Path string }
}

// room returns the path from the module's root, and false for a package of
// another module.
func (p pkg) room() (string, bool) {
	if p.Module == nil || p.Module.Path != module {
		return "", false
	}
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/"), true
}

func TestImports(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for _, r := range rules {
		t.Run(r.room, func(t *testing.T) {
			t.Parallel()
			// A room that is not built yet breaks nothing.
			for _, p := range packages {
				if room, ok := p.room(); ok && governing(room) == r.room {
					require.Empty(t, r.strangers(p, packages), "%s must not pull these in", p.ImportPath)
				}
			}
		})
	}
}

func TestClientsStayInTheirRooms(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for client, rooms := range map[string][]string{redis: redisRooms, pgx: {"store/sqlstore/pgx"}, mail: {"webhook/mailnotify"}} {
		for _, p := range packages {
			room, ok := p.room()
			if !ok || matchesAny(room, rooms) {
				continue
			}
			for _, path := range p.Imports {
				require.False(t, within(path, client), "%s imports %s: take a role or a function as an argument instead", room, path)
			}
		}
	}
}

func TestTelemetryStaysInItsRoom(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		room, ok := p.room()
		if !ok || matchesAny(room, otelRooms) {
			continue
		}
		for _, path := range p.Imports {
			require.False(t, within(path, otel), "%s imports %s: let Observer tell it instead", room, path)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	other := func(path string) *struct{ Path string } { return &struct{ Path string }{path} }
	packages := map[string]pkg{}
	for _, p := range []pkg{
		{ImportPath: "fmt", Standard: true},
		{ImportPath: redis + "/v9", Module: other(redis + "/v9")},
		{ImportPath: module + "/webhook/internal/jcs", Module: other(module)},
		{ImportPath: module + "/store", Module: other(module)},
	} {
		packages[p.ImportPath] = p
	}
	p := pkg{ImportPath: module + "/room"}
	for path := range packages {
		p.Deps = append(p.Deps, path)
	}

	all := []string{redis + "/v9", module + "/store", module + "/webhook/internal/jcs"}
	require.ElementsMatch(t, all, rule{room: "room"}.strangers(p, packages), "a leaf may pull in nothing but the standard library")
	require.ElementsMatch(t, all[:1], rule{room: "room", ours: []string{"store", "webhook/internal/..."}}.strangers(p, packages))
	require.ElementsMatch(t, all[2:], rule{room: "room", ours: []string{"store"}, modules: []string{redis + "/v9"}}.strangers(p, packages))

	p.ImportPath, p.Deps = module+"/store", []string{module + "/store/memstore"}
	packages[module+"/store/memstore"] = pkg{ImportPath: module + "/store/memstore", Module: other(module)}
	require.NotEmpty(t, rule{room: "store"}.strangers(p, packages), "the contract knows no backend, though it is below it")

	require.Equal(t, "webhook/event", governing("webhook/event/sub"))
	require.Equal(t, "webhook", governing("webhook"))
	require.Empty(t, governing("webhook/internal/jcs"), "held by the rules of those who import it")
	require.Empty(t, governing("webhook/optional"), "an optional part may bring its own modules")
	require.Equal(t, "webhook/jwtauth", governing("webhook/jwtauth"), "unless it has a rule")
}

// strangers returns what p pulls in and r does not allow.
func (r rule) strangers(p pkg, packages map[string]pkg) []string {
	var out []string
	for _, path := range p.Deps {
		dep, known := packages[path]
		if !known || dep.Standard {
			continue
		}
		room, own := dep.room()
		switch {
		case own && (governing(room) == r.room || matchesAny(room, r.ours)):
		case !own && dep.Module != nil && slices.Contains(r.modules, dep.Module.Path):
		default:
			out = append(out, path)
		}
	}
	return out
}

// governing returns the room whose rule a package is under, or "". A rule holds
// for subpackages too, but not below webhook and store: what is there is a room
// of its own, and optional parts and test kits have no rule.
func governing(path string) string {
	for _, r := range rules {
		if path == r.room || r.room != "webhook" && r.room != "store" && within(path, r.room) {
			return r.room
		}
	}
	return ""
}

// within reports whether path is room or below it.
func within(path, room string) bool {
	return path == room || strings.HasPrefix(path, room+"/")
}

func matchesAny(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if room, ok := strings.CutSuffix(pattern, "/..."); ok {
			return within(path, room)
		}
		return path == pattern
	})
}

// list returns the root module's packages and all that they pull in, by import
// path.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	root := filepath.Join("..", "..")
	// The verdict depends on files that only `go list` reads. Reading their
	// directories here tells `go test` when its cached verdict is stale.
	require.NoError(t, filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		return err
	}))

	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard,Module", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)

	packages := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		packages[p.ImportPath] = p
	}
	require.Contains(t, packages, module+"/store", fmt.Sprintf("go list has %d packages", len(packages)))
	return packages
}

// TestPins holds what builds and runs the project to one release each: actions to a
// commit, images to a patch level or a digest.
func TestPins(t *testing.T) {
	t.Parallel()
	action := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	image := regexp.MustCompile(`:\d+\.\d+\.\d+$|@sha256:[0-9a-f]{64}$`)
	named := regexp.MustCompile(`(?m)^\s*(?:- )?(uses:|image:|FROM)\s+(.*?)(?: AS \w+)?$`)
	matrix := regexp.MustCompile(`(?m)^\s*redis: \[(.*)\]$`)
	seen := 0
	for file, least := range map[string]int{".github/workflows/ci.yml": 11, "examples/server/Dockerfile": 2, "examples/server/compose.yaml": 2} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err)
		found := named.FindAllStringSubmatch(string(text), -1)
		require.GreaterOrEqual(t, len(found), least, file)
		for _, m := range found {
			pin := image
			if m[1] == "uses:" {
				pin = action
			}
			require.Regexp(t, pin, m[2], file)
		}
		for _, m := range matrix.FindAllStringSubmatch(string(text), -1) {
			for release := range strings.SplitSeq(m[1], ", ") {
				require.Regexp(t, image, ":"+strings.Trim(release, `"`), file)
				seen++
			}
		}
	}
	require.Equal(t, 2, seen)
}
