package redisstore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// errDamaged says that a record is not what this package writes.
var errDamaged = fmt.Errorf("redisstore: %w", store.ErrDamaged)

// packer writes a record: see the formats at the head of lua/lib.lua.
type packer []byte

func (p packer) num(n int64, size int) packer {
	for i := size - 1; i >= 0; i-- {
		p = append(p, byte(n>>(8*i)&0xff))
	}
	return p
}

// text writes a text after its length, which has so many bytes.
func (p packer) text(s string, size int) packer { return append(p.num(int64(len(s)), size), s...) }

// unpacker reads a record from left to right. What is missing reads as zero and
// sets bad.
type unpacker struct {
	rest string
	bad  bool
}

func (u *unpacker) take(n int) string {
	if n < 0 || n > len(u.rest) {
		u.bad, u.rest = true, ""
		return ""
	}
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) num(size int) int64 {
	n := int64(0)
	for _, b := range []byte(u.take(size)) {
		n = n<<8 | int64(b)
	}
	return n
}

func (u *unpacker) text(size int) string { return u.take(int(u.num(size))) }

// copied is a text that may outlive the reply which it is a part of.
func (u *unpacker) copied(size int) string { return strings.Clone(u.text(size)) }

func (u *unpacker) time() time.Time { return stamp(u.num(6)) }

// integer reads a number as scripts write it, 0 if there is none.
func integer(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // Only of what was damaged it cannot.
	return n
}

// packList writes texts, each after its length.
func packList(list []string, size int) string {
	var p packer
	for _, s := range list {
		p = p.text(s, size)
	}
	return string(p)
}

func unpackList(packed string, size int) ([]string, error) {
	u := unpacker{rest: packed}
	var out []string
	for u.rest != "" {
		out = append(out, u.text(size))
	}
	if u.bad {
		return nil, errDamaged
	}
	return out, nil
}
