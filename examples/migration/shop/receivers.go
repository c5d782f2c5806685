package shop

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// kind is a way in which receivers were written.
type kind struct {
	name      string
	endpoints int
	takes     func(e *Endpoint, h http.Header, body []byte) bool
}

// kinds are the six of them.
func kinds() []kind {
	return []kind{
		{"hex", 200, func(e *Endpoint, h http.Header, body []byte) bool { // as the documentation said
			return h.Get("X-Shop-Signature") == hex.EncodeToString(sign(e, body))
		}},
		{"hmac", 80, func(e *Endpoint, h http.Header, body []byte) bool { // as it said in the first year
			return h.Get("X-Shop-Hmac") == base64.StdEncoding.EncodeToString(sign(e, body))
		}},
		{"standard", 90, verified}, // a library of Standard Webhooks
		{"rewrites", 50, func(e *Endpoint, h http.Header, body []byte) bool { // such a library behind a framework that has parsed the body
			var v any
			dec := json.NewDecoder(bytes.NewReader(body))
			dec.UseNumber()
			if dec.Decode(&v) != nil {
				return false
			}
			again, err := pythonic(v)
			return err == nil && verified(e, h, again)
		}},
		{"open", 60, func(*Endpoint, http.Header, []byte) bool { return true }}, // checks nothing
		{"agent", 20, func(_ *Endpoint, h http.Header, _ []byte) bool { // a firewall lets one User-Agent in
			return h.Get("User-Agent") == "Shop-Hooks/2.1"
		}},
	}
}

func verified(e *Endpoint, h http.Header, body []byte) bool {
	want := standard(e, h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	return h.Get("webhook-signature") == want
}

// Receivers are the servers of all shops. Their paths are those of [Table].
type Receivers struct {
	table map[int]Endpoint
	kinds map[string]kind

	mu      sync.Mutex
	arrived map[string]int // by event and endpoint
}

// Use tells the receivers their keys.
func (r *Receivers) Use(table []Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table, r.kinds, r.arrived = map[int]Endpoint{}, map[string]kind{}, map[string]int{}
	for _, e := range table {
		r.table[e.ID] = e
	}
	for _, k := range kinds() {
		r.kinds[k.name] = k
	}
}

// Arrived returns how often an endpoint has taken an event.
func (r *Receivers) Arrived(eventID string, endpoint int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.arrived[eventID+" at "+strconv.Itoa(endpoint)]
}

func (r *Receivers) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	name, number, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	id, _ := strconv.Atoi(number)
	r.mu.Lock()
	e, known := r.table[id]
	k := r.kinds[name]
	r.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	if err != nil || !known || k.takes == nil || !k.takes(&e, req.Header, body) {
		http.Error(w, "not from the shop", http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrived[req.Header.Get("webhook-id")+" at "+number]++
}
