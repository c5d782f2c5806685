package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/provider"
	"github.com/rag-assistant/webhooks/webhook/event"
)

var _ interface {
	verifier.Checker
	verifier.Challenger
} = (*provider.Verifier)(nil)

func TestEverySender(t *testing.T) {
	t.Parallel()
	var names, rows []string
	for _, s := range provider.Schemes() {
		rows = append(rows, s.Name)
	}
	for _, v := range vendors() {
		names = append(names, v.name)
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			made := v.verifier(t, provider.Options{})
			require.Equal(t, v.name, made.Name())
			require.Equal(t, v.repeats, made.Repeats())
			require.Contains(t, made.ContentTypes(), v.contentType)
			e, key, err := made.VerifyKey(v.signed(v.secret, now, v.contentType, v.body), []byte(v.body))
			require.NoError(t, err)
			require.Zero(t, key)
			data := v.data
			if data == "" {
				data = v.body
			}
			require.Equal(t, event.Event{
				ID: v.id, Type: v.is, Created: v.created, Data: json.RawMessage(data), Body: []byte(v.body), ContentType: v.contentType,
			}, e)
		})
		for _, tt := range v.cases() {
			t.Run(v.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				h := v.signed(tt.secret, tt.at, v.contentType, v.body)
				if tt.change != nil {
					tt.change(h)
				}
				_, key, err := v.verifier(t, provider.Options{OtherSecrets: []string{v.other}}).VerifyKey(h, []byte(tt.body))
				require.ErrorIs(t, err, tt.err)
				if tt.err == nil {
					require.NoError(t, err)
					require.Equal(t, tt.key, key)
				}
			})
		}
	}
	require.Equal(t, rows, names, "every row is tested")
}

type senderCase struct {
	name, secret, body string
	at                 time.Time
	change             func(http.Header)
	key                int
	err                error
}

// cases are requests that a receiver of each sender must tell apart.
func (v vendor) cases() []senderCase {
	stale := error(nil)
	if v.timed {
		stale = verifier.ErrStale
	}
	// Headers by their part in the signature.
	each := func(change func(h http.Header, name string)) func(http.Header) {
		return func(h http.Header) {
			for name := range h {
				if strings.Contains(name, "Signature") || strings.Contains(name, "Hmac") {
					change(h, name)
				}
			}
		}
	}
	set := func(value string) func(http.Header) {
		return each(func(h http.Header, name string) { h.Set(name, value) })
	}
	const minute = time.Minute
	return []senderCase{
		{"rotated", v.other, v.body, now, nil, 1, nil},
		{"wrong secret", "d3Jvbmc=", v.body, now, nil, 0, verifier.ErrMismatch},
		{"changed body", v.secret, v.body[:len(v.body)-2] + "x" + v.body[len(v.body)-1:], now, nil, 0, verifier.ErrMismatch},
		{"longer body", v.secret, v.body + "x", now, nil, 0, verifier.ErrMismatch},
		{"no body", v.secret, "", now, nil, 0, verifier.ErrMismatch},
		{"five minutes old", v.secret, v.body, now.Add(-5 * minute), nil, 0, nil},
		{"old", v.secret, v.body, now.Add(-5*minute - time.Second), nil, 0, stale},
		{"old, wrong secret", "d3Jvbmc=", v.body, now.Add(-5*minute - time.Second), nil, 0, verifier.ErrMismatch},
		{"five minutes ahead", v.secret, v.body, now.Add(5 * minute), nil, 0, nil},
		{"ahead", v.secret, v.body, now.Add(5*minute + time.Second), nil, 0, stale},
		{"no header", v.secret, v.body, now, each(http.Header.Del), 0, verifier.ErrMissingSignature},
		{"empty header", v.secret, v.body, now, set(""), 0, verifier.ErrMismatch},
		{"garbage", v.secret, v.body, now, set("sha256=zz, v1=, v0= \x00;h1=\xff v1,"), 0, verifier.ErrMismatch},
		{"empty signatures", v.secret, v.body, now, set("t=1762257600,v1=,v1="), 0, verifier.ErrMismatch},
		{"cut off", v.secret, v.body, now, each(func(h http.Header, name string) {
			h.Set(name, strings.SplitAfter(h.Get(name), ",v0")[0])
			h.Set(name, strings.TrimSuffix(h.Get(name), ",v0"))
			h.Set(name, h.Get(name)[:len(h.Get(name))-1])
		}), 0, verifier.ErrMismatch},
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, v := range vendors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			_, err := v.new("", &provider.Options{URL: address})
			require.ErrorContains(t, err, "provider: "+v.name+": secret is empty")
			_, err = v.new(v.secret, &provider.Options{URL: address, OtherSecrets: []string{v.other, ""}})
			require.ErrorContains(t, err, "other secret 2: secret is empty")
			_, err = v.new(v.secret+"\n", &provider.Options{URL: address})
			require.ErrorContains(t, err, "secret has a line break in it")

			secrets, fault := []string{v.other}, error(nil)
			made := v.verifier(t, provider.Options{Secrets: func() ([]string, error) { return secrets, fault }})
			h := v.signed(v.secret, now, v.contentType, v.body)
			_, err = made.Verify(h, []byte(v.body))
			require.ErrorIs(t, err, verifier.ErrMismatch)
			secrets = []string{v.other, v.secret}
			_, key, err := made.VerifyKey(h, []byte(v.body))
			require.NoError(t, err)
			require.Equal(t, 1, key)
			for _, secrets = range [][]string{nil, {""}, {v.secret, ""}} {
				_, err = made.Verify(h, []byte(v.body))
				require.ErrorIs(t, err, verifier.ErrSecrets)
			}
			secrets, fault = []string{v.secret}, errors.New("away")
			_, err = made.Verify(h, []byte(v.body))
			require.ErrorIs(t, err, verifier.ErrSecrets)
			require.ErrorIs(t, err, fault)
			_, err = v.new("", &provider.Options{URL: address, Secrets: func() ([]string, error) { return nil, fault }})
			require.ErrorIs(t, err, fault)
			_, err = v.new(v.secret, &provider.Options{URL: address, Secrets: func() ([]string, error) { return secrets, nil }})
			require.ErrorContains(t, err, "there are secrets beside Options.Secrets")
		})
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	stripe := find(t, "stripe")
	h := stripe.signed(stripe.secret, now.Add(-10*time.Second), jsonType, stripe.body)
	_, err := stripe.verifier(t, provider.Options{Tolerance: 10 * time.Second}).Verify(h, []byte(stripe.body))
	require.NoError(t, err)
	_, err = stripe.verifier(t, provider.Options{Tolerance: 9 * time.Second}).Verify(h, []byte(stripe.body))
	require.ErrorIs(t, err, verifier.ErrStale)
	require.EqualError(t, err, "verifier: request is out of time: it was sent 10s ago (stripe)")

	_, err = provider.Stripe("a", nil)
	require.NoError(t, err)
	_, err = provider.Stripe("a", &provider.Options{Tolerance: -1})
	require.ErrorContains(t, err, "tolerance")
	_, err = provider.GitHub("a", &provider.Options{Tolerance: time.Minute})
	require.ErrorContains(t, err, "the sender signs no time")
	for _, bad := range []string{"", "example.com/hook", "/hook", "ftp://example.com", "https://", "https://:443", "https://exa mple.com"} {
		_, err = provider.Twilio("a", &provider.Options{URL: bad})
		require.ErrorContains(t, err, "Options.URL", bad)
	}
	_, err = provider.StandardWebhooks("whsec_not base64", nil)
	require.EqualError(t, err, "provider: standardwebhooks: secret is not standard base64")
	_, err = provider.StandardWebhooks("whpk_AAAA", nil)
	require.ErrorContains(t, err, "public key holds 3 bytes")
	_, err = provider.StandardWebhooks("whsec_", nil)
	require.ErrorContains(t, err, "secret is empty")
}

func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	o := provider.Options{OtherSecrets: []string{"hunter2"}, URL: "https://u:hunter3@example.com"}
	v, err := provider.Twilio("hunter4", &o)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, o), "hunter")
		require.NotContains(t, fmt.Sprintf(verb, v), "hunter")
		require.NotContains(t, fmt.Sprintf(verb, *v), "hunter")
	}
	o.URL = "https://u:hunter3@exa mple.com"
	require.NotContains(t, fmt.Sprint(o), "hunter")
}

func TestSchemesThatAreNotWhole(t *testing.T) {
	t.Parallel()
	whole := provider.Scheme{
		Name: "acme", Signature: []provider.Field{{Header: "x-acme"}}, Type: []provider.Field{{Member: "type"}},
	}
	_, err := provider.New(whole, "a", nil)
	require.NoError(t, err)
	_, err = provider.New(provider.Scheme{}, "", nil)
	require.ErrorContains(t, err, "name is empty")
	require.ErrorContains(t, err, "no header with the signature")
	require.ErrorContains(t, err, "there is no type")
	require.ErrorContains(t, err, "secret is empty")
	at := []provider.Field{{Header: "x-at"}}
	for _, tt := range []struct {
		name, want string
		change     func(*provider.Scheme)
	}{
		{"name", "lower case", func(s *provider.Scheme) { s.Name = "Acme" }},
		{"broken hash", "hash is none of", func(s *provider.Scheme) { s.Hash = 2 }},
		{"body left out", "the body is not signed", func(s *provider.Scheme) { s.Signed, s.Timestamp = "{timestamp}", at }},
		{"form alone", "the body is not signed", func(s *provider.Scheme) { s.Signed = "{form}" }},
		{"unknown part", "{method}", func(s *provider.Scheme) { s.Signed = "{method}{body}" }},
		{"open brace", "{bod", func(s *provider.Scheme) { s.Signed = "{bod" }},
		{"signature in the body", "no header with the signature", func(s *provider.Scheme) { s.Signature = []provider.Field{{Member: "sig"}} }},
		{"time that is not signed", "not signed", func(s *provider.Scheme) { s.Timestamp = at }},
		{"time that is nowhere", "Timestamp is not", func(s *provider.Scheme) { s.Signed = "{timestamp}{body}" }},
		{"time in the body", "Timestamp is not", func(s *provider.Scheme) {
			s.Signed, s.Timestamp = "{timestamp}{body}", []provider.Field{{Member: "at"}}
		}},
		{"id that is nowhere", "{id} is signed", func(s *provider.Scheme) { s.Signed = "{id}{body}" }},
		{"tolerance without a time", "tolerance", func(s *provider.Scheme) { s.Tolerance = time.Minute }},
		{"no type", "there is no type", func(s *provider.Scheme) { s.Type = nil }},
		{"empty field", "either a header or a member", func(s *provider.Scheme) { s.ID = []provider.Field{{}} }},
		{"both", "either a header or a member", func(s *provider.Scheme) { s.ID = []provider.Field{{Header: "a", Member: "b"}} }},
		{"repeats", "repeats", func(s *provider.Scheme) { s.Repeats = -1 }},
		{"longest body", "the longest body is negative", func(s *provider.Scheme) { s.MaxBody = -1 }},
		{"public keys", "public keys", func(s *provider.Scheme) { s.PublicKeys = true }},
		{"challenge by a public key", "answers no challenge", func(s *provider.Scheme) {
			s.PublicKeys = true
			s.Challenge = func(http.Header, []byte, func([]byte) []byte) []byte { return nil }
		}},
		{"content type", "content type", func(s *provider.Scheme) { s.ContentTypes = []string{"Text/Plain"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := whole
			tt.change(&s)
			_, err := provider.New(s, "a", nil)
			require.ErrorContains(t, err, tt.want)
		})
	}
}
