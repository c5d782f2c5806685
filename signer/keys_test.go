package signer_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

// The pair that svix's worker is tested with.
const (
	testPrivate = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	testPublic  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
)

func parsePrivate(tb testing.TB, text string) signer.PrivateKey {
	tb.Helper()
	key, err := signer.ParsePrivateKey(text)
	require.NoError(tb, err)
	return key
}

func parsePublic(tb testing.TB, text string) signer.PublicKey {
	tb.Helper()
	key, err := signer.ParsePublicKey(text)
	require.NoError(tb, err)
	return key
}

func TestNewPrivateKey(t *testing.T) {
	t.Parallel()
	seen := map[signer.PublicKey]bool{}
	for range 100 {
		key := signer.NewPrivateKey()
		text := key.Reveal()
		require.Regexp(t, `^whsk_[A-Za-z0-9+/]{86}==$`, text)
		require.True(t, parsePrivate(t, text).Equal(key))
		require.Equal(t, key.Public(), parsePublic(t, key.Public().String()))
		require.False(t, seen[key.Public()])
		seen[key.Public()] = true
	}
}

func TestPrivateKeyAndPublicKey(t *testing.T) {
	t.Parallel()
	key, other := parsePrivate(t, testPrivate), signer.NewPrivateKey()
	require.Equal(t, testPrivate, key.Reveal())
	require.Equal(t, testPublic, key.Public().String())
	require.True(t, key.Equal(parsePrivate(t, strings.TrimRight(testPrivate, "="))), "padding may be left out")
	require.Equal(t, key.Public(), parsePublic(t, strings.TrimRight(testPublic, "=")))
	require.False(t, key.Equal(other))
	require.False(t, reflect.TypeFor[signer.PrivateKey]().Comparable(), "== would be neither right nor constant-time")
	text, err := json.Marshal(map[string]any{"publicKey": key.Public()})
	require.NoError(t, err)
	require.JSONEq(t, `{"publicKey":"`+testPublic+`"}`, string(text))

	var zero signer.PrivateKey
	require.True(t, zero.IsZero())
	require.Empty(t, zero.Reveal())
	require.True(t, zero.Public().IsZero())
	require.Empty(t, zero.Public().String())
	require.False(t, zero.Equal(zero), "no key is not a key that matches")
	require.False(t, key.Equal(zero))
	require.False(t, zero.Equal(key))
}

func TestParseKeysAreStrict(t *testing.T) {
	t.Parallel()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(testPrivate, "whsk_"))
	require.NoError(t, err)
	private := func(raw []byte) string { return "whsk_" + base64.StdEncoding.EncodeToString(raw) }
	public := func(raw []byte) string { return "whpk_" + base64.StdEncoding.EncodeToString(raw) }
	changed := func(i int) []byte {
		c := bytes.Clone(raw)
		c[i] ^= 1
		return c
	}
	for _, tt := range []struct{ name, private, public, want string }{
		{"empty", "", "", "is empty"},
		{"prefix only", "whsk_", "whpk_", "0 bytes"},
		{"no prefix", testPrivate[5:], testPublic[5:], "does not start"},
		{"the other half", testPublic, testPrivate, "does not start"},
		{"a secret", exampleSecret, exampleSecret, "does not start"},
		{"prefix in upper case", "WHSK_" + testPrivate[5:], "WHPK_" + testPublic[5:], "does not start"},
		{"line break behind", testPrivate + "\n", testPublic + "\n", "white space"},
		{"space in front", " " + testPrivate, " " + testPublic, "white space"},
		{"line break inside", testPrivate[:20] + "\n" + testPrivate[20:], testPublic[:20] + "\n" + testPublic[20:], "line break"},
		{"quoted", `"` + testPrivate + `"`, `"` + testPublic + `"`, "has quotes around it"},
		{"byte order mark", "\ufeff" + testPrivate, "\ufeff" + testPublic, "byte order mark"},
		{"url alphabet", strings.ReplaceAll(testPrivate, "/", "_"), "whpk_" + base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)), "not standard base64"},
		{"some of the padding", testPrivate[:len(testPrivate)-1], testPublic + "=", "not standard base64"},
		{"spare bits", strings.Replace(testPrivate, "vg==", "vh==", 1), strings.Replace(testPublic, "r4=", "r5=", 1), "not standard base64"},
		{"masked", "whsk_***", "whpk_***", "is the mask"},
		{"too short", private(raw[:63]), public(raw[:31]), "bytes, not"},
		{"too long", private(append(changed(0), 0)), public(raw[:33]), "bytes, not"},
		{"seed only", private(raw[:32]), public(nil), "bytes, not"},
		{"another seed", private(changed(0)), "", "its own public key"},
		{"another public key", private(changed(63)), "", "its own public key"},
		{"halves exchanged", private(append(bytes.Clone(raw[32:]), raw[:32]...)), "", "its own public key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, err := signer.ParsePrivateKey(tt.private)
			require.ErrorContains(t, err, tt.want)
			require.True(t, key.IsZero())
			requireNoPartOf(t, err.Error(), "private", raw)
			if strings.Contains(tt.want, "its own") { // A public key has one half only.
				return
			}
			half, err := signer.ParsePublicKey(tt.public)
			require.ErrorContains(t, err, tt.want)
			require.True(t, half.IsZero())
			requireNoPartOf(t, err.Error(), "public", raw)
		})
	}
}

// smallOrder are all encodings of the points of small order, by y; each has a
// second one with the sign of x.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
}

// TestPublicKeysThatAnyoneCanSignFor forges: with R the neutral point and S zero,
// a signature holds for every message whose hash is a multiple of the order.
func TestPublicKeysThatAnyoneCanSignFor(t *testing.T) {
	t.Parallel()
	forged := make([]byte, ed25519.SignatureSize)
	forged[0] = 1
	for _, digits := range smallOrder {
		for _, sign := range []byte{0, 0x80} {
			raw, err := hex.DecodeString(digits)
			require.NoError(t, err)
			raw[31] |= sign
			verified := false
			for i := 0; i < 1000 && !verified; i++ {
				sum := sha512.Sum512([]byte{byte(i), byte(i >> 8)})
				verified = ed25519.Verify(raw, sum[:], forged)
			}
			require.True(t, verified, "%x: crypto/ed25519 takes it, and the forgery", raw)
			key, err := signer.ParsePublicKey("whpk_" + base64.StdEncoding.EncodeToString(raw))
			require.ErrorContains(t, err, "none that a private key can have", "%x", raw)
			require.True(t, key.IsZero())
		}
	}
	header := "v1a," + base64.StdEncoding.EncodeToString(forged)
	for i := range 100 {
		require.False(t, signer.PublicKey{}.VerifyStandard(fmt.Sprint(i), testTime, testBody, header), "the zero key is one of them")
	}
}

// requireNoPartOf fails if got shows a part of raw, as it is or encoded.
func requireNoPartOf(t *testing.T, got, how string, raw []byte) {
	t.Helper()
	const part = 6
	text := base64.StdEncoding.EncodeToString(raw)
	got = strings.ToLower(got)
	for i := 0; i+part <= len(text); i++ {
		require.NotContains(t, got, strings.ToLower(text[i:i+part]), how)
	}
	for i := 0; i+part <= len(raw); i++ {
		piece := raw[i : i+part]
		decimal := strings.Trim(fmt.Sprintf("%d", piece), "[]")
		for _, form := range []string{
			string(piece), hex.EncodeToString(piece), decimal, strings.ReplaceAll(decimal, " ", ", "),
			fmt.Sprintf("% x", piece), fmt.Sprintf("%#v", piece)[len("[]byte{"):][:4*part],
		} {
			require.NotContains(t, got, strings.ToLower(form), how)
		}
	}
}

func TestPrivateKeyIsHidden(t *testing.T) {
	t.Parallel()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(testPrivate, "whsk_"))
	require.NoError(t, err)
	seed := raw[:32] // The rest is public.
	key := parsePrivate(t, testPrivate)
	s, err := signer.NewAsymmetric(key, key)
	require.NoError(t, err)
	for name, holder := range map[string]any{
		"value": key, "pointer": &key, "slice": []signer.PrivateKey{key}, "exported": struct{ K signer.PrivateKey }{key},
		"unexported": struct{ k signer.PrivateKey }{key}, "list": struct{ k []signer.PrivateKey }{[]signer.PrivateKey{key}},
		"signer": s, "signer value": *s, "signer's holder": struct{ s *signer.Signer }{s}, "reflected": reflect.ValueOf(key),
	} {
		for _, flags := range []string{"", "+", "#", " ", "0", "-40", ".60"} {
			for verb := 'A'; verb <= 'z'; verb++ {
				format := "%" + flags + string(verb)
				requireNoPartOf(t, fmt.Sprintf(format, holder), name+" "+format, seed)
			}
		}
		text, err := json.Marshal(holder)
		if err == nil {
			requireNoPartOf(t, string(text), "json "+name, seed)
		}
		var b bytes.Buffer
		slog.New(slog.NewJSONHandler(&b, nil)).Info("m", slog.Any("k", holder))
		slog.New(slog.NewTextHandler(&b, nil)).Info("m", slog.Any("k", holder))
		requireNoPartOf(t, b.String(), "slog "+name, seed)
		var r recorder
		assert.Equal(&r, "something else", holder)
		requireNoPartOf(t, r.String(), "diff "+name, seed)
	}
	require.Equal(t, "whsk_***", key.String())
	require.Equal(t, "whsk_***", fmt.Sprintf("%#v", key))
	text, err := json.Marshal(map[string]any{"key": key})
	require.NoError(t, err)
	require.JSONEq(t, `{"key":"whsk_***"}`, string(text))
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", slog.Any("key", key))
	require.Contains(t, b.String(), "key=whsk_***")
}

func FuzzParseKeys(f *testing.F) {
	for _, text := range []string{testPrivate, testPublic, "", "whsk_", "whpk_", exampleSecret, testPrivate + "\n", testPublic[:40]} {
		f.Add(text)
	}
	for _, digits := range smallOrder {
		raw, err := hex.DecodeString(digits)
		require.NoError(f, err)
		f.Add("whpk_" + base64.StdEncoding.EncodeToString(raw))
	}
	f.Fuzz(func(t *testing.T, text string) {
		private, err := signer.ParsePrivateKey(text)
		require.Equal(t, err != nil, private.IsZero())
		if err == nil {
			require.Equal(t, strings.TrimRight(text, "="), strings.TrimRight(private.Reveal(), "="), "one spelling, but for padding")
			s, err := signer.NewAsymmetric(private)
			require.NoError(t, err, "what parses can sign")
			header := string(s.AppendStandard(nil, testID, testTime, testBody))
			require.True(t, private.Public().VerifyStandard(testID, testTime, testBody, header))
		} else if len(text) > 12 {
			require.NotContains(t, err.Error(), text)
		}
		public, err := signer.ParsePublicKey(text)
		require.Equal(t, err != nil, public.IsZero())
		if err == nil {
			require.Equal(t, strings.TrimRight(text, "="), strings.TrimRight(public.String(), "="))
			forged := append([]byte{1}, make([]byte, ed25519.SignatureSize-1)...)
			require.False(t, public.VerifyStandard(testID, testTime, testBody, "v1a,"+base64.StdEncoding.EncodeToString(forged)))
		} else if len(text) > 12 {
			require.NotContains(t, err.Error(), text)
		}
	})
}
