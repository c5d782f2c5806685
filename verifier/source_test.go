package verifier_test

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoMACComesHere: package signer compares MACs, and its own test reads how.
// This package cannot, for it imports nothing that makes or decodes one.
func TestNoMACComesHere(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	files := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			for _, prefix := range []string{"crypto", "hash", "encoding", "golang.org/x/crypto", "unsafe"} {
				require.False(t, path == prefix || strings.HasPrefix(path, prefix+"/"), "%s imports %s", e.Name(), path)
			}
		}
	}
	require.Positive(t, files)
}
