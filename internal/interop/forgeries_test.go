//go:build interop

package interop_test

import (
	"bytes"
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

// refusesForgeries requires that every receiver accepts what is signed and nothing
// else. Only then do its later answers mean something.
func (w *world) refusesForgeries() {
	w.t.Helper()
	const body = `{"created":"2025-11-04T12:34:56Z","data":{"a":1},"id":"evt_1","type":"document.created"}`
	for _, r := range w.receivers {
		secret, err := signer.ParseSecret(r.secret)
		require.NoError(w.t, err)
		good, err := signer.New(secret)
		require.NoError(w.t, err)
		other, err := signer.New(signer.NewSecret())
		require.NoError(w.t, err)
		now := time.Now()
		for _, tt := range []struct {
			name    string
			untimed *signer.Signer
			by      *signer.Signer
			at      time.Time
			sent    string
			change  func(http.Header)
			rawOnly bool // only the Standard Webhooks headers are wrong
			passes  bool
		}{
			{name: "signed", passes: true},
			{name: "signed with two secrets", passes: true, change: func(h http.Header) {
				h.Set(signer.HeaderStandardSignature, "v1,AAAA v2,x "+h.Get(signer.HeaderStandardSignature))
			}},
			{name: "another secret", untimed: other, by: other},
			{name: "another body", sent: strings.Replace(body, "1}", "2}", 1)},
			{name: "no signature", change: func(h http.Header) { clear(h) }},
			{name: "an empty signature", change: func(h http.Header) {
				h.Set(signer.HeaderSignature, "")
				h.Set(signer.HeaderStandardSignature, "")
			}},
			{name: "half a signature", change: func(h http.Header) {
				h.Set(signer.HeaderSignature, h.Get(signer.HeaderSignature)[:40])
				h.Set(signer.HeaderStandardSignature, h.Get(signer.HeaderStandardSignature)[:20])
			}},
			{name: "too old", at: now.Add(-6 * time.Minute), rawOnly: true},
			{name: "too new", at: now.Add(6 * time.Minute), rawOnly: true},
			{name: "another event", change: func(h http.Header) { h.Set(signer.HeaderStandardID, "evt_2") }, rawOnly: true},
			{name: "another time", change: func(h http.Header) {
				h.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(now.Unix()+1, 10))
			}, rawOnly: true},
			{name: "no time", change: func(h http.Header) { h.Del(signer.HeaderStandardTimestamp) }, rawOnly: true},
			{name: "a time that is none", change: func(h http.Header) { h.Set(signer.HeaderStandardTimestamp, "now") }, rawOnly: true},
			{name: "the wrong standard signature", by: other, rawOnly: true},
		} {
			untimed, by := cmp.Or(tt.untimed, good), cmp.Or(tt.by, good)
			at := tt.at
			if at.IsZero() {
				at = now
			}
			header := http.Header{}
			header.Set(signer.HeaderSignature, string(untimed.AppendSignature(nil, []byte(body))))
			header.Set(signer.HeaderStandardID, "evt_1")
			header.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(at.Unix(), 10))
			header.Set(signer.HeaderStandardSignature, string(by.AppendStandard(nil, "evt_1", at, []byte(body))))
			if tt.change != nil {
				tt.change(header)
			}
			sent := body
			if tt.sent != "" {
				sent = tt.sent
			}
			passed := w.post(r, header, sent)
			require.Equal(w.t, tt.passes || tt.rawOnly && r.speaks != "", passed, "%s: %s\n%s", r.name, tt.name, r.process.output)
		}
	}
}

// post reports whether a receiver accepts a request.
func (w *world) post(r *receiver, header http.Header, body string) bool {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, r.url, bytes.NewReader([]byte(body)))
	require.NoError(w.t, err)
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err, r.name)
	require.NoError(w.t, resp.Body.Close())
	require.Less(w.t, resp.StatusCode, 500, "%s\n%s", r.name, r.process.output)
	return resp.StatusCode/100 == 2
}
