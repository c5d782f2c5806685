package signer_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

var benchSizes = []int{200, 1 << 10, 16 << 10}

// BenchmarkSign measures, at each body size: the floor, which is one SHA-256 over
// the body and one block more; this package; crypto/hmac used plainly; and the
// Standard Webhooks library.
func BenchmarkSign(b *testing.B) {
	s := newSigner(b, exampleSecret)
	theirs, err := standardwebhooks.NewWebhook(exampleSecret)
	require.NoError(b, err)
	var block [sha256.BlockSize - 9]byte // With its padding, one block.
	for _, size := range benchSizes {
		body, buf := bytes.Repeat([]byte("x"), size), make([]byte, 0, 128)
		run(b, size, "floor", func() {
			_ = sha256.Sum256(body)
			_ = sha256.Sum256(block[:])
		})
		run(b, size, "untimed", func() { buf = s.AppendSignature(buf[:0], body) })
		run(b, size, "standard", func() { buf = s.AppendStandard(buf[:0], testID, testTime, body) })
		run(b, size, "peer=crypto-hmac", func() {
			mac := hmac.New(sha256.New, []byte(exampleSecret))
			mac.Write(body)
			_ = "sha256=" + hex.EncodeToString(mac.Sum(nil))
		})
		run(b, size, "peer=standard-webhooks", func() { _, err = theirs.Sign(testID, testTime, body) })
		require.NoError(b, err)
	}
}

// BenchmarkVerify is the same for the other side. The peer reads its headers from
// a map, as package verifier does; see the benchmark there.
func BenchmarkVerify(b *testing.B) {
	s := newSigner(b, exampleSecret)
	theirs, err := standardwebhooks.NewWebhook(exampleSecret)
	require.NoError(b, err)
	var block [sha256.BlockSize - 9]byte
	for _, size := range benchSizes {
		body := bytes.Repeat([]byte("x"), size)
		untimed := string(s.AppendSignature(nil, body))
		standard := string(s.AppendStandard(nil, testID, testTime, body))
		header := http.Header{}
		header.Set("webhook-id", testID)
		header.Set("webhook-timestamp", fmt.Sprint(testTime.Unix()))
		header.Set("webhook-signature", standard)
		ok := true
		run(b, size, "floor", func() {
			_ = sha256.Sum256(body)
			_ = sha256.Sum256(block[:])
		})
		run(b, size, "untimed", func() { ok = ok && s.Verify(body, untimed) })
		run(b, size, "standard", func() { ok = ok && s.VerifyStandard(testID, testTime, body, standard) })
		run(b, size, "malformed", func() { ok = ok && !s.Verify(body, untimed[1:]) })
		run(b, size, "peer=standard-webhooks", func() { ok = ok && theirs.VerifyIgnoringTimestamp(body, header) == nil })
		require.True(b, ok)
	}
}

func run(b *testing.B, size int, name string, f func()) {
	b.Helper()
	b.Run(fmt.Sprintf("%dB/%s", size, name), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
	})
}
