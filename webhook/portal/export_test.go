package portal

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// For tests of what has no page of its own.

// JoinedTokens is the text of a JSON's tokens, and Kinds what they are.
func JoinedTokens(text string) (joined, kinds string) {
	for _, t := range tokens([]byte(text)) {
		joined += t.Text
		if t.Kind != "" {
			kinds += t.Kind
		}
	}
	return joined, kinds
}

var (
	Ago       = ago
	Count     = count
	Plural    = plural
	Took      = took
	Short     = short
	Percent   = percent
	NewHealth = newHealth
	Explain   = explain
	Accents   = accents
	Curl      = curl
	Beside    = beside
)

// Chosen is what a form saves of what was ticked.
func Chosen(c *event.Catalog, ticked ...string) []string {
	f := newForm(c)
	f.check(ticked)
	return f.chosen()
}

// Program is a receiver as the portal shows it for a wire.
func Program(t *testing.T, wire signer.Wire, file string) string {
	t.Helper()
	all, err := readSnippets(wire.WithDefaults())
	require.NoError(t, err)
	i := slices.IndexFunc(all, func(s snippet) bool { return s.FileName() == file })
	return all[i].Code
}

// Cause is why an attempt failed.
type Cause = cause
