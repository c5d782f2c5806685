package signer

import (
	"crypto/sha256"
	"encoding"
)

// hmacKey is an HMAC-SHA256 key (RFC 2104), kept as two marshalled SHA-256 states:
// the inner and the outer hash, each after the block that the key fills. Signing
// goes on from these states, which saves two blocks a signature.
type hmacKey struct{ inner, outer []byte }

func newHMACKey(key []byte) hmacKey {
	var block [sha256.BlockSize]byte
	if len(key) > len(block) {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	copy(block[:], key)
	return hmacKey{inner: stateAfter(block, 0x36), outer: stateAfter(block, 0x5c)}
}

// stateAfter returns the state of a SHA-256 that has read block, each byte of it
// xored with pad.
func stateAfter(block [sha256.BlockSize]byte, pad byte) []byte {
	for i := range block {
		block[i] ^= pad
	}
	h := sha256.New()
	_, _ = h.Write(block[:])
	//nolint:errcheck,forcetypeassert // crypto/sha256 documents the interface, and the encoding never fails.
	state, _ := h.(encoding.BinaryMarshaler).MarshalBinary()
	return state
}

// sum returns the HMAC of prefix and body. The hash stays on the stack, because
// the compiler sees which type sha256.New returns: no pool, nothing allocated.
func (k *hmacKey) sum(prefix, body []byte) (mac [sha256.Size]byte) {
	h := sha256.New()
	//nolint:errcheck,forcetypeassert // As in stateAfter; the state is one that SHA-256 has written.
	_ = h.(encoding.BinaryUnmarshaler).UnmarshalBinary(k.inner)
	_, _ = h.Write(prefix)
	_, _ = h.Write(body)
	h.Sum(mac[:0])
	//nolint:errcheck,forcetypeassert // As above.
	_ = h.(encoding.BinaryUnmarshaler).UnmarshalBinary(k.outer)
	_, _ = h.Write(mac[:])
	h.Sum(mac[:0])
	return mac
}
