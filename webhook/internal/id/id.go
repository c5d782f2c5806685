// Package id makes and checks the ids of events, webhooks, deliveries and
// requests.
package id

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"

	"github.com/rag-assistant/webhooks/webhook/words"
)

// Limits of ids in bytes.
const (
	MaxLen         = 64
	MaxMerchantLen = 128
)

// New returns prefix and a UUID of version 7 (RFC 9562, section 5.7) in 32
// lower-case hex digits. Ids made by one process sort in the order in which they
// were made; ids of different processes by time, to the millisecond.
func New(prefix string) string {
	// The system's source is named outright, for uuid's own can be exchanged by
	// any package of the program. It never fails: crypto/rand ends the program
	// rather than return without randomness, so Must cannot fire.
	u := uuid.Must(uuid.NewV7FromReader(rand.Reader))
	var buf [64]byte
	return string(hex.AppendEncode(append(buf[:0], prefix...), u[:]))
}

// Valid reports whether s can be an id: 1 to [MaxLen] ASCII letters, digits,
// underscores and hyphens.
func Valid(s string) bool {
	return len(s) <= MaxLen && made(s, "_-")
}

// MerchantRule says what [ValidMerchant] takes.
const MerchantRule words.Text = "must be 1 to 128 letters, digits or any of _ . @ -"

// ValidMerchant reports whether s can be the id of a merchant: 1 to
// [MaxMerchantLen] of the same characters, dots and at signs. "." and ".." are
// none, because they cannot stand in the path of a URL.
func ValidMerchant(s string) bool {
	return len(s) <= MaxMerchantLen && s != "." && s != ".." && made(s, "_-.@")
}

// made reports whether s is not empty and made of ASCII letters, digits and the
// characters of extra.
func made(s, extra string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			if strings.IndexByte(extra, c) < 0 {
				return false
			}
		}
	}
	return s != ""
}
