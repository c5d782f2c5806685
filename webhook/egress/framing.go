package egress

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// framed is a connection that knows where each response ends (RFC 9112, section 6.3), by
// the same rules as net/http. It hands out no byte beyond that, so nothing that a receiver
// sends too much can be read as the answer to a later request: it costs the connection.
// net/http itself would take what has arrived by then for that answer, or print it through
// the standard logger.
type framed struct {
	net.Conn

	idle  func(n int) bool // counts idle connections, and says if there are not too many
	ends  time.Time        // from when on it is not used again
	asked chan struct{}    // closed at the first request: until then nothing is handed out
	once  sync.Once

	mu    sync.Mutex // net/http reads and writes in goroutines of their own
	state framing
	head  []byte // of the response, as far as it has come
	left  int64  // bytes of a body or chunk
	last  bool   // no further request is written
	shut  bool   // Close was called
	rests bool   // it is counted as idle
}

// framing says what is expected next.
type framing int

const (
	unasked    framing = iota // nothing: no request was written since the last response
	inHead                    // the head of a response
	inBody                    // left bytes, then the end
	inSize                    // the line with the size of a chunk
	inChunk                   // left bytes, then another size
	inTrailers                // lines up to an empty one
	toTheEnd                  // the response ends with the connection
)

// maxLine bounds a line of a chunk or trailer.
const maxLine = 4 << 10

var errNotReused = errors.New("connection is not used again")

// Write refuses to begin a request where a response may be misread.
func (f *framed) Write(p []byte) (int, error) {
	if err := f.ask(p); err != nil {
		return 0, err
	}
	return f.Conn.Write(p)
}

func (f *framed) ask(p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	begins := bytes.HasPrefix(p, []byte(http.MethodPost+" ")) || bytes.HasPrefix(p, []byte(http.MethodGet+" "))
	switch {
	case f.last && begins:
		return errNotReused
	case f.state != unasked:
	case begins:
		f.wake()
		f.state, f.head = inHead, f.head[:0]
		f.once.Do(func() { close(f.asked) })
	default:
		f.last = true // The rest of a request whose response has come already.
	}
	return nil
}

// Read returns what belongs to the present response.
func (f *framed) Read(p []byte) (int, error) {
	if f.over() {
		return 0, io.EOF
	}
	n, err := f.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	<-f.asked // Who speaks first is heard when somebody listens.
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == unasked {
		f.last = true
		return 0, io.EOF
	}
	taken := f.take(p[:n])
	switch {
	case f.state == toTheEnd:
		f.last = true
	case f.state == unasked && !f.shut:
		f.rests = true
		if f.last = !f.idle(1) || taken < n || time.Now().After(f.ends); f.last {
			err = io.EOF // So net/http does not keep it.
		}
	}
	return taken, err
}

// over reports whether nothing is to come any more.
func (f *framed) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state == unasked && f.last
}

// Close also says that the connection is idle no more.
func (f *framed) Close() error {
	f.mu.Lock()
	f.wake()
	f.last, f.shut = true, true
	f.mu.Unlock()
	f.once.Do(func() { close(f.asked) })
	return f.Conn.Close()
}

func (f *framed) wake() {
	if f.rests {
		f.rests = false
		f.idle(-1)
	}
}

// take reads on, and returns how many bytes belong to the response.
func (f *framed) take(p []byte) int {
	at := 0
	for at < len(p) && f.state != unasked {
		switch f.state {
		case toTheEnd:
			return len(p)
		case inBody, inChunk:
			n := min(int64(len(p)-at), f.left)
			at, f.left = at+int(n), f.left-n
			if f.left == 0 && f.state == inBody {
				f.state = unasked
			} else if f.left == 0 {
				f.state = inSize
			}
		default:
			end := bytes.IndexByte(p[at:], '\n') + 1
			if end == 0 {
				end = len(p) - at
			}
			f.head = append(f.head, p[at:at+end]...)
			at += end
			f.line()
		}
	}
	return at
}

// line looks at what has come of a head, a size or trailers, once a line is complete.
func (f *framed) line() {
	if len(f.head) > maxHeaderBytes || f.state != inHead && len(f.head) > maxLine {
		f.state = toTheEnd
		return
	}
	line, whole := bytes.CutSuffix(f.head, []byte("\n"))
	if !whole {
		return
	}
	switch f.state {
	case inHead:
		if bytes.HasSuffix(line, []byte("\n")) || bytes.HasSuffix(line, []byte("\n\r")) {
			f.begin(string(line))
			f.head = f.head[:0]
		}
	case inSize:
		f.head = f.head[:0]
		size, _, _ := strings.Cut(string(line), ";")
		size = strings.TrimSpace(size)
		n, err := strconv.ParseUint(size, 16, 63)
		switch {
		case size == "" && f.left == 0: // It ends the data of the chunk before.
		case err != nil:
			f.state = toTheEnd
		case n == 0:
			f.state = inTrailers
		default:
			f.state, f.left = inChunk, int64(n)
		}
	case inTrailers:
		f.head = f.head[:0]
		if len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			f.state = unasked
		}
	}
}

// folded is where a field goes on in the next line, which net/http still reads.
var folded = regexp.MustCompile(`\r?\n[ \t]+`)

// begin reads a head and says what follows it.
func (f *framed) begin(head string) {
	status, fields, _ := strings.Cut(head, "\n")
	version, rest, _ := strings.Cut(status, " ")
	code, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	length, chunked, coded := int64(-1), false, false
	if strings.Contains(fields, "\n ") || strings.Contains(fields, "\n\t") {
		fields = folded.ReplaceAllString(fields, " ")
	}
	for line := range strings.Lines(fields) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); {
		case strings.EqualFold(name, "Content-Length"):
			if n, err := strconv.ParseUint(value, 10, 63); err == nil {
				length = int64(n)
			}
		case strings.EqualFold(name, "Transfer-Encoding") && version != "HTTP/1.0":
			coded, chunked = true, strings.EqualFold(value, "chunked")
		}
	}
	switch {
	case code == "101":
		f.state = toTheEnd
	case strings.HasPrefix(code, "1"):
		f.state = inHead // An early hint. The response follows.
	case code == "204" || code == "304":
		f.state = unasked
	case chunked:
		f.state, f.left = inSize, 0
	case coded || length < 0:
		f.state = toTheEnd
	case length == 0:
		f.state = unasked
	default:
		f.state, f.left = inBody, length
	}
}
