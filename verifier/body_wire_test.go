package verifier_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func chunk(data string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(data), data) }

// chunked is a request whose body comes in chunks and ends with end.
func chunked(body, end string, chunks ...string) string {
	head := request("", "-Content-Length", "Transfer-Encoding: chunked", "X-Webhook-Signature: "+untimedHeader(secretA, body))
	for _, c := range chunks {
		head += chunk(c)
	}
	return head + end
}

// TestTransfersOnTheWire sends a body in each of the ways that HTTP/1 knows.
func TestTransfersOnTheWire(t *testing.T) {
	t.Parallel()
	const limit = 200
	fit := eventBody[:len(eventBody)-1] + strings.Repeat(" ", limit-len(eventBody)) + "}"
	over := fit + " "
	half := len(eventBody) / 2
	for _, tt := range []struct {
		name   string
		raw    string
		status int
		body   string // that is handled
	}{
		{"content length", request(eventBody), 200, eventBody},
		{"HTTP/1.0", requestLine("POST / HTTP/1.0", eventBody), 200, eventBody},
		{"at the limit", request(fit), 200, fit},
		{"over the limit", request(over), 413, ""},
		{"over the limit, never sent", request("", "Content-Length: 201"), 413, ""},
		{"far over the limit, never sent", request("", "Content-Length: 9223372036854775807"), 413, ""},
		{"length beyond int64", request("", "Content-Length: 9223372036854775808"), 400, ""},
		{"chunked", chunked(eventBody, "0\r\n\r\n", eventBody[:half], eventBody[half:]), 200, eventBody},
		{"chunked, byte by byte", chunked(eventBody, "0\r\n\r\n", strings.Split(eventBody, "")...), 200, eventBody},
		{"chunked, at the limit", chunked(fit, "0\r\n\r\n", fit), 200, fit},
		{"chunked, over the limit", chunked(over, "0\r\n\r\n", over), 413, ""},
		{"chunked, far over the limit", chunked(over, "0\r\n\r\n", strings.Split(strings.Repeat("x", 10_000), "")...), 413, ""},
		{"chunked, no last chunk", chunked(eventBody, "", eventBody), 400, ""},
		{"chunked, cut in a chunk", strings.TrimSuffix(chunked(eventBody, "", eventBody), eventBody[half:]+"\r\n"), 400, ""},
		{"chunked, cut in a size", chunked(eventBody, "5", eventBody), 400, ""},
		{"chunked, bad size", chunked(eventBody, "g\r\n\r\n", eventBody), 400, ""},
		{"chunked, empty", chunked("", "0\r\n\r\n"), 400, ""},
		{"no length, no chunks", request("", "-Content-Length"), 400, ""},
		{"empty", request(""), 400, ""},
		{"shorter than its length", request(eventBody[:half], "Content-Length: "+strconv.Itoa(len(eventBody))), 400, ""},
		{"shorter by one", request(eventBody[:len(eventBody)-1], "Content-Length: "+strconv.Itoa(len(eventBody))), 400, ""},
		{"nothing of its length", request("", "Content-Length: 10"), 400, ""},
		{"longer than its length", request(eventBody, "Content-Length: "+strconv.Itoa(half)), 401, ""},
		{"length and chunks", strings.Replace(chunked(eventBody, "0\r\n\r\n", eventBody), "\r\n", "\r\nContent-Length: 3\r\n", 1), 200, eventBody},
		{"two lengths", strings.Replace(request(eventBody), "\r\n", "\r\nContent-Length: 3\r\n", 1), 400, ""},
		{"the same length twice", strings.Replace(request(eventBody), "\r\n", "\r\nContent-Length: "+strconv.Itoa(len(eventBody))+"\r\n", 1), 200, eventBody},
		{"a list of lengths", request(eventBody, "Content-Length: 3, 3"), 400, ""},
		{"negative length", request(eventBody, "Content-Length: -1"), 400, ""},
		{"length with a sign", request(eventBody, "Content-Length: +3"), 400, ""},
		{"transfer coding gzip", request(eventBody, "Transfer-Encoding: gzip, chunked"), 501, ""},
		{"transfer coding twice", request(eventBody, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 501, ""},
		{"expects something else", request(eventBody, "Expect: 200-ok"), 417, ""},
		{"content coding identity", request(eventBody, "Content-Encoding: Identity"), 200, eventBody},
		{"content coding empty", request(eventBody, "Content-Encoding:"), 200, eventBody},
		{"content coding gzip", request(eventBody, "Content-Encoding: gzip"), 415, ""},
		{"content coding GZIP", request(eventBody, "Content-Encoding: GZIP"), 415, ""},
		{"content coding br", request(eventBody, "Content-Encoding: br"), 415, ""},
		{"content coding deflate", request(eventBody, "Content-Encoding: deflate"), 415, ""},
		{"content coding, a list", request(eventBody, "Content-Encoding: identity, gzip"), 415, ""},
		{"content coding twice", request(eventBody, "Content-Encoding: identity", "Content-Encoding: gzip"), 415, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, verifier.Options{AcceptUntimed: true, MaxBody: limit})
			a := r.send(t, tt.raw)
			require.Equal(t, tt.status, a.status, a.body)
			handled := r.handled()
			if tt.status != 200 {
				require.Empty(t, handled)
			} else {
				require.Equal(t, []string{tt.body}, handled)
			}
		})
	}
}

func TestMethodsOnTheWire(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, verifier.Options{AcceptUntimed: true})
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post"} {
		a := r.send(t, requestLine(method+" / HTTP/1.1", eventBody))
		require.Equal(t, http.StatusMethodNotAllowed, a.status, method)
		require.Equal(t, "POST", a.header.Get("Allow"), method)
		require.Empty(t, r.handled(), method)
	}
}

func TestContentTypesOnTheWire(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, verifier.Options{AcceptUntimed: true})
	vendor := newReceiver(t, verifier.Options{AcceptUntimed: true, ContentTypes: []string{"application/vnd.x+json", "application/json"}})
	for _, tt := range []struct {
		lines          []string
		status, vendor int
	}{
		{[]string{"Content-Type: application/json"}, 200, 200},
		{[]string{"Content-Type: Application/JSON"}, 200, 200},
		{[]string{"Content-Type: application/json; charset=utf-8"}, 200, 200},
		{[]string{`Content-Type: application/json;charset="UTF-8"`}, 200, 200},
		{[]string{"Content-Type: application/json; v=1"}, 200, 200},
		{[]string{"Content-Type: application/json;"}, 200, 200},
		{[]string{"Content-Type: application/vnd.x+json"}, 415, 200},
		{[]string{"Content-Type: application/vnd.y+json"}, 415, 415},
		{[]string{"-Content-Type"}, 415, 415},
		{[]string{"Content-Type:"}, 415, 415},
		{[]string{"Content-Type: text/plain"}, 415, 415},
		{[]string{"Content-Type: text/json"}, 415, 415},
		{[]string{"Content-Type: application/jsonp"}, 415, 415},
		{[]string{"Content-Type: application/x-www-form-urlencoded"}, 415, 415},
		{[]string{"Content-Type: application/json; charset=latin1"}, 415, 415},
		{[]string{"Content-Type: application/json; charset=utf-16"}, 415, 415},
		{[]string{"Content-Type: application/json; charset="}, 415, 415},
		{[]string{"Content-Type: application/json; charset=utf-8; charset=latin1"}, 415, 415},
		{[]string{"Content-Type: application/json, text/html"}, 415, 415},
		{[]string{"Content-Type: application/json", "Content-Type: application/json"}, 415, 415},
		{[]string{"Content-Type: application/json", "Content-Type: text/html"}, 415, 415},
	} {
		raw := request(eventBody, tt.lines...)
		require.Equal(t, tt.status, r.send(t, raw).status, "%s", tt.lines)
		require.Equal(t, tt.vendor, vendor.send(t, raw).status, "%s", tt.lines)
		require.Equal(t, tt.status == 200, len(r.handled()) == 1)
	}
}

// TestBodiesOnTheWire sends bodies that are signed as they are.
func TestBodiesOnTheWire(t *testing.T) {
	t.Parallel()
	const id, typ, created, data = `"id":"evt_1"`, `"type":"webhook.test"`, `"created":"2025-11-04T12:00:00Z"`, `"data":{}`
	object := func(members ...string) string { return "{" + strings.Join(members, ",") + "}" }
	wide := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(eventBody)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	for _, tt := range []struct {
		name, body string
		ok         bool
	}{
		{"as it should be", eventBody, true},
		{"pretty-printed", "{\n  " + strings.Join([]string{id, typ, created, data}, ",\n  ") + "\n}", true},
		{"line break behind", eventBody + "\n", true},
		{"an event type of the sender's own", object(id, `"type":"order.shipped"`, created, data), true},
		{"another member", object(id, typ, created, data, `"version":2`), true},
		{"no ASCII", object(id, typ, created, `"data":"é 日本 😀"`), true},
		{"byte order mark", "\xef\xbb\xbf" + eventBody, false},
		{"UTF-16", string(wide), false},
		{"invalid UTF-8", object(id, typ, created, "\"data\":\"\xff\""), false},
		{"id twice", object(id, id, typ, created, data), false},
		{"id twice, other values", object(id, `"id":"evt_2"`, typ, created, data), false},
		{"member twice in the data", object(id, typ, created, `"data":{"a":1,"a":2}`), false},
		{"ID", object(`"ID":"evt_1"`, typ, created, data), false},
		{"id and ID", object(id, `"ID":"evt_2"`, typ, created, data), false},
		{"no id", object(typ, created, data), false},
		{"no type", object(id, created, data), false},
		{"no created", object(id, typ, data), false},
		{"no data", object(id, typ, created), false},
		{"id of 255 bytes", object(`"id":"`+strings.Repeat("i", 255)+`"`, typ, created, data), true},
		{"id of 256 bytes", object(`"id":"`+strings.Repeat("i", 256)+`"`, typ, created, data), false},
		{"empty id", object(`"id":""`, typ, created, data), false},
		{"id is a number", object(`"id":1`, typ, created, data), false},
		{"id is null", object(`"id":null`, typ, created, data), false},
		{"type is not one", object(id, `"type":"Webhook Test"`, created, data), false},
		{"created is no time", object(id, typ, `"created":"yesterday"`, data), false},
		{"created is a number", object(id, typ, `"created":1762257600`, data), false},
		{"created without a zone", object(id, typ, `"created":"2025-11-04T12:00:00"`, data), false},
		{"array", "[" + eventBody + "]", false},
		{"string", `"evt_1"`, false},
		{"number", "1", false},
		{"null", "null", false},
		{"true", "true", false},
		{"empty object", "{}", false},
		{"two values", eventBody + eventBody, false},
		{"cut", eventBody[:len(eventBody)-1], false},
		{"text behind", eventBody + "x", false},
		{"trailing comma", eventBody[:len(eventBody)-1] + ",}", false},
		{"comment", "/**/" + eventBody, false},
		{"NUL behind", eventBody + "\x00", false},
		{"depth of 10,001", object(id, typ, created, `"data":`+strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001)), false},
		{"form", "id=evt_1&type=webhook.test", false},
		{"XML", "<event/>", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, verifier.Options{AcceptUntimed: true})
			a := r.send(t, request(tt.body))
			if tt.ok {
				require.Equal(t, http.StatusOK, a.status, a.body)
				require.Equal(t, []string{tt.body}, r.handled(), "the handler reads the bytes that arrived")
				return
			}
			require.Equal(t, http.StatusBadRequest, a.status, "it is signed, so not 401")
			require.Equal(t, `{"error":"invalid event"}`, a.body)
			require.Empty(t, r.handled())
			status, reason := r.reason()
			require.Equal(t, http.StatusBadRequest, status)
			require.ErrorIs(t, reason, event.ErrMalformed)
		})
	}
}

// TestExpectContinue: a client that asks first is told before it sends.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		head   string
		status int
	}{
		{"too long", request("", "Expect: 100-continue", "Content-Length: 201"), 413},
		{"method", requestLine("PUT / HTTP/1.1", "", "Expect: 100-continue", "Content-Length: 5"), 405},
		{"content type", request("", "Expect: 100-continue", "Content-Length: 5", "Content-Type: text/plain"), 415},
		{"content coding", request("", "Expect: 100-continue", "Content-Length: 5", "Content-Encoding: gzip"), 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, verifier.Options{AcceptUntimed: true, MaxBody: 200})
			conn := r.dial(t)
			_, err := io.WriteString(conn, tt.head)
			require.NoError(t, err)
			a := read(t, conn, tt.head)
			require.Equal(t, tt.status, a.status)
			require.True(t, strings.HasPrefix(a.raw, "HTTP/1.1 "+strconv.Itoa(tt.status)), "no 100 is sent: %s", a.raw)
		})
	}
	r := newReceiver(t, verifier.Options{AcceptUntimed: true, MaxBody: 200})
	head, _, _ := strings.Cut(request(eventBody, "Expect: 100-continue"), "\r\n\r\n")
	conn := r.dial(t)
	_, err := io.WriteString(conn, head+"\r\n\r\n")
	require.NoError(t, err)
	const interim = "HTTP/1.1 100 Continue\r\n\r\n"
	got := make([]byte, len(interim))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, interim, string(got))
	_, err = io.WriteString(conn, eventBody)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, read(t, conn, "POST").status)
	require.Equal(t, []string{eventBody}, r.handled())
}

// TestClientAborts: half of a body, and the connection is gone.
func TestClientAborts(t *testing.T) {
	t.Parallel()
	for _, reset := range []bool{false, true} {
		r := newReceiver(t, verifier.Options{AcceptUntimed: true})
		conn := r.dial(t)
		raw := request(eventBody)
		_, err := io.WriteString(conn, raw[:len(raw)-10])
		require.NoError(t, err)
		if reset {
			require.NoError(t, conn.SetLinger(0))
		}
		require.NoError(t, conn.Close())
		select {
		case <-r.refused:
		case <-time.After(20 * time.Second):
			require.FailNow(t, "the request is neither handled nor refused")
		}
		require.Empty(t, r.handled())
		status, reason := r.reason()
		require.Equal(t, http.StatusBadRequest, status)
		require.Error(t, errors.Unwrap(reason))
	}
}
