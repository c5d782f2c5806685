package egress_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// nameServer answers Go's own resolver, over TCP that is a pipe.
type nameServer struct {
	// answer returns the response code and records for a question of type A or
	// AAAA. A negative code leaves the question open.
	answer func(name string, aaaa bool) (code int, records []record)

	mu    sync.Mutex
	asked []string
}

// record is a resource record: an address, or a canonical name.
type record struct {
	name string
	ttl  uint32
	addr netip.Addr
	to   string // of a CNAME
}

const (
	dnsNoError  = 0
	dnsServFail = 2
	dnsNXDomain = 3
	dnsRefused  = 5

	typeA     = 1
	typeCNAME = 5
	typeAAAA  = 28
)

// resolver returns the default resolver of an Egress, but for where it asks.
func (s *nameServer) resolver(tb testing.TB) egress.Resolver {
	tb.Helper()
	ctx := tb.Context()
	return egress.Rooted(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err() // Go's resolver goes on for a while without us.
		}
		near, far := net.Pipe()
		context.AfterFunc(ctx, func() { _ = far.Close() })
		go func() {
			s.serve(far)
			_ = far.Close()
		}()
		return near, nil
	}})
}

// serve reads messages, each after its length (RFC 1035, section 4.2.2).
func (s *nameServer) serve(c net.Conn) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		name, end := question(query)
		kind := binary.BigEndian.Uint16(query[end-4:])
		s.mu.Lock()
		s.asked = append(s.asked, name)
		s.mu.Unlock()
		code, records := s.answer(name, kind == typeAAAA)
		if code < 0 {
			continue
		}
		message := append([]byte{}, query[:2]...)              // the query's id
		message = append(message, 0x81, 0x80|byte(code), 0, 1) // a recursive response, one question
		message = binary.BigEndian.AppendUint16(message, uint16(len(records)))
		message = append(message, 0, 0, 0, 0)
		message = append(message, query[12:end]...)
		for _, r := range records {
			message = r.appendTo(message)
		}
		message = append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
		if _, err := c.Write(message); err != nil {
			return
		}
	}
}

// question returns the name that a query is about, and where its question ends.
func question(query []byte) (name string, end int) {
	var labels []string
	i := 12
	for query[i] != 0 {
		n := int(query[i])
		labels = append(labels, string(query[i+1:i+1+n]))
		i += 1 + n
	}
	return strings.Join(labels, "."), i + 5
}

func (r record) appendTo(message []byte) []byte {
	kind, data := uint16(typeCNAME), appendName(nil, r.to)
	if r.addr.IsValid() {
		kind, data = typeA, r.addr.AsSlice()
		if r.addr.Is6() {
			kind = typeAAAA
		}
	}
	message = appendName(message, r.name)
	message = binary.BigEndian.AppendUint16(message, kind)
	message = binary.BigEndian.AppendUint16(message, 1)
	message = binary.BigEndian.AppendUint32(message, r.ttl)
	message = binary.BigEndian.AppendUint16(message, uint16(len(data)))
	return append(message, data...)
}

func appendName(b []byte, name string) []byte {
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// zone answers from a table of what a name has: addresses, or one other name
// that it stands for. Chains are followed, as a recursive server does.
func zone(entries map[string][]string) *nameServer {
	return &nameServer{answer: func(name string, aaaa bool) (int, []record) {
		var records []record
		for {
			values, ok := entries[name]
			if !ok {
				return dnsNXDomain, records
			}
			next := ""
			for _, v := range values {
				if addr, err := netip.ParseAddr(v); err != nil {
					records = append(records, record{name: name, ttl: 300, to: v})
					next = v
				} else if addr.Is6() == aaaa {
					records = append(records, record{name: name, ttl: 300, addr: addr})
				}
			}
			if next == "" || len(records) > 20 {
				return dnsNoError, records
			}
			name = next
		}
	}}
}

// fails answers every question with a code.
func fails(code int) *nameServer {
	return &nameServer{answer: func(string, bool) (int, []record) { return code, nil }}
}
