// Command architecture draws the module from its imports and names.
// docs/architecture-packages.svg shows the packages by floor, as package
// internal/layout has them, and docs/architecture-files.svg the files of package
// webhook.
//
// One file points to another if it uses an identifier that the other declares: a
// function, a method, a type, a field, a constant or a variable. However often it
// does, that is one arrow. The files stand in an order in which few arrows run back up:
// from the order of their names, the program moves one file at a time for as long as
// that leaves fewer. What still runs back up then is counted.
//
//	architecture         writes the pictures
//	architecture -check  writes nothing and fails if they are not current
//
// Both fail on an import that does not run down, and if more than 15 arrows between
// files run back up.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/internal/layout"
)

const (
	module = "github.com/rag-assistant/webhooks/"

	// mostBack bounds the arrows between files of package webhook that run back up.
	mostBack = 15
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("architecture: ")
	check := flag.Bool("check", false, "write nothing and fail if the pictures in docs/ are not current")
	flag.Parse()
	if err := run(*check); err != nil {
		log.Fatal(err)
	}
}

func run(check bool) error {
	packages, err := list()
	if err != nil {
		return err
	}
	files, err := fileGraph(packages, module+"webhook")
	if err != nil {
		return err
	}
	order := files.order()
	rooms, faults := roomGraph(packages)
	if back := files.back(order); back > mostBack {
		faults = append(faults, fmt.Errorf("package webhook: %d arrows between files run back up, at most %d may", back, mostBack))
	}
	for name, picture := range map[string][]byte{
		"docs/architecture-packages.svg": drawRooms(rooms),
		"docs/architecture-files.svg":    drawFiles(files, order),
	} {
		if !check {
			faults = append(faults, os.WriteFile(name, picture, 0o644)) //nolint:gosec // G306: as readable as the other files
		} else if old, err := os.ReadFile(name); err != nil || !bytes.Equal(old, picture) { //nolint:gosec // G304: one of the two above
			faults = append(faults, fmt.Errorf("%s is not current: run make architecture", name))
		}
	}
	return errors.Join(faults...)
}

// pkg is what is read of `go list`.
type pkg struct {
	ImportPath, Dir, Export string
	GoFiles, Imports        []string
}

// list returns the module's packages and all that they need.
func list() (map[string]pkg, error) {
	cmd := exec.CommandContext(context.Background(), "go", "list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,Imports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	packages := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); err == nil && dec.More(); {
		var p pkg
		err = dec.Decode(&p)
		packages[p.ImportPath] = p
	}
	return packages, err
}

// roomGraph returns which room imports which, and what is wrong with that.
func roomGraph(packages map[string]pkg) (*graph, []error) {
	var faults []error
	rooms, floors := layout.Rooms()
	g := newGraph(rooms)
	empty := slices.Clone(rooms)
	for path, p := range packages {
		path, own := strings.CutPrefix(path, module)
		if !own {
			continue
		}
		from := layout.Find(rooms, path)
		if from < 0 {
			faults = append(faults, fmt.Errorf("package %s has no floor: give it one in internal/layout", path))
			continue
		}
		empty[from] = ""
		for _, imported := range p.Imports {
			imported, own := strings.CutPrefix(imported, module)
			to := layout.Find(rooms, imported)
			switch {
			case !own || to < 0 || to == from:
			case floors[to] > floors[from]:
				g.uses[from][to] = true
			default:
				faults = append(faults, fmt.Errorf("package %s imports %s, which is not on a lower floor", path, imported))
			}
		}
	}
	for _, room := range empty {
		if room != "" {
			faults = append(faults, fmt.Errorf("internal/layout has a room %s, but no package is in it", room))
		}
	}
	return g, faults
}
