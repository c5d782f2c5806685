package portable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

// Limits of bodies, in bytes and levels.
const (
	maxSize     = 256 << 10 // that can be published
	maxDepth    = 100       // that can be published, and the default of Ruby's parser
	maxSizeNode = 100 << 10 // in any encoding
)

// walker goes through an event once and reports what it meets.
type walker struct {
	report
	stack []frame
	size  [3]int // of the body under standard, ascii and html
}

// frame is an open object or array.
type frame struct {
	object   bool
	wantName bool     // The next string is a name.
	names    []string // of an object, so far
	index    int      // of the next element of an array
}

// examine returns what is to be said about a body.
func examine(body []byte) *report {
	w := &walker{report: report{verified: fine, listed: map[listing]int{}}}
	if err := strictjson.Value(body, strictjson.Limits{Depth: maxDepth}); err != nil {
		fault, ok := errors.AsType[*strictjson.Error](err)
		if !ok {
			fault = &strictjson.Error{Reason: "is not valid JSON"}
		}
		w.refuse(fault.Field, fault.Reason, fmt.Sprintf(
			"send JSON that all parsers read alike: valid UTF-8, each name once, numbers of a double, at most %d levels", maxDepth))
		return &w.report
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil { // The end: the text is valid.
			break
		}
		w.token(token)
	}
	w.whole()
	return &w.report
}

// whole judges the event once all of it is known.
func (w *walker) whole() {
	if w.size[0] > maxSize {
		w.refuse("", fmt.Sprintf("is larger than %d bytes", maxSize), "send less: a reference instead of the thing")
	}
	fits := none
	for i, n := range w.size {
		if n <= maxSizeNode {
			fits |= 1 << i
		}
	}
	if fits != all {
		verified := fine
		verified[node] = fits
		w.findAs(tooBigForNode, verified, func() string { return "" })
	}
	w.conclude()
}

func (w *walker) token(token json.Token) {
	switch v := token.(type) {
	case json.Delim:
		switch v {
		case '{', '[':
			w.begin(2) // The end is counted here too.
			w.stack = append(w.stack, frame{object: v == '{', wantName: v == '{'})
		default:
			closed := w.stack[len(w.stack)-1]
			w.stack = w.stack[:len(w.stack)-1]
			if closed.object {
				w.names(closed.names)
			}
		}
	case string:
		if n := len(w.stack); n > 0 && w.stack[n-1].wantName {
			top := &w.stack[n-1]
			w.add(min(len(top.names), 1) + 1) // A comma, and the colon.
			top.names, top.wantName = append(top.names, v), false
			w.text(v)
			return
		}
		w.begin(0)
		w.text(v)
	case json.Number:
		w.begin(0)
		w.number(v.String())
	case bool:
		w.begin(len(strconv.FormatBool(v)))
	default:
		w.begin(len("null"))
	}
}

// begin enters a value of n bytes, or with a part of n bytes.
func (w *walker) begin(n int) {
	w.add(n)
	if len(w.stack) == 0 {
		return
	}
	top := &w.stack[len(w.stack)-1]
	if top.object {
		top.wantName = true // after this value
		return
	}
	w.add(min(top.index, 1)) // A comma.
	top.index++
}

func (w *walker) add(n int) {
	for i := range w.size {
		w.size[i] += n
	}
}

// path leads to the value or name that was read last.
func (w *walker) path() string {
	steps := make([]strictjson.Step, 0, len(w.stack))
	for _, f := range w.stack {
		step := strictjson.Step{Object: f.object, Index: f.index - 1}
		if f.object {
			step.Name = []byte(f.names[len(f.names)-1])
		}
		steps = append(steps, step)
	}
	return strictjson.Path(steps)
}

// text judges a text or name.
func (w *walker) text(s string) {
	var found struct{ nonASCII, separator, del, markup bool }
	w.add(2 + len(s))
	for _, r := range s {
		switch {
		case r == '"', r == '\\', r == '\b', r == '\f', r == '\n', r == '\r', r == '\t':
			w.add(1)
		case r < ' ':
			w.add(5)
		case r == '<', r == '>', r == '&':
			found.markup = true
			w.size[2] += 5
		case r == 0x7f:
			found.del = true
			w.size[1] += 5
		case r == '\u2028', r == '\u2029':
			found.separator = true
			w.size[1] += 3
			w.size[2] += 3
		case r > 0x7f:
			found.nonASCII = true
			w.size[1] += 6*utf16.RuneLen(r) - utf8.RuneLen(r)
		}
	}
	if found.nonASCII {
		w.find(nonASCII, w.path)
	}
	if found.separator {
		w.find(separator, w.path)
	}
	if found.del {
		w.find(del, w.path)
	}
	if found.markup {
		w.find(markup, w.path)
	}
}

// names judges an object by its names, once it is closed. They are sent in the order
// of their UTF-16 code units.
func (w *walker) names(names []string) {
	if len(names) == 0 {
		w.find(emptyObject, w.path)
		return
	}
	if !slices.ContainsFunc(names, unusual) {
		return
	}
	slices.SortFunc(names, func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})
	if !slices.IsSorted(names) {
		w.find(astralNames, w.path)
	}
	if isList(names) {
		w.find(listNames, w.path)
	}
	if !integersFirst(names) {
		w.find(integerNames, w.path)
	}
}

// unusual reports whether a name can make a difference to the order: it may be an
// integer, or has a character behind the surrogates.
func unusual(name string) bool {
	return name != "" && '0' <= name[0] && name[0] <= '9' ||
		strings.ContainsFunc(name, func(r rune) bool { return r >= 0xe000 })
}

// isList reports whether names are 0, 1 and so on, in this order.
func isList(names []string) bool {
	for i, name := range names {
		if name != strconv.Itoa(i) {
			return false
		}
	}
	return true
}

// integersFirst reports whether JavaScript keeps the order of names: array indices
// first, as numbers (ECMA-262, OrdinaryOwnPropertyKeys).
func integersFirst(names []string) bool {
	last, others := int64(-1), false
	for _, name := range names {
		n, ok := arrayIndex(name)
		switch {
		case !ok:
			others = true
		case others, n < last:
			return false
		default:
			last = n
		}
	}
	return true
}

func arrayIndex(name string) (int64, bool) {
	n, err := strconv.ParseInt(name, 10, 64)
	return n, err == nil && n >= 0 && n < 1<<32-1 && strconv.FormatInt(n, 10) == name
}
