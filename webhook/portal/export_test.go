package portal

import (
	"html/template"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/words"
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
	Ago       = speech{}.ago
	Count     = count
	Took      = speech{}.took
	Short     = short
	Percent   = percent
	NewHealth = speech{}.newHealth
	Explain   = speech{}.explain
	Text      = func(w *words.Words, text words.Text, args ...any) template.HTML {
		return speech{Words: w}.text(text, args...)
	}
	Accents = accents
	Curl    = curl
	Beside  = speech{}.beside
)

// Chosen is what a form saves of what was ticked.
func Chosen(c *event.Catalog, ticked ...string) []string {
	f := newForm(speech{}, c)
	f.check(ticked)
	return f.chosen()
}

// ExplainFor explains on the pages of a service.
func ExplainFor(svc *webhook.Service, code webhook.Code, status int) Cause {
	return newSpeech(nil, svc).explain(code, status)
}

// Program is a receiver as the portal shows it for a wire, and for events with a shape.
func Program(t *testing.T, wire signer.Wire, shaped bool, file string) string {
	t.Helper()
	all, err := readSnippets(wire.WithDefaults(), shaped)
	require.NoError(t, err)
	i := slices.IndexFunc(all, func(s snippet) bool { return s.FileName() == file })
	return all[i].Code
}

// Steps are those of the page about verifying that a wire changes.
func Steps(t *testing.T, wire signer.Wire) string {
	t.Helper()
	pages, err := parseTemplates(Options{}, speech{})
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, pages["verify"].ExecuteTemplate(&out, "compare-steps", wire.WithDefaults()))
	return out.String()
}

// Cause is why an attempt failed.
type Cause = cause
