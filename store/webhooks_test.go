package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

func TestPatterns(t *testing.T) {
	t.Parallel()
	for eventType, want := range map[string][]string{
		"a":         {"a", "*"},
		"a.b":       {"a.b", "a.*", "*"},
		"a.b.c":     {"a.b.c", "a.b.*", "a.*", "*"},
		"a.*":       {"a.*", "*"},
		"a.b.*":     {"a.b.*", "a.*", "*"},
		"*":         {"*"},
		"":          {"", "*"},
		"a..b.":     {"a..b.", "a..b.*", "a..*", "a.*", "*"},
		"a.*.b":     {"a.*.b", "a.*.*", "a.*", "*"},
		"\xff.\x00": {"\xff.\x00", "\xff.*", "*"},
	} {
		require.Equal(t, want, store.Patterns(eventType), "%q", eventType)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		events    []string
		eventType string
		want      bool
	}{
		{[]string{"a.b"}, "a.b", true},
		{[]string{"a.*"}, "a.b", true},
		{[]string{"a.*"}, "a.b.c", true},
		{[]string{"a.b.*"}, "a.b.c", true},
		{[]string{"x", "*"}, "a.b.c", true},
		{[]string{"a.*"}, "a", false},
		{[]string{"a.*"}, "ab.c", false},
		{[]string{"a.b.*"}, "a.c", false},
		{[]string{"a"}, "a.b", false},
		{[]string{"*.b"}, "a.b", false},
		{nil, "a", false},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, store.Matches(tt.events, tt.eventType), "%q %q", tt.events, tt.eventType)
	}
}

// FuzzMatches holds Patterns to what it says of one pattern and one type.
func FuzzMatches(f *testing.F) {
	for _, seed := range [][2]string{{"a.*", "a.b"}, {"a.*", "ab.c"}, {"a.*", "a"}, {"a.*", "a.*"}, {"a.b.*", "a.b.c.d"}, {"*", "*"}, {".*", ".."}, {"", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, eventType string) {
		words, star := strings.CutSuffix(pattern, "*")
		naive := pattern == eventType || pattern == "*" || star && strings.HasSuffix(words, ".") && strings.HasPrefix(eventType, words)
		require.Equal(t, naive, store.Matches([]string{pattern}, eventType))
		all := store.Patterns(eventType)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(all))), len(all), "each once")
		for i, narrow := range all {
			require.Equal(t, all[i:], store.Patterns(narrow), "what takes in a pattern takes in what that does")
		}
	})
}
