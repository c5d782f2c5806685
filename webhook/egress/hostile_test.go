package egress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// mark is in everything that hostile receivers send. Only a body may show it.
const mark = "PEER-BYTES"

// hostile are receivers and what becomes of a POST to them: a code, or a status.
// Those with a limit would go on for ever.
func hostile() []hostileCase {
	head := func(lines ...string) string {
		return "HTTP/1.1 200 OK\r\nX-Peer: " + mark + "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	}
	says := func(text string) func(*peer) { return func(p *peer) { p.say(text) } }
	// floods writes head, then the same text until nobody listens any more.
	floods := func(head, text string) func(*peer) {
		return func(p *peer) {
			p.say(head)
			for chunk := []byte(strings.Repeat(text, 1+(16<<10)/len(text))); ; {
				if _, err := p.Write(chunk); err != nil {
					return
				}
			}
		}
	}
	// drips writes head, then one letter each millisecond.
	drips := func(head string) func(*peer) {
		return func(p *peer) {
			p.say(head)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := p.Write([]byte("x")); err != nil {
					return
				}
			}
		}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()

	const (
		bad    = egress.CodeBadResponse
		broken = egress.CodeConnection
		short  = 60 * time.Millisecond // however early it ends, the outcome is the same
		second = time.Second           // enough for a handshake and a status on any machine
	)
	return []hostileCase{
		{name: "well-behaved", script: says(head("Content-Length: 2") + "ok"), status: 200, body: "ok"},
		{name: "no body", script: says(head("Content-Length: 0")), status: 200},
		{name: "until close", script: says(head("Connection: close") + "ok"), status: 200, body: "ok"},
		{name: "HTTP/1.0", script: says("HTTP/1.0 200 OK\r\n\r\nok"), status: 200, body: "ok"},
		{name: "no reason phrase", script: says("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), status: 200},
		{name: "bare line feeds", script: says("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), status: 200, body: "ok"},
		{name: "204", script: says("HTTP/1.1 204 No Content\r\n\r\n"), status: 204},
		{name: "204 with body", script: says("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok"), status: 204},
		{name: "304 with body", script: says("HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok"), status: 304},
		{name: "400", script: says("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"), status: 400, body: "no"},
		{name: "599", script: says("HTTP/1.1 599 Whatever\r\nContent-Length: 0\r\n\r\n"), status: 599},
		{name: "100 then 200", script: says("HTTP/1.1 100 Continue\r\n\r\n" + head("Content-Length: 2") + "ok"), status: 200, body: "ok"},
		{name: "103 then 200", script: says("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + head("Content-Length: 0")), status: 200},

		// Time.
		{name: "never answers", script: func(p *peer) { p.untilClosed() }, limit: short, code: egress.CodeTimeout},
		{name: "never reads", script: func(p *peer) { <-p.hungUp(short) }, limit: short, code: egress.CodeTimeout},
		{name: "drips headers", script: drips("HTTP/1.1 200 OK\r\nX-Drip: "), limit: short, code: egress.CodeTimeout},
		{name: "drips status line", script: drips("HTTP/1.1 200 "), limit: short, code: egress.CodeTimeout},
		{name: "drips body", script: drips(head("Content-Length: 1000000")), limit: second, status: 200, any: true},
		{name: "stalls in body", script: func(p *peer) {
			p.say(head("Content-Length: 10") + "ok")
			p.untilClosed()
		}, limit: second, status: 200, body: "ok"},
		{name: "stalls in chunk", script: func(p *peer) {
			p.say(head("Transfer-Encoding: chunked") + "5\r\nok")
			p.untilClosed()
		}, limit: second, status: 200, body: "ok"},

		// Size.
		{name: "endless body", script: floods(head("Connection: close"), mark), status: 200, any: true},
		{name: "1 GiB", script: floods(head("Content-Length: 1073741824"), mark), status: 200, any: true},
		{name: "endless chunks", script: floods(head("Transfer-Encoding: chunked"), "a\r\n"+mark+"\r\n"), status: 200, any: true},
		{name: "chunk extension bomb", script: floods(head("Transfer-Encoding: chunked"), "1;"+strings.Repeat("x", 4000)+"\r\nx\r\n"), status: 200, any: true},
		{name: "endless chunk extension", script: floods(head("Transfer-Encoding: chunked")+"1;", mark), status: 200, any: true},
		{name: "trailer bomb", script: floods(head("Transfer-Encoding: chunked", "Trailer: X-Bomb")+"2\r\nok\r\n0\r\n", "X-Bomb: "+mark+"\r\n"), status: 200, any: true},
		{name: "header of 1 MB", script: says("HTTP/1.1 200 OK\r\nX-Big: " + strings.Repeat(mark, 100_000) + "\r\n\r\n"), code: bad},
		{name: "100,000 headers", script: says("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-"+mark+": 1\r\n", 100_000) + "\r\n"), code: bad},
		{name: "endless header", script: floods("HTTP/1.1 200 OK\r\nX-Big: ", mark), code: bad},
		{name: "endless status line", script: floods("HTTP/1.1 200 ", mark), code: bad},
		{name: "flood of 1xx", script: floods("", "HTTP/1.1 102 "+mark+"\r\n\r\n"), code: bad},
		{name: "33 KiB header", script: says(head("X-Big: "+strings.Repeat("x", 33<<10), "Content-Length: 0")), code: bad},
		{name: "31 KiB header", script: says(head("X-Big: "+strings.Repeat("x", 31<<10), "Content-Length: 0")), status: 200},
		{name: "gzip bomb", script: says(head("Content-Encoding: gzip", "Connection: close") + bomb.String()), status: 200, any: true},
		{name: "5,000 characters", script: says(head("Content-Length: 5000") + strings.Repeat("x", 5000)), status: 200, body: strings.Repeat("x", 1000)},

		// Other protocols.
		{name: "SSH banner", script: func(p *peer) {
			_, _ = io.WriteString(p, "SSH-2.0-"+mark+"\r\n")
			p.untilClosed()
		}, code: bad},
		{name: "SSH banner after the request", script: says("SSH-2.0-" + mark + "\r\n"), code: bad},
		{name: "Redis", script: says("-ERR wrong number of arguments for '" + mark + "' command\r\n"), code: bad},
		{name: "SMTP", script: func(p *peer) {
			_, _ = io.WriteString(p, "220 "+mark+" ESMTP\r\n")
			p.untilClosed()
		}, code: bad},
		{name: "HTTP/0.9", script: says("<html>" + mark + "</html>\r\n"), code: bad},
		{name: "HTTP/2 frames", script: says("\x00\x00\x12\x04\x00\x00\x00\x00\x00" + mark + "\r\n"), code: bad},
		{name: "NULs", script: says(strings.Repeat("\x00", 64) + "\r\n"), code: bad},
		{name: "101", script: func(p *peer) {
			p.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			p.untilClosed()
		}, code: bad},
		{name: "101 and a flood", script: floods("HTTP/1.1 101 Switching Protocols\r\n\r\n", mark), code: bad},

		// Status lines.
		{name: "status 999", script: says("HTTP/1.1 999 " + mark + "\r\nContent-Length: 0\r\n\r\n"), code: bad},
		{name: "status 600", script: says("HTTP/1.1 600 " + mark + "\r\nContent-Length: 0\r\n\r\n"), code: bad},
		{name: "status 600 and a flood", script: floods("HTTP/1.1 600 "+mark+"\r\n\r\n", mark), code: bad},
		{name: "status 000", script: says("HTTP/1.1 000 " + mark + "\r\n\r\n"), code: bad},
		{name: "status 99", script: says("HTTP/1.1 99 " + mark + "\r\n\r\n"), code: bad},
		{name: "status 2000", script: says("HTTP/1.1 2000 " + mark + "\r\n\r\n"), code: bad},
		{name: "status -20", script: says("HTTP/1.1 -20 " + mark + "\r\n\r\n"), code: bad},
		{name: "status of letters", script: says("HTTP/1.1 " + mark + "\r\n\r\n"), code: bad},
		{name: "status with sign", script: says("HTTP/1.1 +20 OK\r\n\r\n"), code: bad},
		{name: "only a version", script: says("HTTP/1.1\r\n\r\n"), code: bad},
		{name: "version of letters", script: says("HTTP/x.y 200 OK\r\n\r\n"), code: bad},
		{name: "lower case", script: says("http/1.1 200 OK\r\n\r\n"), code: bad},

		// Headers.
		{name: "two lengths", script: says(head("Content-Length: 2", "Content-Length: 5") + "ok"), code: bad},
		{name: "length of letters", script: says(head("Content-Length: "+mark) + "ok"), code: bad},
		{name: "negative length", script: says(head("Content-Length: -1") + "ok"), code: bad},
		{name: "length beyond int64", script: says(head("Content-Length: 99999999999999999999") + "ok"), code: bad},
		{name: "length and chunked", script: says(head("Content-Length: 5", "Transfer-Encoding: chunked") + "2\r\nok\r\n0\r\n\r\n"), status: 200, body: "ok"},
		{name: "unknown transfer encoding", script: says(head("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n"), code: bad},
		{name: "header without colon", script: says(head(mark)), code: bad},
		{name: "header with space before colon", script: says(head("X-Y : " + mark)), status: 200},
		{name: "header with NUL in its name", script: says(head("X\x00Y: " + mark)), code: bad},
		{name: "header without name", script: says(head(": " + mark)), code: bad},
		{name: "folded first line", script: says("HTTP/1.1 200 OK\r\n X: " + mark + "\r\n\r\n"), code: bad},

		// Bodies of a 2xx.
		{name: "shorter than announced", script: says(head("Content-Length: 10") + "ok"), status: 200, body: "ok"},
		{name: "longer than announced", script: says(head("Content-Length: 2") + "ok" + mark), status: 200, body: "ok"},
		{name: "bad chunk size", script: says(head("Transfer-Encoding: chunked") + "2\r\nok\r\nzz\r\n"), status: 200, body: "ok"},
		{name: "no last chunk", script: says(head("Transfer-Encoding: chunked") + "2\r\nok\r\n"), status: 200, body: "ok"},
		{name: "bad trailer", script: says(head("Transfer-Encoding: chunked") + "2\r\nok\r\n0\r\n" + mark + "\r\n\r\n"), status: 200, body: "ok"},
		{name: "invalid UTF-8", script: says(head("Content-Length: 4") + "a\xff\xfeb"), status: 200, body: "a\uFFFDb"},
		{name: "reset in body", script: func(p *peer) {
			p.say(head("Content-Length: 10") + "ok")
			p.reset()
		}, status: 200, any: true},
		{name: "a second response", script: says(head("Content-Length: 2") + "ok" + "HTTP/1.1 500 " + mark + "\r\n\r\n"), status: 200, body: "ok"},

		// Connections.
		{name: "closed before reading", script: func(*peer) {}, code: broken},
		{name: "reset before reading", script: func(p *peer) {
			_, _ = p.raw.Read(make([]byte, 1)) // Not while the other side still connects.
			p.reset()
		}, code: broken},
		{name: "closed after reading", script: func(p *peer) { _, _, _ = p.request() }, code: broken},
		{name: "reset after reading", script: func(p *peer) {
			_, _, _ = p.request()
			p.reset()
		}, code: broken},
		{name: "closed in status line", script: says("HTTP/1.1 20"), code: bad},
		{name: "closed in header", script: says("HTTP/1.1 200 OK\r\nX-Peer: " + mark), code: broken},
		{name: "half-closed in header", script: func(p *peer) {
			p.say("HTTP/1.1 200 OK\r\nX-Peer: " + mark + "\r\n")
			_ = p.closeWrite()
			p.untilClosed()
		}, code: broken},
		{name: "closed after 100", script: says("HTTP/1.1 100 Continue\r\n\r\n"), code: broken},
		{name: "closed after 199", script: says("HTTP/1.1 199 " + mark + "\r\n\r\n"), code: broken},
	}
}

type hostileCase struct {
	name   string
	script func(*peer)
	limit  time.Duration // of the context; 0: a minute

	code   egress.Code // or:
	status int
	body   string
	any    bool // any body
}

// hungUp waits until the other side must have gone. It reads nothing.
func (p *peer) hungUp(limit time.Duration) <-chan time.Time { return time.After(4 * limit) }

func (p *peer) closeWrite() error {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

func TestHostileReceivers(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := ca.issue(t, nil)
	for _, tt := range hostile() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			t.Run("http", func(t *testing.T) {
				t.Parallel()
				r := receive(t, nil, tt.script)
				e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true})
				tt.check(t, e, "http://"+r.address+"/hook", r)
			})
			t.Run("https", func(t *testing.T) {
				t.Parallel()
				r := receive(t, config, tt.script)
				e, target := ca.sender(t, r, egress.Options{})
				tt := tt
				if strings.HasSuffix(tt.name, "before reading") {
					tt.code = egress.CodeTLS // Nobody reads the handshake either.
				}
				tt.check(t, e, target, r)
			})
		})
	}
}

func (tt hostileCase) check(t *testing.T, e *egress.Egress, target string, r *receiver) {
	t.Helper()
	limit := tt.limit
	if limit == 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	body := []byte(`{"id":"evt_1"}`)
	if tt.name == "never reads" {
		body = make([]byte, 16<<20)
	}
	resp, err := egress.Post(ctx, e.Transport(), target, http.Header{}, body)
	if tt.limit == 0 {
		require.NoError(t, ctx.Err(), "it did not need to run into the limit")
	}
	if tt.code != egress.CodeTimeout { // Else it may end before the listener gets to run.
		require.EqualValues(t, 1, r.accepted.Load(), "a first request is not repeated")
	}
	if tt.code != "" {
		requireCode(t, tt.code, err)
		require.NotContains(t, err.Error(), mark)
		require.Zero(t, resp)
		return
	}
	require.NoError(t, err)
	require.Equal(t, tt.status, resp.StatusCode)
	require.True(t, utf8.ValidString(resp.Body))
	require.LessOrEqual(t, utf8.RuneCountInString(resp.Body), 1000)
	if !tt.any {
		require.Equal(t, tt.body, resp.Body)
	}
}

func TestRedirectsAreAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"301", "302", "303", "307", "308"} {
		for _, location := range []string{"http://example.com/", "https://127.0.0.1/", "/hook", "//10.0.0.1/", "https://hooks.example.com/hook", ""} {
			t.Run(status+" "+location, func(t *testing.T) {
				t.Parallel()
				ca := newAuthority(t)
				requests := make(chan string, 10)
				r := receive(t, ca.issue(t, nil), func(p *peer) {
					for {
						r, _, err := p.request()
						if err != nil {
							return
						}
						requests <- r.RequestURI
						_, _ = io.WriteString(p, "HTTP/1.1 "+status+" Moved\r\nLocation: "+location+"\r\nContent-Length: 0\r\n\r\n")
					}
				})
				e, target := ca.sender(t, r, egress.Options{})
				resp, err := post(t, e, target)
				require.NoError(t, err)
				require.Equal(t, status[:1], "3")
				require.Equal(t, 3, resp.StatusCode/100)
				require.Len(t, requests, 1)

				got, err := e.Client().Get(target)
				require.NoError(t, err)
				require.NoError(t, got.Body.Close())
				require.Equal(t, 3, got.StatusCode/100)
				require.Len(t, requests, 2)
			})
		}
	}
}
