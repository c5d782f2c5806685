package portal

import (
	"bytes"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
)

// maxCommand is the longest body that a command has in it. Linux takes 128 KiB in one
// argument.
const maxCommand = 32 << 10

// hiddenValue stands in a command for the value of a header that is not kept.
const hiddenValue = "HIDDEN"

// curl writes an attempt as a command for a POSIX shell, with its signatures as they were.
// A body that is too long for it is read from body.json.
func curl(e *webhook.Exchange, body []byte) string {
	var b strings.Builder
	b.WriteString("curl -i")
	if strings.ContainsAny(e.URL, "[]{}") { // They would be a pattern.
		b.WriteString(" --globoff")
	}
	b.WriteString(" " + shellQuoted(e.URL))
	for _, h := range e.Request {
		field := h.Name + ": " + h.Value
		switch {
		case h.Hidden:
			field = h.Name + ": " + hiddenValue
		case h.Value == "": // With a colon, curl would leave it out.
			field = h.Name + ";"
		}
		b.WriteString(" \\\n  -H " + shellQuoted(field))
	}
	switch {
	case apart(body):
		b.WriteString(" \\\n  --data-binary '@body.json'")
	case body[0] == '@': // It would be the name of a file.
		b.WriteString(" \\\n  --data-raw " + shellQuoted(string(body)))
	default:
		b.WriteString(" \\\n  --data-binary " + shellQuoted(string(body)))
	}
	return b.String()
}

// apart reports whether a body cannot be in a command.
func apart(body []byte) bool { return len(body) > maxCommand || bytes.IndexByte(body, 0) >= 0 }

// shellQuoted is one word to a shell, whatever is in it.
func shellQuoted(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
