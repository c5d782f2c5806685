package webui_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/internal/webui"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for escaped, want := range map[string][]string{
		"":          {""},
		"a/b":       {"a", "b"},
		"a/":        {"a", ""},
		"a%20b/%61": {"a b", "a"},
		"a/b/c/d/e": {"a", "b", "c"}, // refused, see below
		"a%2Fb":     nil,
		"a/%2f":     nil,
		"a/%zz":     nil,
		"%252F":     {"%2F"},
	} {
		got, ok := webui.Split(escaped, 3)
		if escaped == "a/b/c/d/e" { // The rest is one segment, in which there are slashes.
			require.False(t, ok)
			continue
		}
		require.Equal(t, want != nil, ok, escaped)
		require.Equal(t, want, got, escaped)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	route := []string{"webhooks", "{id}", "test"}
	for _, c := range []struct {
		segments []string
		id       string
		fits     bool
	}{
		{[]string{"webhooks", "whk_1", "test"}, "whk_1", true},
		{[]string{"webhooks", "", "test"}, "", false},
		{[]string{"webhooks", "whk_1", "rotate"}, "", false},
		{[]string{"webhooks", "whk_1"}, "", false},
		{[]string{"webhooks", "whk_1", "test", ""}, "", false},
	} {
		var id string
		require.Equal(t, c.fits, webui.Match(route, c.segments, map[string]*string{"{id}": &id}), "%q", c.segments)
		if c.fits {
			require.Equal(t, c.id, id)
		}
	}
}
