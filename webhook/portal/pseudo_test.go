package portal_test

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// pseudo are words in which no text has a letter of English.
func pseudo(t *testing.T) *words.Words {
	t.Helper()
	texts := map[string]string{}
	for _, text := range words.Texts() {
		texts[text] = "⟦" + foreign(text) + "⟧"
	}
	texts["en"] = "x-pseudo"
	w, err := words.New(&words.Options{Tenant: "šħøþ", Tenants: "šħøþš", Segment: "shops", Texts: texts})
	require.NoError(t, err)
	return w
}

var kept = regexp.MustCompile(`%(\[\d+\])?[a-z]|\{[^}]*\}|[A-Za-z]`)

// foreign replaces the letters of a text, but not its verbs and nouns.
func foreign(text string) string {
	return kept.ReplaceAllStringFunc(text, func(s string) string {
		if len(s) > 1 {
			return s
		}
		return string([]rune("áƀçđéƒğħíĵķłɱñøþʠřšŧúṽŵẋýž")[(s[0]|0x20)-'a'])
	})
}

var (
	hidden  = regexp.MustCompile(`(?s)<head>.*?<title>|<svg.*?</svg>|<pre.*?</pre>|<code.*?</code>|<textarea.*?</textarea>|<(\w+)[^<>]* class="[^"]*mono[^"]*"[^<>]*>[^<]*|<span hidden.*?</span>`)
	read    = regexp.MustCompile(`(?:title|aria-label|placeholder|alt|data-copied|data-uncopied|data-here)="([^"]*)"`)
	element = regexp.MustCompile(`<[^<>]*>`)
	word    = regexp.MustCompile(`[A-Za-z]{2,}`)

	// data are no texts: ids, addresses, types of events, times, names of
	// headers, languages and libraries of the samples, what merchants have typed, and names of
	// fields and their values.
	data = regexp.MustCompile(`\b(?:whk|whdel|evt|evt_test|req|rpl|opj|merchant)_[\w…-]+|evt_…|https?://\S+|\b[a-z_]+(?:\.[a-z_]+)+\b|\b(?:[a-z]+\.)?example(?:\.com|\.net)?\b` +
		`|\bUTC\b|X-Tenant|application/json` +
		`|Node\.js|Python|PHP|Ruby|Go\b|Java\b|C#|Rust|Express|Flask|Sinatra|data-encoding|hmac|sha2|tiny_http|receiver\.\w+|main\.\w+|Receiver\.java|Program\.cs` +
		`|\ba drill\b|\bada(?:@example\.com)?\b|\bmine\b|\bours\b|eu-1|\bteam: |a\+b & 'c'|\bx{10,}|\bk{10,}|\bOrders\b|\bHost\b` +
		`|\bpayloadEncoding\b|\b(?:standard|ascii|html)\b|⟦(?:selection|rate|note|kind|all) ⟦`)
)

// english are the words on a page that are neither data nor in other letters.
func english(body string, typed []string) []string {
	for _, text := range typed {
		body = strings.ReplaceAll(body, html.EscapeString(text), "")
	}
	body = hidden.ReplaceAllString(body, "")
	texts := []string{element.ReplaceAllString(body, " ")}
	for _, m := range read.FindAllStringSubmatch(body, -1) {
		texts = append(texts, m[1])
	}
	var out []string
	for _, text := range texts {
		out = append(out, word.FindAllString(data.ReplaceAllString(html.UnescapeString(text), ""), -1)...)
	}
	return out
}

// No page has a text that a host could not replace.
func TestEveryTextIsTheHosts(t *testing.T) {
	t.Parallel()
	typed := []string{"\x00"}
	for e := range event.DefaultCatalog().All() {
		typed = append(typed, e.Description)
	}
	shots := walked(t, portal.Options{Words: pseudo(t), Title: "⟦⟧"})
	require.Greater(t, len(shots), 200)
	for _, s := range shots {
		if s.status != http.StatusSeeOther {
			require.Empty(t, english(s.body, typed), "%s: %s", s.name, s.text)
		}
	}
	require.NotEmpty(t, english(`<p title="">⟦x⟧ <b>Not said.</b></p>`, typed))
	require.NotEmpty(t, english(`<p title="Not said">⟦⟧</p>`, typed))
	require.False(t, slices.ContainsFunc(shots, func(s shot) bool { return strings.Contains(s.body, "%!") }), "an argument is missing")
}
