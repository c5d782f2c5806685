package memstore

import "encoding/hex"

const (
	idPrefix = "whdel_"
	idLength = len(idPrefix) + 2*len(deliveryID{})
)

// deliveryID is the digest in an id of [store.DeliveryID]. As a key of a map it
// takes a third of the memory, and no detour to the bytes of a string when the
// map grows.
type deliveryID [12]byte

// parseID returns false if s is not how [store.DeliveryID] writes an id.
func parseID(s string) (id deliveryID, ok bool) {
	if len(s) != idLength || s[:len(idPrefix)] != idPrefix {
		return id, false
	}
	for i := range id {
		j := len(idPrefix) + 2*i
		high, low := digit(s[j]), digit(s[j+1])
		if high|low > 15 {
			return id, false
		}
		id[i] = high<<4 | low
	}
	return id, true
}

// digit returns the value of a lower-case hex digit, or 16.
func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	default:
		return 16
	}
}

func (id deliveryID) String() string {
	var b [idLength]byte
	copy(b[:], idPrefix)
	hex.Encode(b[len(idPrefix):], id[:])
	return string(b[:])
}
