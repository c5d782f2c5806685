package provider_test

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier/provider"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// FuzzVerify verifies requests of every sender. forged is the header with the signature, in
// which "=" stands for the right one. What verifies does so again, as the same event, and
// not with another body or secret.
func FuzzVerify(f *testing.F) {
	all := vendors()
	for i, v := range all {
		f.Add(byte(i), v.body, v.contentType, "=", int64(0), "", v.body+" ")
		f.Add(byte(i), v.body, formType, "x,=;y =", int64(299), "1", "")
		f.Add(byte(i), "payload=%7B%7D&a=1&a=2", formType, "=", int64(-301), "\x00", "payload=%7B%7D&a=2&a=1")
		f.Add(byte(i), `{"type":"url_verification","challenge":"a","event":"endpoint.url_validation","payload":{"plainToken":"b"}}`,
			"application/json; charset=utf-8", "t=1,v1=", int64(1<<40), "id", "{}")
	}
	f.Fuzz(func(t *testing.T, which byte, body, contentType, forged string, offset int64, extra, other string) {
		v := all[int(which)%len(all)]
		at := now.Add(time.Duration(offset%1_000_000) * time.Second)
		h := v.signed(v.secret, at, contentType, body)
		for name, values := range h {
			switch {
			case strings.Contains(name, "Signature") || strings.Contains(name, "Hmac"):
				h[name] = []string{strings.ReplaceAll(forged, "=", values[0])}
			case extra != "" && name != "Content-Type":
				h.Add(name, extra)
			}
		}
		made := v.verifier(t, provider.Options{OtherSecrets: []string{v.other}})
		e, key, err := made.VerifyKey(h, []byte(body))
		answer, asked := made.Challenge(h, []byte(body))
		if err != nil {
			require.Equal(t, event.Event{}, e)
			return
		}
		require.Zero(t, key)
		require.Equal(t, asked, answer != nil)
		require.True(t, event.ValidID(e.ID))
		require.True(t, event.ValidID(string(e.Type)))
		again, err := made.Verify(h, []byte(body))
		require.NoError(t, err)
		require.Equal(t, e, again)
		if !sameSigned(v, contentType, body, other) {
			_, err = made.Verify(h, []byte(other))
			require.Error(t, err)
		}
		stranger, err := v.new(base64.StdEncoding.EncodeToString([]byte("stranger")), &provider.Options{Now: atNow, URL: address})
		require.NoError(t, err)
		_, err = stranger.Verify(h, []byte(body))
		require.Error(t, err)
		_, asked = stranger.Challenge(h, []byte(body))
		require.False(t, asked)
	})
}

// sameSigned reports whether two bodies have one signature: see [provider.Twilio].
func sameSigned(v vendor, contentType, a, b string) bool {
	if v.name != "twilio" || !strings.HasPrefix(strings.TrimSpace(strings.ToLower(contentType)), formType) {
		return a == b
	}
	return joined(a) == joined(b)
}

func joined(body string) string {
	form, err := url.ParseQuery(body)
	if err != nil {
		return strconv.Quote(body)
	}
	var names []string
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var out strings.Builder
	for _, name := range names {
		slices.Sort(form[name])
		for _, value := range slices.Compact(form[name]) {
			out.WriteString(name + value)
		}
	}
	return out.String()
}
