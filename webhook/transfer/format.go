package transfer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

const (
	format  = "rag-assistant/webhooks"
	version = 1
)

// maxLine is the length of the longest line in bytes. The longest record that a
// Service makes has a fourth of that.
const maxLine = 1 << 20

// head is the first line.
type head struct {
	Format     string    `json:"format"`
	Version    int       `json:"version"`
	ExportedAt time.Time `json:"exportedAt"`
	SealedWith string    `json:"sealedWith,omitempty"` // the id of the key; empty: not sealed
}

// tail is the last line.
type tail struct {
	End      bool `json:"end"`
	Webhooks int  `json:"webhooks"`
}

// record is a webhook.
type record struct {
	MerchantID     string            `json:"merchantId"`
	WebhookID      string            `json:"webhookId"`
	URL            string            `json:"url"`
	Events         []string          `json:"events"`
	Status         store.Status      `json:"status"`
	DisabledReason string            `json:"disabledReason,omitempty"`
	DisabledAt     time.Time         `json:"disabledAt,omitzero"`
	Encoding       string            `json:"payloadEncoding"`
	Description    string            `json:"description,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	RateLimit      int               `json:"rateLimit,omitempty"`
	Secret         string            `json:"secret"`
	PreviousSecret string            `json:"previousSecret,omitempty"`
	PreviousUntil  time.Time         `json:"previousUntil,omitzero"`
	Headers        string            `json:"headers,omitempty"`
	CreatedAt      time.Time         `json:"createdAt"`
	UpdatedAt      time.Time         `json:"updatedAt"`
}

// fields are the names in a record.
func fields() []string {
	return []string{
		"merchantId", "webhookId", "url", "events", "status", "disabledReason", "disabledAt", "payloadEncoding", "description",
		"metadata", "rateLimit", "secret", "previousSecret", "previousUntil", "headers", "createdAt", "updatedAt",
	}
}

func newRecord(w store.Webhook, s vault.Sealed) record {
	return record{
		MerchantID: w.MerchantID, WebhookID: w.ID, URL: w.URL, Events: w.Events, Status: w.Status,
		DisabledReason: w.DisabledReason, DisabledAt: w.DisabledAt, Encoding: w.Encoding,
		Description: w.Description, Metadata: w.Metadata, RateLimit: w.RateLimit,
		Secret: s.Secret, PreviousSecret: s.Previous, PreviousUntil: w.PreviousUntil, Headers: s.Headers,
		CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt,
	}
}

// webhook is the record as a store takes it.
func (r *record) webhook(s vault.Sealed) store.Webhook {
	return store.Webhook{
		ID: r.WebhookID, MerchantID: r.MerchantID, URL: r.URL, Events: r.Events, Status: r.Status,
		DisabledReason: r.DisabledReason, DisabledAt: r.DisabledAt, Encoding: r.Encoding,
		Description: r.Description, Metadata: r.Metadata, RateLimit: r.RateLimit,
		Secret: s.Secret, PreviousSecret: s.Previous, PreviousUntil: r.PreviousUntil, Headers: s.Headers,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func (r *record) sealed() vault.Sealed {
	return vault.Sealed{Secret: r.Secret, Previous: r.PreviousSecret, Headers: r.Headers}
}

// fault is what is wrong with a field of a line; an empty field is the whole.
type fault struct{ field, message string }

// parse reads a line into v and refuses names other than these.
func parse(line []byte, v any, names ...string) *fault {
	members, err := strictjson.Object(line, strictjson.Limits{Size: maxLine})
	if wrong, ok := errors.AsType[*strictjson.Error](err); ok {
		return &fault{wrong.Field, wrong.Reason}
	}
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	for _, m := range members {
		if !known[string(m.Name)] {
			return &fault{strictjson.Member("", string(m.Name)), "is not known to this version"}
		}
	}
	err = json.Unmarshal(line, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &fault{wrong.Field, "must not be a " + wrong.Value}
	}
	if err != nil {
		return &fault{"", "has a time that is not of RFC 3339"}
	}
	return nil
}

// lines reads a file line by line.
type lines struct {
	scanner *bufio.Scanner
	number  int // of the line that next returned, from 1
}

func newLines(r io.Reader) *lines {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &lines{scanner: s}
}

// next returns a line, which is good until the next call, and nil at the end.
func (l *lines) next() ([]byte, error) {
	if l.scanner.Scan() {
		l.number++
		return l.scanner.Bytes(), nil
	}
	err := l.scanner.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = errors.New("is longer than " + strconv.Itoa(maxLine) + " bytes")
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", l.number+1, err)
	}
	return nil, nil
}

// head reads the first line.
func (l *lines) head() (head, error) {
	line, err := l.next()
	if err != nil {
		return head{}, err
	}
	var h head
	if err := json.Unmarshal(line, &h); err != nil || h.Format != format { // A later version may have more members.
		return head{}, errors.New("line 1: this is no export of webhooks: it does not begin with {\"format\":\"" + format + "\"")
	}
	if h.Version != version {
		return head{}, fmt.Errorf("line 1: the format has version %d, and this program knows version %d", h.Version, version)
	}
	return h, nil
}

// tail reports whether a line is the last one, and how many webhooks it counts.
func readTail(line []byte) (webhooks int, ok bool) {
	var t tail
	wrong := parse(line, &t, "end", "webhooks")
	return t.Webhooks, wrong == nil && t.End
}
