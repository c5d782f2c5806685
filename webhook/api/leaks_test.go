package api_test

import (
	"crypto/sha256"
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
)

// How many characters of a secret in a row are a leak, and of one that is written
// as a list of numbers.
const (
	leakSize = 16
	listSize = 32
)

// leaks finds secrets in texts, however they are written there.
type leaks struct {
	runs   map[string]string // what is looked for, to what it is
	begins []bool            // by begin: whether anything begins so
}

func newLeaks() *leaks { return &leaks{map[string]string{}, make([]bool, 1<<20)} }

// begin is where the first four bytes of a text are in begins.
func begin(text string) uint32 {
	return (uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16 | uint32(text[3])<<24) * 2654435761 >> 12
}

// add takes every run of so many characters of a text.
func (l *leaks) add(what, text string, size int) {
	for i := 0; i+size <= len(text); i++ {
		l.runs[text[i:i+size]] = what
		l.begins[begin(text[i:])] = true
	}
}

// addBytes takes bytes in the forms that fmt, JSON and URLs give them.
func (l *leaks) addBytes(what string, b []byte) {
	decimal := strings.Trim(fmt.Sprintf("%d", b), "[]")
	quoted, err := json.Marshal(string(b))
	if err != nil {
		panic(err)
	}
	inGo := fmt.Sprintf("%#v", b)
	for form, text := range map[string]string{
		"in hex with spaces": fmt.Sprintf("% x", b),
		"in Go":              inGo[strings.Index(inGo, "{")+1:],
		"in decimal":         decimal,
		"in a list":          strings.ReplaceAll(decimal, " ", ","),
		"in a spaced list":   strings.ReplaceAll(decimal, " ", ", "),
		"in words":           wordsOf(b, binary.BigEndian),
		"in turned words":    wordsOf(b, binary.LittleEndian),
	} {
		l.add(what+" "+form, text, listSize)
	}
	for form, text := range map[string]string{
		"as it is":          string(b),
		"in hex":            hex.EncodeToString(b),
		"in capital hex":    strings.ToUpper(hex.EncodeToString(b)),
		"quoted":            strings.Trim(strconv.Quote(string(b)), `"`),
		"quoted in ASCII":   strings.Trim(strconv.QuoteToASCII(string(b)), `"`),
		"in JSON":           strings.Trim(string(quoted), `"`),
		"in base64":         base64.RawStdEncoding.EncodeToString(b),
		"in base64 of URLs": base64.RawURLEncoding.EncodeToString(b),
		"in a URL":          url.QueryEscape(string(b)),
	} {
		l.add(what+" "+form, text, leakSize)
	}
}

// addPrivateKey takes the half of it that is not public.
func (l *leaks) addPrivateKey(k signer.PrivateKey) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(k.Reveal(), "whsk_"))
	if err != nil {
		panic(err)
	}
	l.addBytes("private key", raw[:len(raw)/2])
}

// wordsOf writes bytes as ciphers keep them.
func wordsOf(b []byte, order binary.ByteOrder) string {
	var out []string
	for ; len(b) >= 4; b = b[4:] {
		out = append(out, fmt.Sprint(order.Uint32(b)))
	}
	return strings.Join(out, " ")
}

// addSecret takes a webhook's secret, the key that it encodes, and what HMAC makes
// of both, with which one can sign as well.
func (l *leaks) addSecret(s signer.Secret) {
	text := s.Reveal()
	encoded := strings.TrimPrefix(text, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		panic(err)
	}
	l.add("a secret", text, leakSize)
	l.addBytes("a secret", []byte(encoded))
	l.addBytes("a secret's key", key)
	l.addBytes("a secret's text", []byte(text)[4:]) // The rest is the same in all.
	for _, k := range [][]byte{[]byte(text), key} {
		for _, pad := range []byte{0x36, 0x5c} {
			l.addBytes("a secret's HMAC state", hmacState(k, pad))
		}
	}
}

// hmacState is the state of SHA-256 after the block that an HMAC key fills.
func hmacState(key []byte, pad byte) []byte {
	var block [sha256.BlockSize]byte
	copy(block[:], key)
	for i := range block {
		block[i] ^= pad
	}
	h := sha256.New()
	h.Write(block[:])
	var state []byte
	if m, ok := h.(encoding.BinaryMarshaler); ok {
		state, _ = m.MarshalBinary() // It never fails.
	}
	return state[4 : 4+sha256.Size] // Behind the format's name; the rest is the same for all.
}

func (l *leaks) addKey(k webhook.SecretKey) { l.addBytes("a sealing key", k.Key[:]) }

// find returns which secret shows in a text and where, or "".
func (l *leaks) find(text string) string {
	for i := range max(0, len(text)-leakSize+1) {
		if !l.begins[begin(text[i:])] {
			continue
		}
		for _, size := range []int{leakSize, listSize} {
			if what, found := l.runs[text[i:min(i+size, len(text))]]; found {
				return fmt.Sprintf("%s shows: …%q…", what, text[max(0, i-100):min(len(text), i+100)])
			}
		}
	}
	return ""
}

func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	s, k := signer.NewSecret(), harness.RandomKey("k1")
	l := newLeaks()
	l.addSecret(s)
	l.addKey(k)
	text := s.Reveal()
	key, err := base64.StdEncoding.DecodeString(text[6:])
	require.NoError(t, err)
	quoted, err := json.Marshal(map[string]any{"text": text, "bytes": key})
	require.NoError(t, err)
	for _, found := range []string{
		"secret=" + text + " ", text[:16], text[20:36], text[len(text)-16:], "v0." + text, string(quoted),
		fmt.Sprintf("%d", key), fmt.Sprintf("%x", text), fmt.Sprintf("%X", key), fmt.Sprintf("% x", text), fmt.Sprintf("%q", key),
		fmt.Sprintf("%#v", key), fmt.Sprintf("%#v", []byte(text)), fmt.Sprintf("%v", []byte(text)), "?secret=" + url.QueryEscape(text),
		string(k.Key[:]), fmt.Sprint(k.Key), fmt.Sprintf("%+v", []any{k.Key}), fmt.Sprintf("%x", k.Key), fmt.Sprintf("%#v", k.Key),
		base64.StdEncoding.EncodeToString(k.Key[:]), fmt.Sprintf("%q", k.Key[:]), fmt.Sprintf("%d", hmacState(key, 0x5c)),
	} {
		require.NotEmpty(t, l.find(found), found)
	}
	for _, fine := range []string{"", text[:15], s.String(), fmt.Sprintf("%x", s.String()), signer.NewSecret().Reveal(), k.ID, fmt.Sprintf("%d", []byte("whsec_"))} {
		require.Empty(t, l.find(fine), fine)
	}
}
