package redisstore

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
)

// errPacked says that a stored record cannot be read.
var errPacked = errors.New("record is damaged")

// unpack reads the MessagePack that scripts write: integers, strings and lists.
func unpack(packed string) ([]any, error) {
	p := &packReader{rest: packed}
	v := p.value(0)
	list, ok := v.([]any)
	if p.bad || !ok || p.rest != "" {
		return nil, errPacked
	}
	return list, nil
}

type packReader struct {
	rest string
	bad  bool
}

// take returns the next n bytes.
func (p *packReader) take(n uint64) string {
	if n > uint64(len(p.rest)) {
		p.bad = true
		return ""
	}
	out := p.rest[:n]
	p.rest = p.rest[n:]
	return out
}

// uint reads a big-endian number of 1, 2, 4 or 8 bytes.
func (p *packReader) uint(size uint64) uint64 {
	var b [8]byte
	copy(b[8-size:], p.take(size))
	return binary.BigEndian.Uint64(b[:])
}

const maxDepth = 4

func (p *packReader) value(depth int) any {
	head := p.take(1)
	if p.bad || depth > maxDepth {
		p.bad = true
		return nil
	}
	switch c := head[0]; {
	case isText(c):
		return p.textOf(c)
	case isList(c):
		return p.list(p.lengthOf(c), depth)
	default:
		return p.intOf(c)
	}
}

// int reads a number.
func (p *packReader) int() int64 {
	head := p.take(1)
	if p.bad {
		return 0
	}
	return p.intOf(head[0])
}

// text reads a string.
func (p *packReader) text() string {
	head := p.take(1)
	if p.bad || !isText(head[0]) {
		p.bad = true
		return ""
	}
	return p.textOf(head[0])
}

// copied reads a string that does not keep all of what was packed in memory.
func (p *packReader) copied() string { return strings.Clone(p.text()) }

// length begins to read a list, whose values are to be read next.
func (p *packReader) length() int {
	head := p.take(1)
	if p.bad || !isList(head[0]) {
		p.bad = true
		return 0
	}
	n := p.lengthOf(head[0])
	if n > uint64(len(p.rest)) {
		p.bad = true
		return 0
	}
	return int(n) //nolint:gosec // no more than there are bytes
}

func isText(c byte) bool { return c >= 0xa0 && c <= 0xbf || c >= 0xd9 && c <= 0xdb }

func isList(c byte) bool { return c >= 0x90 && c <= 0x9f || c == 0xdc || c == 0xdd }

// textOf reads the rest of a string that begins with c.
func (p *packReader) textOf(c byte) string {
	if c <= 0xbf {
		return p.take(uint64(c & 0x1f))
	}
	return p.take(p.uint(1 << (c - 0xd9)))
}

// lengthOf reads the length of a list that begins with c.
func (p *packReader) lengthOf(c byte) uint64 {
	if c <= 0x9f {
		return uint64(c & 0x0f)
	}
	return p.uint(2 << (c - 0xdc))
}

// intOf reads the rest of a number that begins with c.
func (p *packReader) intOf(c byte) int64 {
	switch {
	case c <= 0x7f:
		return int64(c)
	case c >= 0xe0:
		return int64(c) - 256
	case c >= 0xcc && c <= 0xcf:
		return int64(p.uint(1 << (c - 0xcc))) //nolint:gosec // times and counters are far below the sign bit
	case c >= 0xd0 && c <= 0xd3:
		return p.signed(1 << (c - 0xd0))
	case c == 0xca:
		return int64(math.Float32frombits(uint32(p.uint(4)))) //nolint:gosec // four bytes were read
	case c == 0xcb:
		return int64(math.Float64frombits(p.uint(8)))
	default:
		p.bad = true
		return 0
	}
}

func (p *packReader) signed(size uint64) int64 {
	shift := 64 - 8*size
	return int64(p.uint(size)<<shift) >> shift //nolint:gosec // keeps the sign
}

func (p *packReader) list(n uint64, depth int) []any {
	if n > uint64(len(p.rest)) {
		p.bad = true
		return nil
	}
	out := make([]any, n)
	for i := range out {
		out[i] = p.value(depth + 1)
	}
	return out
}

// packMap writes a map as a list of keys and values, and an empty one as nothing.
func packMap(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	list := make([]string, 0, 2*len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k, m[k])
	}
	return packStrings(list)
}

// unpackMap reads what packMap has written.
func unpackMap(packed string) (map[string]string, error) {
	if packed == "" {
		return nil, nil
	}
	list, err := unpack(packed)
	if err != nil {
		return nil, err
	}
	f := fields{list: list}
	m := make(map[string]string, len(list)/2)
	for len(f.list) > 0 {
		k := f.text()
		m[k] = f.text()
	}
	if f.bad {
		return nil, errPacked
	}
	return m, nil
}

// packStrings writes a list of strings as scripts read it.
func packStrings(list []string) string {
	p := newPack(len(list))
	for _, s := range list {
		p = p.text(s)
	}
	return string(p)
}

// pack is a list as scripts read it.
type pack []byte

// newPack begins a list of n values, which are to follow.
func newPack(n int) pack {
	return binary.BigEndian.AppendUint32([]byte{0xdd}, uint32(n)) //nolint:gosec // some thousands at most
}

func (p pack) text(s string) pack {
	if len(s) < 32 {
		return append(append(p, 0xa0|byte(len(s))), s...) //nolint:gosec // below 32
	}
	p = binary.BigEndian.AppendUint32(append(p, 0xdb), uint32(len(s))) //nolint:gosec // far below 4 GiB
	return append(p, s...)
}

func (p pack) int(n int64) pack {
	if n >= 0 && n < 128 {
		return append(p, byte(n))
	}
	return binary.BigEndian.AppendUint64(append(p, 0xd3), uint64(n)) //nolint:gosec // 0xd3 has a sign
}
