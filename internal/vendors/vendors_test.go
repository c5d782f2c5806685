//go:build interop

package vendors

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier/provider"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

func quoted(text string) []byte {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return out
}

// endpoint is a receiver of ours for a sender, over HTTP.
type endpoint struct {
	server  *httptest.Server
	handled int
}

func newEndpoint(t *testing.T, s sender, secret string, more ...string) *endpoint {
	t.Helper()
	v, err := s.ours(secret, &provider.Options{OtherSecrets: more})
	require.NoError(t, err)
	e, mux := &endpoint{}, receiver.NewMux()
	mux.Handle("*", func(context.Context, event.Event) error {
		e.handled++
		return nil
	})
	r, err := receiver.NewFor(v, mux, &receiver.Options{Seen: memstore.New(nil)})
	require.NoError(t, err)
	e.server = httptest.NewServer(r)
	t.Cleanup(e.server.Close)
	return e
}

// post returns our verdict.
func (e *endpoint) post(t *testing.T, h http.Header, body []byte) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.server.URL, strings.NewReader(string(body)))
	require.NoError(t, err)
	r.Header = h
	resp, err := e.server.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Contains(t, []int{http.StatusOK, http.StatusUnauthorized}, resp.StatusCode, "%s", body)
	return refused(resp.StatusCode == http.StatusOK)
}

// TestTable plays each case against both. A library without a notion of a case says n/a.
func TestTable(t *testing.T) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ours / theirs\tgood\twrong secret\tchanged body\told\treplayed\trotated\tlibrary")
	for _, s := range senders() {
		var cells []string
		for _, c := range []struct {
			name   string
			want   bool
			theirs bool // theirs has a notion of it
		}{
			{"good", true, true},
			{"wrong secret", false, true},
			{"changed body", false, true},
			{"old", !s.timed, s.clock || !s.timed},
			{"replayed", true, false},
			{"rotated", true, false},
		} {
			body, secret, at, more := s.body("evt_1", "Café"), s.secrets[0], time.Now(), []string(nil)
			switch c.name {
			case "wrong secret":
				secret = s.secrets[1]
			case "rotated":
				secret, more = s.secrets[1], s.secrets[1:]
			case "old":
				at = at.Add(-time.Hour)
			}
			h, e := s.sign(secret, "evt_1", at, body), newEndpoint(t, s, s.secrets[0], more...)
			if c.name == "changed body" {
				body = s.body("evt_1", "Cafe")
			}
			ours := e.post(t, h.Clone(), body) == nil
			require.Equal(t, c.want, ours, "%s: %s", s.name, c.name)
			if c.name == "replayed" {
				require.NoError(t, e.post(t, h.Clone(), body), s.name)
				require.Equal(t, 1, e.handled, s.name)
			}
			theirs := "n/a"
			if c.theirs && s.theirs != nil {
				verdict := s.theirs(s.secrets[0], h.Clone(), body) == nil
				require.Equal(t, c.want, verdict, "%s: %s: %s", s.name, c.name, s.library)
				theirs = word(verdict)
			}
			if c.name == "replayed" {
				cells = append(cells, "once / n/a")
			} else {
				cells = append(cells, word(ours)+" / "+theirs)
			}
		}
		library := s.library
		if library == "" {
			library = "none for Go"
		}
		fmt.Fprintln(w, s.name+"\t"+strings.Join(cells, "\t")+"\t"+library)
	}
	require.NoError(t, w.Flush())
}

func word(verified bool) string {
	if verified {
		return "yes"
	}
	return "no"
}

// TestRandomMessages has both judge messages of any text, every second of which was changed
// after it was signed.
func TestRandomMessages(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test's
	for _, s := range senders() {
		if s.theirs == nil {
			continue
		}
		v, err := s.ours(s.secrets[0], &provider.Options{})
		require.NoError(t, err)
		for i := range 200 {
			id := fmt.Sprintf("evt_%d", i)
			runes := make([]rune, random.IntN(40))
			for j := range runes {
				runes[j] = rune(1 + random.IntN(0x2fff))
			}
			body := s.body(id, string(runes))
			h := s.sign(s.secrets[0], id, time.Now(), body)
			if i%2 == 1 {
				body[random.IntN(len(body))] ^= 1 << random.IntN(7)
			}
			theirs := s.theirs(s.secrets[0], h.Clone(), body)
			_, ours := v.Verify(h, body)
			require.Equal(t, theirs == nil, ours == nil, "%s: %q: theirs: %v, ours: %v", s.name, body, theirs, ours)
		}
	}
}
