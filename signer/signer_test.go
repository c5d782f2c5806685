package signer_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

var (
	testBody = []byte(`{"created":"2025-11-04T12:00:00Z","data":{},"id":"evt_1","type":"webhook.test"}`)
	testTime = time.Unix(1762257600, 0)
)

const testID = "evt_1"

// hmacOf is HMAC-SHA256 as crypto/hmac has it.
func hmacOf(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return mac.Sum(nil)
}

// TestSignaturesAreHMAC checks every length that a key can have, below, at and
// above the block, and bodies around the block's multiples.
func TestSignaturesAreHMAC(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789"), 100)
	for n := 24; n <= 64; n++ {
		key := keyOf(n)
		text := "whsec_" + base64.RawStdEncoding.EncodeToString(key)
		s := newSigner(t, text)
		for _, size := range []int{0, 1, 31, 32, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 1000} {
			untimed := "sha256=" + hex.EncodeToString(hmacOf([]byte(text), body[:size]))
			require.Equal(t, untimed, string(s.AppendSignature(nil, body[:size])))
			require.True(t, s.Verify(body[:size], untimed))
			signed := fmt.Appendf(nil, "%s.%d.%s", testID, testTime.Unix(), body[:size])
			standard := "v1," + base64.StdEncoding.EncodeToString(hmacOf(key, signed))
			require.Equal(t, standard, string(s.AppendStandard(nil, testID, testTime, body[:size])))
			require.True(t, s.VerifyStandard(testID, testTime, body[:size], standard))
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newSigner(t, exampleSecret)
	require.Regexp(t, `^x: sha256=[0-9a-f]{64}$`, string(s.AppendSignature([]byte("x: "), testBody)))
	require.Regexp(t, `^x: v1,[A-Za-z0-9+/]{43}=$`, string(s.AppendStandard([]byte("x: "), testID, testTime, testBody)))
}

func TestRotationListsEverySecret(t *testing.T) {
	t.Parallel()
	texts := []string{signer.NewSecret().Reveal(), signer.NewSecret().Reveal(), signer.NewSecret().Reveal()}
	all := newSigner(t, texts...)
	require.Equal(t, newSigner(t, texts[0]).AppendSignature(nil, testBody), all.AppendSignature(nil, testBody),
		"X-Webhook-Signature has room for the current secret only")
	var listed []string
	for _, text := range texts {
		one := newSigner(t, text)
		standard := string(one.AppendStandard(nil, testID, testTime, testBody))
		listed = append(listed, standard)
		require.True(t, all.VerifyStandard(testID, testTime, testBody, standard), "a signature of any secret verifies")
		require.True(t, all.Verify(testBody, string(one.AppendSignature(nil, testBody))))
	}
	require.Equal(t, strings.Join(listed, " "), string(all.AppendStandard(nil, testID, testTime, testBody)))
}

func TestLongID(t *testing.T) {
	t.Parallel()
	s, id := newSigner(t, exampleSecret), strings.Repeat("i", 1000)
	signed := fmt.Appendf(nil, "%s.%d.%s", id, testTime.Unix(), testBody)
	want := "v1," + base64.StdEncoding.EncodeToString(hmacOf(keyBytes(t, exampleSecret), signed))
	require.Equal(t, want, string(s.AppendStandard(nil, id, testTime, testBody)))
	require.True(t, s.VerifyStandard(id, testTime, testBody, want))
}

func keyBytes(t *testing.T, text string) []byte {
	t.Helper()
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	require.NoError(t, err)
	return key
}

// A dot moves the border between id, timestamp and body without changing what is
// signed.
func TestIDWithDotIsRefused(t *testing.T) {
	t.Parallel()
	s := newSigner(t, exampleSecret)
	body := []byte("x.1762257600.{}")
	header := string(s.AppendStandard(nil, "evt", time.Unix(1, 0), body))
	require.True(t, s.VerifyStandard("evt", time.Unix(1, 0), body, header))
	require.False(t, s.VerifyStandard("evt.1.x", testTime, []byte("{}"), header))
	require.False(t, s.VerifyStandard("", testTime, testBody, string(s.AppendStandard(nil, "", testTime, testBody))))
}

func TestEveryChangeOfASignatureIsRefused(t *testing.T) {
	t.Parallel()
	s := newSigner(t, signer.NewSecret().Reveal(), exampleSecret)
	one := newSigner(t, exampleSecret)
	untimed := one.AppendSignature(nil, testBody)
	standard := one.AppendStandard(nil, testID, testTime, testBody)
	accepts := map[string]func(header string) bool{
		"untimed":  func(h string) bool { return s.Verify(testBody, h) },
		"standard": func(h string) bool { return s.VerifyStandard(testID, testTime, testBody, h) },
	}
	for name, header := range map[string]string{"untimed": string(untimed), "standard": string(standard)} {
		accept := accepts[name]
		require.True(t, accept(header))
		for end := range header {
			require.False(t, accept(header[:end]), "%s: prefix of %d bytes", name, end)
			require.False(t, accept(header[end+1:]), "%s: without the first %d bytes", name, end+1)
			require.False(t, accept(header[:end]+header[end+1:]), "%s: without byte %d", name, end)
			if end > 0 || name == "untimed" { // Spaces are between the signatures of a list.
				require.False(t, accept(header[:end]+" "+header[end:]), "%s: space at %d", name, end)
			}
			for bit := range 8 {
				flipped := []byte(header)
				flipped[end] ^= 1 << bit
				if name == "untimed" && strings.EqualFold(string(flipped), header) && end >= len("sha256=") {
					continue // A hex digit in the other case.
				}
				require.False(t, accept(string(flipped)), "%s: bit %d of byte %d", name, bit, end)
			}
		}
		for _, more := range []string{"\x00", ";", "0", "=", "\n", ",", "é"} {
			require.False(t, accept(header+more), "%s: %q behind", name, more)
			require.False(t, accept(more+header), "%s: %q in front", name, more)
		}
		require.False(t, accept(`"`+header+`"`))
	}
	mac := hmacOf([]byte(exampleSecret), testBody)
	for bit := range 8 * len(mac) {
		mac[bit/8] ^= 1 << (bit % 8)
		require.False(t, s.Verify(testBody, "sha256="+hex.EncodeToString(mac)), "bit %d of the MAC", bit)
		mac[bit/8] ^= 1 << (bit % 8)
	}
	require.True(t, s.Verify(testBody, "sha256="+hex.EncodeToString(mac)))
}

func TestEveryChangeOfWhatIsSignedIsRefused(t *testing.T) {
	t.Parallel()
	s := newSigner(t, exampleSecret)
	untimed := string(s.AppendSignature(nil, testBody))
	standard := string(s.AppendStandard(nil, testID, testTime, testBody))
	for bit := range 8 * len(testBody) {
		body := bytes.Clone(testBody)
		body[bit/8] ^= 1 << (bit % 8)
		require.False(t, s.Verify(body, untimed))
		require.False(t, s.VerifyStandard(testID, testTime, body, standard))
	}
	for _, id := range []string{"evt_2", "evt_", "evt_11", "EVT_1", " evt_1"} {
		require.False(t, s.VerifyStandard(id, testTime, testBody, standard))
	}
	require.False(t, s.VerifyStandard(testID, testTime.Add(time.Second), testBody, standard))
	require.False(t, s.VerifyStandard(testID, testTime.Add(-time.Second), testBody, standard))
	require.True(t, s.VerifyStandard(testID, testTime.Add(time.Second-1), testBody, standard), "whole seconds count")
	require.False(t, s.Verify(nil, untimed))
}

// TestInterop signs with one side and verifies with the other.
func TestInterop(t *testing.T) {
	t.Parallel()
	for range 200 {
		text := signer.NewSecret().Reveal()
		ours := newSigner(t, signer.NewSecret().Reveal(), text, signer.NewSecret().Reveal())
		theirs, err := standardwebhooks.NewWebhook(text)
		require.NoError(t, err, "their library takes our secrets")
		now := time.Now()
		header := http.Header{}
		header.Set(signer.HeaderStandardID, testID)
		header.Set(signer.HeaderStandardTimestamp, fmt.Sprint(now.Unix()))
		header.Set(signer.HeaderStandardSignature, string(ours.AppendStandard(nil, testID, now, testBody)))
		require.NoError(t, theirs.Verify(testBody, header))
		require.Error(t, theirs.Verify(testBody[1:], header))
		signature, err := theirs.Sign(testID, now, testBody)
		require.NoError(t, err)
		require.True(t, ours.VerifyStandard(testID, now, testBody, signature))
		require.False(t, ours.VerifyStandard(testID, now, testBody[1:], signature))
	}
}

func TestSignerIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	s := newSigner(t, exampleSecret, signer.NewSecret().Reveal())
	untimed := string(s.AppendSignature(nil, testBody))
	standard := string(s.AppendStandard(nil, testID, testTime, testBody))
	failed := make(chan string, 8)
	var wg sync.WaitGroup
	for range cap(failed) {
		wg.Go(func() {
			for range 500 {
				if string(s.AppendSignature(nil, testBody)) != untimed || !s.Verify(testBody, untimed) ||
					string(s.AppendStandard(nil, testID, testTime, testBody)) != standard ||
					!s.VerifyStandard(testID, testTime, testBody, standard) {
					failed <- "a signature is wrong"
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	require.Empty(t, failed)
}

func TestNothingIsAllocated(t *testing.T) { //nolint:paralleltest // AllocsPerRun refuses to run beside others.
	s := newSigner(t, exampleSecret, signer.NewSecret().Reveal())
	untimed := string(s.AppendSignature(nil, testBody))
	standard := string(s.AppendStandard(nil, testID, testTime, testBody))
	buf := make([]byte, 0, 256)
	for name, f := range map[string]func(){
		"AppendSignature":         func() { buf = s.AppendSignature(buf[:0], testBody) },
		"AppendStandard":          func() { buf = s.AppendStandard(buf[:0], testID, testTime, testBody) },
		"Verify":                  func() { s.Verify(testBody, untimed) },
		"VerifyStandard":          func() { s.VerifyStandard(testID, testTime, testBody, standard) },
		"Verify, wrong":           func() { s.Verify(testBody[1:], untimed) },
		"Verify, malformed":       func() { s.Verify(testBody, untimed[1:]) },
		"VerifyStandard, nothing": func() { s.VerifyStandard(testID, testTime, testBody, "v2,x v1,y") },
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}

var untimedForm = regexp.MustCompile(`^sha256=[0-9a-fA-F]{64}$`)

func FuzzVerify(f *testing.F) {
	s := newSigner(f, exampleSecret)
	good := string(s.AppendSignature(nil, testBody))
	for _, header := range []string{good, strings.ToUpper(good), good[:70], good + "0", "", "sha256=", "sha256=bad," + good, good[7:]} {
		f.Add(header, testBody)
	}
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		want := "sha256=" + hex.EncodeToString(hmacOf([]byte(exampleSecret), body))
		require.True(t, s.Verify(body, want))
		require.Equal(t, untimedForm.MatchString(header) && strings.EqualFold(header, want), s.Verify(body, header))
	})
}

func FuzzVerifyStandard(f *testing.F) {
	s := newSigner(f, exampleSecret)
	good := string(s.AppendStandard(nil, testID, testTime, testBody))
	for _, header := range []string{good, "v1, " + good, "v1a,x " + good, good[:46], good + "=", "v1,", "", " ", good[3:], good + " " + good} {
		f.Add(header, testID, testTime.Unix(), testBody)
	}
	f.Add(good, "a.b", int64(-1), testBody)
	f.Fuzz(func(t *testing.T, header, id string, seconds int64, body []byte) {
		at := time.Unix(seconds, 0)
		valid := id != "" && !strings.Contains(id, ".")
		want := string(s.AppendStandard(nil, id, at, body))
		require.Equal(t, valid, s.VerifyStandard(id, at, body, want))
		listed := false
		for token := range strings.SplitSeq(header, " ") {
			listed = listed || token == want
		}
		require.Equal(t, valid && listed, s.VerifyStandard(id, at, body, header))
	})
}
