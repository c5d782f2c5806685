//go:build interop

package vendors_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
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

// secrets are the one that the receiver has, and another.
func (s sender) secrets() (string, string) {
	one, other := "the receiver's secret", "another secret"
	if !s.standard {
		return one, other
	}
	encode := func(text string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(text)) }
	return encode(one), encode(other)
}

// body is a message of the sender with text in it, and with what each sender calls its id
// and its type.
func (s sender) body(id, text string) []byte {
	if s.contentType == formType {
		return []byte(url.Values{"MessageSid": {id}, "Body": {text}}.Encode())
	}
	return must(json.Marshal(map[string]string{"id": id, "event_id": id, "type": "a.b", "event_type": "a.b", "event": "a.b", "text": text}))
}

// request returns a signed message to a server.
func (s sender) request(t *testing.T, server string, secrets []string, at time.Time, body []byte) *http.Request {
	t.Helper()
	m, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/?a=1", nil)
	require.NoError(t, err)
	m.Header.Set("Content-Type", jsonType)
	if s.contentType != "" {
		m.Header.Set("Content-Type", s.contentType)
	}
	s.sign(m, secrets, "evt_1", at, body)
	return m
}

// stage is a receiver of ours, with the library beside it.
type stage struct {
	*httptest.Server

	theirs  bool // the library accepts the last request
	handled int
}

func newStage(t *testing.T, s sender, o *provider.Options) *stage {
	t.Helper()
	secret, _ := s.secrets()
	v, err := s.ours(secret, o)
	require.NoError(t, err)
	st, mux := &stage{}, receiver.NewMux()
	mux.Handle("*", func(context.Context, event.Event) error {
		st.handled++
		return nil
	})
	rcv, err := receiver.NewFor(v, mux, &receiver.Options{Seen: memstore.New(nil)})
	require.NoError(t, err)
	st.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && s.theirs != nil {
			st.theirs = s.theirs(r, secret, body)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		rcv.ServeHTTP(w, r)
	}))
	t.Cleanup(st.Close)
	return st
}

func (st *stage) post(t *testing.T, m *http.Request, body []byte) int {
	t.Helper()
	m.Body, m.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := st.Client().Do(m)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

const none = "n/a"

// play returns a cell: our verdict and the library's. They agree, where both have one.
func (s sender) play(t *testing.T, row string) string {
	t.Helper()
	secret, other := s.secrets()
	signing, at, o := []string{secret}, time.Now(), &provider.Options{}
	body := s.body("evt_1", "Café & 日本")
	accepted, judged := true, s.theirs != nil
	switch row {
	case "wrong secret":
		signing, accepted = []string{other}, false
	case "changed body":
		accepted = false
	case "old":
		if !s.timed {
			return none + " / " + none
		}
		at, accepted, judged = at.Add(-time.Hour), false, s.window
	case "rotated":
		if signing = []string{other}; s.lists {
			signing = append(signing, secret)
		} else {
			o.OtherSecrets, judged = []string{other}, false
		}
	}
	st := newStage(t, s, o)
	m := s.request(t, st.URL, signing, at, body)
	if row == "changed body" {
		body = s.body("evt_1", "Cafe & 日本")
	}
	want := http.StatusOK
	if !accepted {
		want = http.StatusUnauthorized
	}
	require.Equal(t, want, st.post(t, m.Clone(t.Context()), body), "%s, %s", s.name, row)
	if row == "replayed" {
		require.Equal(t, http.StatusOK, st.post(t, m, body))
		require.Equal(t, 1, st.handled, s.name)
		return "once / " + none
	}
	if !judged {
		return word(accepted) + " / " + none
	}
	require.Equal(t, accepted, st.theirs, "%s, %s: %s", s.name, row, s.library)
	return word(accepted) + " / " + word(st.theirs)
}

func word(accepted bool) string {
	if accepted {
		return "yes"
	}
	return "no"
}

// TestTable prints what ours and theirs make of a message. n/a: the library has no notion of
// the case, there is no library, or the sender signs no time.
func TestTable(t *testing.T) {
	t.Parallel()
	cases := []string{"good", "wrong secret", "changed body", "old", "replayed", "rotated"}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ours / theirs\t"+strings.Join(cases, "\t")+"\tlibrary")
	for _, s := range senders() {
		cells := []string{s.name}
		for _, row := range cases {
			cells = append(cells, s.play(t, row))
		}
		fmt.Fprintln(w, strings.Join(append(cells, cmp.Or(s.library, "none for Go")), "\t"))
	}
	require.NoError(t, w.Flush())
	t.Log("\n" + text.String())
}

// TestRandomMessages lets both judge messages of any bytes, most of which somebody has
// changed on their way: a bit of the body or of a header.
func TestRandomMessages(t *testing.T) {
	t.Parallel()
	const seed, number = 1, 200
	t.Logf("seed %d", seed)
	for _, s := range senders() {
		if s.theirs == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			secret, _ := s.secrets()
			v, err := s.ours(secret, &provider.Options{})
			require.NoError(t, err)
			accepted := 0
			for range number {
				body := randomBody(random, s.contentType == formType)
				m := s.request(t, "http://localhost", []string{secret}, time.Now(), body)
				change := spoil(random, m.Header, body)
				theirs := s.theirs(m, secret, body)
				_, ours := v.Verify(m.Header, body)
				if errors.Is(ours, event.ErrMalformed) { // What is signed need not be an event.
					ours = nil
				}
				require.Equal(t, theirs, ours == nil, "%s changed: %q %q: ours: %v", change, m.Header, body, ours)
				if ours == nil {
					accepted++
				}
			}
			require.Greater(t, accepted, number/5)
			require.Less(t, accepted, number)
		})
	}
}

func randomBody(random *rand.Rand, form bool) []byte {
	text := func(most int) string {
		out := make([]byte, random.IntN(most))
		for i := range out {
			out[i] = byte(random.Uint32())
		}
		return string(out)
	}
	if !form {
		return []byte(text(300))
	}
	fields := url.Values{}
	for range 1 + random.IntN(4) {
		fields.Set(text(10), text(60))
	}
	return []byte(fields.Encode())
}

// spoil flips a bit of the body or of a header, or nothing, and says what.
func spoil(random *rand.Rand, h http.Header, body []byte) string {
	names := slices.Sorted(maps.Keys(h))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "Content-Type" })
	switch name := names[random.IntN(len(names))]; random.IntN(3) {
	case 0:
		value := []byte(h.Get(name))
		flip(random, value)
		h[name] = []string{string(value)}
		return name
	case 1:
		flip(random, body)
		return "body"
	default:
		return "nothing"
	}
}

// flip flips a bit of text, but not one that tells capital letters: Paddle's library refuses
// them in hex, where they mean the same.
func flip(random *rand.Rand, text []byte) {
	if len(text) > 0 {
		text[random.IntN(len(text))] ^= 1 << random.IntN(5)
	}
}
