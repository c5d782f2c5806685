package harness

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDump(t *testing.T) {
	t.Parallel()
	type node struct {
		next *node
		tags map[string][]byte
		any  any
	}
	build := func() *node {
		n := &node{tags: map[string][]byte{"a": {1}, "b": {2}}, any: 1.5}
		n.next = &node{next: n}
		return n
	}
	one := Dump(build())
	require.Equal(t, one, Dump(build()))
	for name, change := range map[string]func(*node){
		"a byte deep down": func(n *node) { n.tags["b"][0] = 3 },
		"one more":         func(n *node) { n.tags["c"] = nil },
		"another circle":   func(n *node) { n.next.next = n.next },
		"another type":     func(n *node) { n.any = "1.5" },
		"nothing":          func(n *node) { n.next.next = nil },
	} {
		n := build()
		change(n)
		require.NotEqual(t, one, Dump(n), name)
	}
}
