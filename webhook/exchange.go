package webhook

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// maxAnswered is how many bytes of an answer's headers are kept.
const maxAnswered = 2 << 10

// exchange writes what is kept of an attempt: the URL, a line for each header of the request,
// an empty line, and a line for each header of the answer. A value that is hidden leaves its
// colon out.
func (r *run) exchange(c *claimed, answered http.Header) string {
	if r.opts.OmitExchange || *c.sent == nil {
		return ""
	}
	var b strings.Builder
	b.Grow(1 << 10)
	b.WriteString(c.URL)
	b.WriteByte('\n')
	sent := *c.sent
	for _, name := range r.names {
		writeHeader(&b, name, sent[name])
	}
	var room [32]string
	var secret []string // an endpoint may send them back
	for _, name := range sorted(room[:0], sent) {
		switch {
		case slices.Contains(r.names, name) || len(sent[name]) == 0:
		case vault.TraceHeader(name), c.message.Header[name] != "":
			writeHeader(&b, name, sent[name])
		default:
			b.WriteString(name + "\n")
			secret = append(secret, sent[name]...)
		}
	}
	b.WriteByte('\n')
	most := b.Len() + maxAnswered
	for _, name := range sorted(room[:0], answered) {
		before := b.Len()
		if name == "Set-Cookie" || slices.ContainsFunc(answered[name], func(v string) bool {
			return slices.ContainsFunc(secret, func(s string) bool { return strings.Contains(v, s) })
		}) {
			b.WriteString(name + "\n")
		} else {
			writeHeader(&b, name, answered[name])
		}
		if b.Len() > most {
			return r.sealExchange(c, b.String()[:before])
		}
	}
	return r.sealExchange(c, b.String())
}

func sorted(names []string, h http.Header) []string {
	names = slices.AppendSeq(names, maps.Keys(h))
	slices.Sort(names)
	return names
}

// sealExchange gives up what cannot be sealed, or is too long for a store.
func (r *run) sealExchange(c *claimed, text string) string {
	sealed, err := r.vault.SealExchange(c.MerchantID, c.WebhookID, c.DeliveryID, text)
	if err != nil || len(sealed) > store.MaxExchange {
		return ""
	}
	return sealed
}

func writeHeader(b *strings.Builder, name string, values []string) {
	for _, v := range values {
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(printable(v))
		b.WriteByte('\n')
	}
}

// printable is a value in UTF-8 without control characters, as it may stand in a line.
func printable(v string) string {
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' {
			return strings.Map(func(c rune) rune {
				if c < ' ' || c == 0x7f {
					return ' '
				}
				return c
			}, strings.ToValidUTF8(v, "\uFFFD"))
		}
	}
	return v
}

// openExchange reads what exchange wrote. What cannot be opened is not there.
func (s *Service) openExchange(d *store.Delivery, sealed string) *Exchange {
	if sealed == "" {
		return nil
	}
	text, err := s.vault.OpenExchange(d.MerchantID, d.WebhookID, d.ID, sealed)
	if err != nil {
		return nil
	}
	url, rest, _ := strings.Cut(text, "\n")
	request, response, both := strings.Cut("\n"+rest, "\n\n")
	if !both {
		return nil
	}
	return &Exchange{URL: url, Request: headerFields(request), Response: headerFields(response)}
}

func headerFields(lines string) []HeaderField {
	var out []HeaderField
	for line := range strings.Lines(lines) {
		if name, value, shown := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); name != "" {
			out = append(out, HeaderField{Name: name, Value: value, Hidden: !shown})
		}
	}
	return out
}
