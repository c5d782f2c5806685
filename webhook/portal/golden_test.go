package portal_test

import (
	"compress/gzip"
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/portal"
)

// regexpLink is the query of the link with an attribute.
func regexpLink(p page, attribute string) string {
	p.t.Helper()
	m := regexp.MustCompile(`<a [^>]*` + attribute + `[^>]* href="([^"]*)"`).FindStringSubmatch(p.body)
	require.NotNil(p.t, m, p.text)
	return html.UnescapeString(m[1])
}

// walked returns a tour of a portal with options.
func walked(t *testing.T, o portal.Options) (shots []shot) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := &tour{t: t, opts: o}
		v.walk()
		shots = v.shots
	})
	return shots
}

var (
	random = regexp.MustCompile(`\b(?:whk|whdel|evt|evt_test|req|form|rpl|opj)_(?:[A-Za-z0-9]{12,}(?:-\d+)?|\w+…[\w-]+)|\b(?:whsec|whpk)_[A-Za-z0-9+/=&#;]{20,}|v1a?,[A-Za-z0-9+/=&#;]{20,}|sha256=[0-9a-f]{64}`)
	cut    = regexp.MustCompile(`[^<>]{1000}[^<>]*`) // programs, and an event that is long
	digest = regexp.MustCompile(`assets/[0-9a-f]{16}/`)
	// forScript are texts that were in the script before.
	forScript = regexp.MustCompile(`(<p class="sr" id="say" role="status")[^>]*>`)
	content   = regexp.MustCompile(`(?s)<main id="content".*</main>`)
)

// known is what is the same in each run: ids by the order in which they come, and no more of
// the frame around a page than the first of its kind has.
func known(shots []shot) string {
	var out strings.Builder
	ids := map[string]string{}
	var frames []string
	for _, s := range shots {
		body := digest.ReplaceAllString(cut.ReplaceAllString(s.body, "…"), "assets/…/")
		body = forScript.ReplaceAllString(body, `$1>`)
		body = random.ReplaceAllStringFunc(body, func(id string) string {
			if ids[id] == "" {
				kind := id[:strings.IndexAny(id, "_,=")+1]
				ids[id] = fmt.Sprint(kind, len(ids))
			}
			return ids[id]
		})
		main := content.FindString(body)
		frame := titles.ReplaceAllString(strings.ReplaceAll(body, main, ""), "")
		if main != "" && slices.Contains(frames, frame) {
			body = main
		}
		frames = append(frames, frame)
		fmt.Fprintf(&out, "== %s: %d\n%s\n", s.name, s.status, body)
	}
	return out.String()
}

var titles = regexp.MustCompile(`<title>.*</title>`)

// Pages of a host that has no words of its own are what they were.
func TestPagesOfBefore(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/pages.gz")
	require.NoError(t, err)
	defer file.Close()
	packed, err := gzip.NewReader(file)
	require.NoError(t, err)
	want, err := io.ReadAll(packed)
	require.NoError(t, err)
	before, now := strings.Split(string(want), "\n== "), strings.Split(known(walked(t, portal.Options{})), "\n== ")
	require.Len(t, now, len(before))
	for i := range before {
		require.Equal(t, before[i], now[i])
	}
}
