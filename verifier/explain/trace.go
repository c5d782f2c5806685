package explain

import (
	"bytes"
	"encoding/hex"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

const lostDots = "The capture writes a dot for each byte that is not printable ASCII, so nothing of the body is proven: take --trace in place of --trace-ascii."

// section is what curl writes of one transfer with --trace or --trace-ascii.
type section struct {
	kind  string // "Send header", "Send data", or another
	size  int
	lines []dumped
}

// dumped is a line of a section: what begins at an offset.
type dumped struct {
	offset int
	text   string
}

// readTrace reads what curl writes with --trace and --trace-ascii, and takes the last
// request of it.
func readTrace(raw []byte) (*Capture, error) {
	sections := traced(string(raw))
	from, lost := "curl --trace", ""
	var head, body []byte
	for _, s := range sections {
		if s.kind != "Send header" && s.kind != "Send data" {
			continue
		}
		if s.size > len(raw) {
			return nil, errors.New("the trace of curl does not have as many bytes as it says")
		}
		data, ok := s.unhex()
		if !ok {
			from = "curl --trace-ascii"
			if data, ok = s.unwrap(); !ok && lost == "" {
				lost = "The capture has lost bytes of the trace, such as spaces at the ends of lines, so nothing of the body is proven."
			}
			if s.kind == "Send data" && bytes.ContainsRune(data, '.') && lost == "" {
				lost = lostDots
			}
		}
		if s.kind == "Send header" {
			head, body, lost = data, nil, ""
			continue
		}
		body = append(body, data...)
	}
	if head == nil {
		return nil, nil //nolint:nilnil // of another format
	}
	c, err := readRaw(append(head, body...))
	if err != nil {
		return nil, err
	}
	c.From, c.Lost = from, lost
	return c, nil
}

// traced cuts a trace into sections.
func traced(text string) (out []section) {
	title := regexp.MustCompile(`^(?:\d\d:\d\d:\d\d\.\d+ )?[=<>]{2} ([A-Z][A-Za-z ]*)(?:, (\d+) bytes \(0x[0-9a-f]+\))?`)
	data := regexp.MustCompile(`^([0-9a-f]{4,8}): ?(.*)$`)
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if m := title.FindStringSubmatch(line); m != nil {
			size, _ := strconv.Atoi(m[2]) // Information has none.
			out = append(out, section{kind: m[1], size: size})
			continue
		}
		if m := data.FindStringSubmatch(line); m != nil && len(out) > 0 {
			offset, _ := strconv.ParseInt(m[1], 16, 64) // Eight digits at most.
			s := &out[len(out)-1]
			s.lines = append(s.lines, dumped{int(offset), m[2]})
		}
	}
	return out
}

// unhex reads lines of sixteen bytes in hex. It reports false if they are none.
func (s section) unhex() ([]byte, bool) {
	const columns = 3 * 16
	out := []byte{}
	for _, line := range s.lines {
		digits := strings.ReplaceAll(line.text[:min(columns, len(line.text))], " ", "")
		raw, err := hex.DecodeString(digits)
		if err != nil || line.offset != len(out) {
			return nil, false
		}
		out = append(out, raw...)
	}
	return out, len(out) == s.size
}

// unwrap reads lines of text, which curl breaks at CRLF, too: then the next one begins
// two bytes later. It reports false if more is not there.
func (s section) unwrap() ([]byte, bool) {
	out := []byte{}
	for _, line := range append(s.lines, dumped{offset: s.size}) {
		if line.offset == len(out)+2 {
			out = append(out, "\r\n"...)
		}
		out = append(out, line.text...)
	}
	return out, len(out) == s.size
}

// readVerbose reads what curl writes with -v, and takes the last request of it.
func readVerbose(raw []byte) (*Capture, error) {
	start := regexp.MustCompile(`(?m)^> [A-Z]+ \S+ HTTP/`).FindAllIndex(raw, -1)
	if start == nil {
		return nil, nil //nolint:nilnil // of another format
	}
	var head []byte
	for line := range strings.SplitSeq(string(raw[start[len(start)-1][0]:]), "\n") {
		field, sent := strings.CutPrefix(strings.TrimRight(line, "\r "), ">")
		if !sent || field == "" {
			break
		}
		head = append(append(head, strings.TrimPrefix(field, " ")...), "\r\n"...)
	}
	c, err := readRaw(append(head, "\r\n"...))
	if err != nil {
		return nil, err
	}
	c.From, c.Lost = "curl -v", "curl -v does not write the body that it sends, so nothing of it is proven: take --trace."
	return c, nil
}
