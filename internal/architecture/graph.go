package main

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// A graph says who uses whom. An order is one of the indexes of names.
type graph struct {
	names []string
	uses  [][]bool
}

func newGraph(names []string) *graph {
	g := &graph{names: names}
	for range names {
		g.uses = append(g.uses, make([]bool, len(names)))
	}
	return g
}

// fileGraph returns which file of a package uses which.
func fileGraph(packages map[string]pkg, path string) (*graph, error) {
	g := newGraph(packages[path].GoFiles)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range g.names {
		file, err := parser.ParseFile(fset, filepath.Join(packages[path].Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	compiled := func(path string) (io.ReadCloser, error) { return os.Open(packages[path].Export) }
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", compiled)}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	checked, err := conf.Check(path, fset, files, info)
	if err != nil {
		return nil, fmt.Errorf("package %s: %w", path, err)
	}
	file := func(pos token.Pos) int { return slices.Index(g.names, filepath.Base(fset.Position(pos).Filename)) }
	for ident, object := range info.Uses {
		if from, to := file(ident.Pos()), file(object.Pos()); object.Pkg() == checked && from != to {
			g.uses[from][to] = true
		}
	}
	return g, nil
}

// order returns an order in which few arrows run back up, by floor.
func (g *graph) order() []int {
	var order []int
	for i := range g.names {
		order = append(order, i)
	}
	for at := 0; at < len(order); at++ {
		for to := range order {
			moved := slices.Insert(slices.Delete(slices.Clone(order), at, at+1), to, order[at])
			if g.back(moved) < g.back(order) {
				order, at = moved, -1 // Begin again.
				break
			}
		}
	}
	heights := g.heights(order)
	slices.SortStableFunc(order, func(a, b int) int { return heights[b] - heights[a] })
	return order
}

// back counts the arrows that run back up.
func (g *graph) back(order []int) int {
	n := 0
	for at, i := range order {
		for _, above := range order[:at] {
			if g.uses[i][above] {
				n++
			}
		}
	}
	return n
}

// heights returns each one's floor above the ground: one more than the highest that
// it uses, but for what runs back up.
func (g *graph) heights(order []int) []int {
	heights := make([]int, len(order))
	for at, i := range slices.Backward(order) {
		for _, below := range order[at+1:] {
			if g.uses[i][below] {
				heights[i] = max(heights[i], heights[below]+1)
			}
		}
	}
	return heights
}

// follows reports whether something that from uses leads to the same place.
func (g *graph) follows(from, to int) bool {
	for via := range g.names {
		if g.uses[from][via] && via != to && (g.uses[via][to] || g.follows(via, to)) {
			return true
		}
	}
	return false
}
