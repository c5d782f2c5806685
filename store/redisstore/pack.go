package redisstore

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
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
	case c <= 0x7f:
		return int64(c)
	case c >= 0xe0:
		return int64(c) - 256
	case c >= 0xa0 && c <= 0xbf:
		return p.take(uint64(c & 0x1f))
	case c >= 0x90 && c <= 0x9f:
		return p.list(uint64(c&0x0f), depth)
	case c >= 0xcc && c <= 0xcf:
		return int64(p.uint(1 << (c - 0xcc))) //nolint:gosec // times and counters are far below the sign bit
	case c >= 0xd0 && c <= 0xd3:
		return p.signed(1 << (c - 0xd0))
	case c >= 0xd9 && c <= 0xdb:
		return p.take(p.uint(1 << (c - 0xd9)))
	case c == 0xdc || c == 0xdd:
		return p.list(p.uint(2<<(c-0xdc)), depth)
	case c == 0xca:
		return int64(math.Float32frombits(uint32(p.uint(4)))) //nolint:gosec // four bytes were read
	case c == 0xcb:
		return int64(math.Float64frombits(p.uint(8)))
	default:
		p.bad = true
		return nil
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
	b := binary.BigEndian.AppendUint16([]byte{0xdc}, uint16(len(list))) //nolint:gosec // event types or metadata of a webhook, a few
	for _, s := range list {
		b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(len(s))) //nolint:gosec // of a webhook, which is small
		b = append(b, s...)
	}
	return string(b)
}
