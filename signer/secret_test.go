package signer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

const exampleSecret = "whsec_xyz789abc123def456ghi789jkl012mno345"

func TestNewSecret(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		text := signer.NewSecret().Reveal()
		encoded, ok := strings.CutPrefix(text, "whsec_")
		require.True(t, ok)
		require.Len(t, encoded, 36, "as long as the documented one")
		key, err := base64.RawStdEncoding.DecodeString(encoded)
		require.NoError(t, err, "there is no padding")
		require.Len(t, key, 27)
		require.False(t, seen[text])
		seen[text] = true
		again, err := signer.ParseSecret(text)
		require.NoError(t, err)
		require.Equal(t, text, again.Reveal())
	}
}

func keyOf(n int) []byte { return bytes.Repeat([]byte{0xfb, 0xef, 0x01}, n)[:n] }

func TestParseSecret(t *testing.T) {
	t.Parallel()
	for n := 24; n <= 64; n++ {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
			text := "whsec_" + enc.EncodeToString(keyOf(n))
			secret, err := signer.ParseSecret(text)
			require.NoError(t, err, "%d bytes", n)
			require.Equal(t, text, secret.Reveal())
		}
	}
	good := "whsec_" + base64.StdEncoding.EncodeToString(keyOf(25)) // Ends with "==".
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "empty"},
		{"prefix only", "whsec_", "0 bytes"},
		{"another prefix", "whsk_" + good[len("whsec_"):], "does not start"},
		{"upper-case prefix", "WHSEC_" + good[len("whsec_"):], "does not start"},
		{"15 characters", strings.Repeat("abcde", 3), "does not start with whsec_; one of another sender is 16 to 128 visible ASCII characters"},
		{"129 characters", strings.Repeat("abc", 43), "16 to 128"},
		{"a space inside another's", "my webhook secret of old", "16 to 128"},
		{"another's in quotes", `"my-webhook-secret"`, "secret has quotes around it"},
		{"another's with a line break", "my-webhook-secret\n", "white space"},
		{"another's with an accent", "my-webhook-sécret", "16 to 128"},
		{"a mask of another's", "my-webhook-se***", "is the mask"},
		{"prefix twice", "whsec_" + good, "not standard base64"},
		{"space in front", " " + good, "white space"},
		{"line break behind", good + "\n", "white space"},
		{"CRLF behind", good + "\r\n", "white space"},
		{"tab behind", good + "\t", "white space"},
		{"spaces only", "  ", "white space"},
		{"line break inside", good[:20] + "\n" + good[20:], "line break"},
		{"carriage return inside", good[:20] + "\r" + good[20:], "line break"},
		{"space inside", good[:20] + " " + good[20:], "not standard base64"},
		{"quoted", `"` + good + `"`, "secret has quotes around it"},
		{"in single quotes", "'" + good + "'", "secret has quotes around it"},
		{"a quote behind", good + `"`, "secret has quotes around it"},
		{"byte order mark", "\ufeff" + good, "byte order mark"},
		{"byte order mark and a line break", "\ufeff" + good + "\n", "white space"},
		{"v1, in front", "v1," + good, "has v1, in front of whsec_: leave it out"},
		{"its variable in front", "WEBHOOK_SECRET=" + good, "does not start with whsec_: there is something in front"},
		{"a public key", "whpk_" + good[len("whsec_"):], "does not start with whsec_ but with whpk_"},
		{"a private key", "whsk_" + good[len("whsec_"):], "does not start with whsec_ but with whsk_"},
		{"NUL behind", good + "\x00", "not standard base64"},
		{"url alphabet", "whsec_" + base64.URLEncoding.EncodeToString(keyOf(27)), "not standard base64"},
		{"one of two padding characters", strings.TrimSuffix(good, "="), "not standard base64"},
		{"too much padding", good + "=", "not standard base64"},
		{"padding in the middle", good[:20] + "=" + good[20:], "not standard base64"},
		{"masked", "whsec_***", "is the mask"},
		{"not ASCII", good[:20] + "é" + good[20:], "not standard base64"},
		{"23 bytes", "whsec_" + base64.StdEncoding.EncodeToString(keyOf(23)), "23 bytes"},
		{"65 bytes", "whsec_" + base64.StdEncoding.EncodeToString(keyOf(65)), "65 bytes"},
		{"a megabyte", "whsec_" + base64.StdEncoding.EncodeToString(keyOf(1<<20)), "1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			secret, err := signer.ParseSecret(tt.text)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), good[10:20], "an error quotes no secret")
			require.True(t, secret.IsZero())
		})
	}
}

// A secret that another sender has made is taken as it is.
func TestParseSecretOfAnotherSender(t *testing.T) {
	t.Parallel()
	visible := ""
	for c := '!'; c <= '~'; c++ {
		visible += string(c)
	}
	for _, text := range []string{strings.Repeat("a", 16), strings.Repeat("a", 128), "x" + visible + "x", "sk_live_0123456789abcdef=="} {
		secret, err := signer.ParseSecret(text)
		require.NoError(t, err)
		require.Equal(t, text, secret.Reveal())
		require.Equal(t, "whsec_***", secret.String())
	}
}

func TestZeroSecretIsRefused(t *testing.T) {
	t.Parallel()
	var zero signer.Secret
	require.True(t, zero.IsZero())
	require.Empty(t, zero.Reveal())
	_, err := signer.New(zero)
	require.ErrorContains(t, err, "signer: new: secret 1: secret is empty")
	_, err = signer.New(signer.NewSecret(), signer.NewSecret(), zero, zero)
	require.ErrorContains(t, err, "secret 3")
	require.ErrorContains(t, err, "secret 4", "every one is named")
}

func TestSecretEqual(t *testing.T) {
	t.Parallel()
	a, b := signer.NewSecret(), signer.NewSecret()
	require.True(t, a.Equal(a))
	require.True(t, a.Equal(parse(t, a.Reveal())))
	require.False(t, a.Equal(b))
	require.False(t, a.Equal(signer.Secret{}))
	require.False(t, signer.Secret{}.Equal(a))
	require.False(t, signer.Secret{}.Equal(signer.Secret{}), "no secret is not a secret that matches")
	require.False(t, reflect.TypeFor[signer.Secret]().Comparable(), "== would be neither right nor constant-time")
}

type exported struct {
	Secret  signer.Secret
	Pointer *signer.Secret
	Any     any
	List    []signer.Secret
	Map     map[string]signer.Secret
}

type unexported struct {
	secret  signer.Secret
	pointer *signer.Secret
	any     any
	list    []signer.Secret
	array   [1]signer.Secret
	byName  map[string]signer.Secret
	nested  struct{ deeper *exported }
}

// holders are all the places that a secret may be printed from.
func holders(s signer.Secret) map[string]any {
	e := exported{s, &s, s, []signer.Secret{s}, map[string]signer.Secret{"k": s}}
	u := unexported{secret: s, pointer: &s, any: s, list: e.List, array: [1]signer.Secret{s}, byName: e.Map}
	u.nested.deeper = &e
	return map[string]any{
		"value": s, "pointer": &s, "slice": e.List, "map": e.Map,
		"struct": e, "struct pointer": &e, "unexported": u, "unexported pointer": &u,
		"reflected": reflect.ValueOf(s), "reflected field": reflect.ValueOf(u).Field(0),
		"interfaces": []any{s, &s, e, &u}, "func": s.Reveal,
	}
}

// requireHidden fails if got shows a part of exampleSecret, as it is or encoded.
func requireHidden(t *testing.T, got, how string) {
	t.Helper()
	const part = 6
	for i := len("whsec_"); i+part <= len(exampleSecret); i++ {
		piece := exampleSecret[i : i+part]
		decimal := strings.Trim(fmt.Sprintf("%d", []byte(piece)), "[]")
		for _, form := range []string{
			piece, hex.EncodeToString([]byte(piece)), decimal, strings.ReplaceAll(decimal, " ", ", "),
			fmt.Sprintf("% x", piece), fmt.Sprintf("%#v", []byte(piece))[len("[]byte{"):][:4*part],
		} {
			if strings.Contains(strings.ToLower(got), strings.ToLower(form)) {
				require.FailNow(t, "a secret shows", "%s: %q in %s", how, form, got)
			}
		}
	}
}

func TestSecretIsHiddenFromFmt(t *testing.T) {
	t.Parallel()
	secret := parse(t, exampleSecret)
	for name, holder := range holders(secret) {
		for _, flags := range []string{"", "+", "#", " ", "0", "-40", ".60", "+#", "# "} {
			for verb := 'A'; verb <= 'z'; verb++ {
				format := "%" + flags + string(verb)
				requireHidden(t, fmt.Sprintf(format, holder), name+" "+format)
			}
		}
	}
	for _, verb := range "vsqxXdbotcUeEfFgG" {
		require.Equal(t, "whsec_***", fmt.Sprintf("%"+string(verb), secret))
		require.Equal(t, "whsec_***", fmt.Sprintf("%#"+string(verb), &secret))
	}
	require.Equal(t, "whsec_***", secret.String())
	require.Equal(t, "[whsec_***]", fmt.Sprint([]signer.Secret{secret}))
	requireHidden(t, fmt.Errorf("wrapped: %v %+v", secret, &secret).Error(), "error")
}

func TestSecretIsHiddenFromEncoders(t *testing.T) {
	t.Parallel()
	secret := parse(t, exampleSecret)
	for name, holder := range holders(secret) {
		if name == "func" || strings.HasPrefix(name, "reflected") {
			continue
		}
		text, err := json.Marshal(holder)
		require.NoError(t, err, name)
		requireHidden(t, string(text), "json "+name)
		for _, handler := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b bytes.Buffer
			slog.New(handler(&b)).Info("m", slog.Any("k", holder))
			require.NotEmpty(t, b.String())
			requireHidden(t, b.String(), "slog "+name)
		}
		var b bytes.Buffer
		_ = gob.NewEncoder(&b).Encode(holder)
		requireHidden(t, b.String(), "gob "+name)
		text, _ = xml.Marshal(holder)
		requireHidden(t, string(text), "xml "+name)
	}
	text, err := json.Marshal(map[string]any{"secret": secret})
	require.NoError(t, err)
	require.JSONEq(t, `{"secret":"whsec_***"}`, string(text))
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", slog.Any("secret", secret))
	require.Contains(t, b.String(), "secret=whsec_***")
}

type recorder struct{ strings.Builder }

func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(r, format, args...) }

// The diff of a failed test walks through pointers and unexported fields.
func TestSecretIsHiddenFromDiffs(t *testing.T) {
	t.Parallel()
	for name, holder := range holders(parse(t, exampleSecret)) {
		var r recorder
		assert.Equal(&r, "something else", holder)
		assert.Nil(&r, holder)
		requireHidden(t, r.String(), name)
	}
}

// With the state of an HMAC one can sign as well as with its key.
func TestSignerIsHidden(t *testing.T) {
	t.Parallel()
	s, err := signer.New(signer.NewSecret(), signer.NewSecret())
	require.NoError(t, err)
	for name, holder := range map[string]any{
		"pointer": s, "value": *s, "field": struct{ S *signer.Signer }{s}, "unexported": struct{ s *signer.Signer }{s},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			// The state of a SHA-256 begins with its name: "sha", in one form or another.
			text := strings.ToLower(fmt.Sprintf(verb, holder))
			for _, form := range []string{"115 104 97", "0x73, 0x68", "736861", "\"sha", "['s' 'h'"} {
				require.NotContains(t, text, form, "%s %s", name, verb)
			}
		}
		var r recorder
		assert.Equal(&r, "something else", holder)
		require.NotContains(t, r.String(), "73 68 61", name)
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add(exampleSecret)
	f.Add("")
	f.Add("whsec_")
	f.Add("whsec_" + base64.StdEncoding.EncodeToString(keyOf(24)))
	f.Add("whsec_" + base64.StdEncoding.EncodeToString(keyOf(25)))
	f.Add("whsec_" + base64.RawStdEncoding.EncodeToString(keyOf(64)))
	f.Add("whsec_" + base64.RawURLEncoding.EncodeToString(keyOf(27)))
	f.Add(exampleSecret + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := signer.ParseSecret(text)
		require.Equal(t, err != nil, secret.IsZero())
		if err != nil {
			if len(text) > 12 {
				require.NotContains(t, err.Error(), text)
			}
			return
		}
		require.Equal(t, text, secret.Reveal())
		require.Regexp(t, `^whsec_[A-Za-z0-9+/]{32,86}={0,2}$`, text)
		_, err = signer.New(secret)
		require.NoError(t, err, "what parses can sign")
	})
}
