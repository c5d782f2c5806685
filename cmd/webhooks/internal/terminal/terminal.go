// Package terminal writes for people. What it is given may come from a stranger.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
)

// Colours, as terminals number them.
const (
	Bold   = "1"
	Dim    = "2"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
)

// Writer writes one thing at a time.
type Writer struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
}

// New returns a Writer that uses colours if out is a terminal, and NO_COLOR does not forbid
// them.
func New(out io.Writer, getenv func(string) string) *Writer {
	return &Writer{out: out, colour: coloured(out, getenv)}
}

func coloured(out io.Writer, getenv func(string) string) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// Print writes text as it is.
func (w *Writer) Print(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = io.WriteString(w.out, text)
}

// Paint returns text in a colour, made safe.
func (w *Writer) Paint(colour, text string) string {
	text = Safe(text)
	if !w.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// Safe escapes characters that would move a terminal's cursor or hide something. JSON
// keeps its meaning.
func Safe(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
