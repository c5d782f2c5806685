// Command texts lists what customers and operators read: every constant of type words.Text,
// or of strictjson's Text, in the module, what templates hand to t and tn, and the names of HTTP's statuses. The
// list is webhook/words/texts.txt, sorted, a text on each line.
//
//	texts         writes the list
//	texts -check  writes nothing and fails if the list is not current
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	words = "github.com/rag-assistant/webhooks/webhook/words"
	list  = "webhook/words/texts.txt"

	// strictjson has a type of its own, for receivers import it, and they have no texts.
	strictjson = "github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("texts: ")
	check := flag.Bool("check", false, "write nothing and fail if "+list+" is not current")
	flag.Parse()
	if err := run(*check); err != nil {
		log.Fatal(err)
	}
}

func run(check bool) error {
	found := texts{}
	for status := range 600 {
		found.add(http.StatusText(status)) // The portal says them.
	}
	if err := errors.Join(found.fromCode(), found.fromTemplates("webhook/portal/templates", "webhook/mailnotify/templates")); err != nil {
		return err
	}
	text := found.String()
	if !check {
		return os.WriteFile(list, []byte(text), 0o644) //nolint:gosec // G306: as readable as the other files
	}
	if old, err := os.ReadFile(list); err != nil || string(old) != text {
		return fmt.Errorf("%s is not current: run make texts", list)
	}
	return nil
}

type texts map[string]bool

// add leaves out the empty text, which is said by nobody.
func (t texts) add(text string) {
	if text != "" {
		t[text] = true
	}
}

// String is the content of the list. Texts are sorted as [slices.BinarySearch] wants them
// after they were read again.
func (t texts) String() string {
	var out strings.Builder
	for _, text := range slices.Sorted(maps.Keys(t)) {
		out.WriteString(strings.ReplaceAll(text, "\n", `\n`) + "\n")
	}
	return out.String()
}

// fromCode adds the constants of all packages that can say a text.
func (t texts) fromCode() error {
	cmd := exec.CommandContext(context.Background(), "go", "list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,Deps", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	exports := map[string]string{}
	compiled := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	fset := token.NewFileSet()
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", compiled)}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); { // A package comes after all that it needs.
		var p struct {
			ImportPath, Dir, Export string
			GoFiles, Deps           []string
		}
		if err := dec.Decode(&p); err != nil {
			return err
		}
		exports[p.ImportPath] = p.Export
		if !slices.Contains(append(p.Deps, p.ImportPath), words) && p.ImportPath != strictjson {
			continue
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files = append(files, file)
		}
		if err := t.fromPackage(&conf, fset, p.ImportPath, files); err != nil {
			return err
		}
	}
	return nil
}

func (t texts) fromPackage(conf *types.Config, fset *token.FileSet, path string, files []*ast.File) error {
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	if _, err := conf.Check(path, fset, files, info); err != nil {
		return fmt.Errorf("package %s: %w", path, err)
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok || info.Types[e].Value == nil || !isText(info.Types[e].Type) {
				return true
			}
			t.add(constant.StringVal(info.Types[e].Value))
			return false // What a sum consists of is no text.
		})
	}
	return nil
}

func isText(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == "Text" && named.Obj().Pkg() != nil && slices.Contains([]string{words, strictjson}, named.Obj().Pkg().Path())
}

func (t texts) fromTemplates(dirs ...string) error {
	for _, dir := range dirs {
		files := os.DirFS(dir)
		err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, path)
			if err != nil {
				return err
			}
			return t.fromTemplate(path, string(text))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
