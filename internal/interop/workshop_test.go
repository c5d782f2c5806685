//go:build interop

package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// workshop is a directory for what all tests need. TestMain removes it.
var workshop = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "interop") })

// installFrameworks returns a directory with the programs of examples/frameworks, what
// runs them, and their packages from npm.
var installFrameworks = sync.OnceValues(func() (string, error) {
	shop, err := workshop()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(shop, "frameworks")
	for _, from := range []string{"../../examples/frameworks", "frameworks"} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			return "", err
		}
	}
	if err := runIn(dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return "", err
	}
	if err := runIn(dir, "node_modules/.bin/esbuild", "nest.ts", "--format=esm", "--outfile=nest.mjs",
		`--tsconfig-raw={"compilerOptions":{"experimentalDecorators":true}}`); err != nil {
		return "", err
	}
	// The program itself: npm's command starts it as a child, which would outlive a test.
	found, err := filepath.Glob(filepath.Join(dir, "node_modules/@cloudflare/workerd-*/bin/workerd"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("workerd is not there for this machine: %q, %w", found, err)
	}
	return dir, os.Symlink(found[0], filepath.Join(dir, "workerd"))
})

// runIn runs a command in a directory.
func runIn(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return nil
}

// compile returns a directory with the receivers in C# and in Rust.
var compile = sync.OnceValues(func() (string, error) {
	dir, err := workshop()
	if err != nil {
		return "", err
	}
	if err := runIn(rawDir, "mcs", "-out:"+filepath.Join(dir, "Program.exe"), "Program.cs"); err != nil {
		return "", err
	}
	for _, name := range []string{"Cargo.toml", "main.rs"} {
		text, err := os.ReadFile(filepath.Join(rawDir, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", err
		}
	}
	return dir, runIn(".", "../../tools/cargo.sh", "build", "--manifest-path", filepath.Join(dir, "Cargo.toml"), "--target-dir", dir)
})
