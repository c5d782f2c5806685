package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func arrows(names []string, pairs ...[2]int) *graph {
	g := newGraph(names)
	for _, p := range pairs {
		g.uses[p[0]][p[1]] = true
	}
	return g
}

func TestOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		g     *graph
		order []int
		back  int
	}{
		"a chain upside down": {arrows([]string{"c", "b", "a"}, [2]int{2, 1}, [2]int{1, 0}), []int{2, 1, 0}, 0},
		"a circle":            {arrows([]string{"a", "b", "c"}, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 0}), []int{0, 1, 2}, 1},
		"two that use each other, and what both use": {
			arrows([]string{"base", "x", "y"}, [2]int{1, 2}, [2]int{2, 1}, [2]int{1, 0}, [2]int{2, 0}), []int{1, 2, 0}, 1,
		},
		"nothing": {arrows([]string{"a", "b"}), []int{0, 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.order, c.g.order())
			require.Equal(t, c.back, c.g.back(c.g.order()))
		})
	}
}

func TestHeights(t *testing.T) {
	t.Parallel()
	g := arrows([]string{"a", "b", "c", "d"}, [2]int{0, 1}, [2]int{1, 2}, [2]int{0, 3}, [2]int{3, 0})
	require.Equal(t, []int{2, 1, 0, 0}, g.heights([]int{0, 1, 2, 3}))
}

func TestFollows(t *testing.T) {
	t.Parallel()
	g := arrows([]string{"a", "b", "c", "d"}, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 3}, [2]int{0, 3})
	require.True(t, g.follows(0, 3))
	require.False(t, g.follows(0, 1))
}

func TestRooms(t *testing.T) {
	t.Parallel()
	_, faults := roomGraph(map[string]pkg{
		module + "store":           {Imports: []string{"fmt", module + "store/memstore"}},
		module + "store/memstore":  {Imports: []string{module + "store"}},
		module + "webhook/nowhere": {},
		"example.com/other":        {Imports: []string{module + "webhook"}},
	})
	text := errors.Join(faults...).Error()
	require.Contains(t, text, "package store imports store/memstore, which is not on a lower floor")
	require.NotContains(t, text, "package store/memstore imports")
	require.Contains(t, text, "package webhook/nowhere has no floor")
	require.Contains(t, text, "no package is in it")
	require.NotContains(t, text, "a room store,")
}

func TestFileArrows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"kinds.go": "package p\ntype kind struct{ field int }\nconst limit = 1\n",
		"verb.go":  "package p\nfunc (k kind) verb() {}\n",
		"field.go": "package p\nfunc field() int { return made().field }\n",
		"made.go":  "package p\nfunc made() (k kind) { k.verb(); return k }\n",
		"alone.go": "package p\nfunc alone() int { limit := 2; return limit }\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	g, err := fileGraph(map[string]pkg{"p": {Dir: dir, GoFiles: []string{"alone.go", "field.go", "kinds.go", "made.go", "verb.go"}}}, "p")
	require.NoError(t, err)
	want := arrows(g.names, [2]int{1, 2}, [2]int{1, 3}, [2]int{3, 2}, [2]int{3, 4}, [2]int{4, 2})
	require.Equal(t, want, g)
}
