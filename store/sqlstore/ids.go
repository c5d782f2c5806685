package sqlstore

import (
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// An id is (milliseconds since epoch) << idBits | something unique to it. So ids sort by
// the time of their making, and a time is a bound of a key.
const (
	epoch  = 1577836800000 // 2020-01-01 in Unix milliseconds
	idBits = 22
)

// firstID is the least id of a millisecond.
func firstID(ms int64) int64 { return max(ms-epoch, 0) << idBits }

// madeAt is when a record was made, by its id.
func madeAt(id int64) time.Time { return stamp(id>>idBits + epoch) }

// stamp turns Unix milliseconds into a time, and 0 into none.
func stamp(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// millis is the reverse of stamp. It rounds up, as a bound of whole milliseconds needs.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// place is where a delivery is: the key of its webhook, and its own.
type place struct{ wh, id int64 }

const deliveryPrefix = "whdel_"

// deliveryID writes a place as an id that nobody can guess or count by: one block of
// AES under the store's key.
func deliveryID(c cipher.Block, p place) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(p.wh)) //nolint:gosec // bits
	binary.BigEndian.PutUint64(b[8:], uint64(p.id)) //nolint:gosec // bits
	c.Encrypt(b[:], b[:])
	return deliveryPrefix + hex.EncodeToString(b[:])
}

// placeOf reads an id. It returns a place where nothing is for one that is not the store's.
func placeOf(c cipher.Block, id string) place {
	text, ok := strings.CutPrefix(id, deliveryPrefix)
	b, err := hex.DecodeString(text)
	if !ok || err != nil || len(b) != 16 || strings.ToLower(text) != text {
		return place{}
	}
	c.Decrypt(b, b)
	return place{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))} //nolint:gosec // bits
}

// The first letter of a cursor says what it goes through.
const (
	deliveryCursor = "d"
	eventCursor    = "e"
	webhookCursor  = "w"
	merchantCursor = "m"
	troubledCursor = "t"
	jobCursor      = "j"
	cancelCursor   = "c"
	noticePrefix   = "notice_"
)

func writeNumber(kind string, n int64) string { return kind + strconv.FormatInt(n, 36) }

// readNumber returns the number that writeNumber has written.
func readNumber(kind, text string) (int64, bool) {
	after, ok := strings.CutPrefix(text, kind)
	n, err := strconv.ParseInt(after, 36, 64)
	return n, ok && err == nil && n > 0 && writeNumber(kind, n) == text
}

// readCursor returns the number that a cursor names, or none without a cursor.
func readCursor(kind, cursor string, none int64) (int64, error) {
	if cursor == "" {
		return none, nil
	}
	n, ok := readNumber(kind, cursor)
	if !ok {
		return 0, store.ErrCursor
	}
	return n, nil
}
