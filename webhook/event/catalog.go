package event

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Frequency is a rough idea of how often events of a type occur.
type Frequency string

// The frequencies of the catalog.
const (
	High   Frequency = "High"
	Medium Frequency = "Medium"
	Low    Frequency = "Low"
	Manual Frequency = "Manual" // Sent on request only, so nobody can subscribe to it.
)

// Entry describes a type of event to those who may subscribe to it.
type Entry struct {
	Type        Type   `json:"type"`
	Description string `json:"description"` // One sentence without the full stop.

	// Frequency is how often to expect it. Defaults to [Medium].
	Frequency Frequency `json:"frequency"`

	// Example is a whole event of this type, envelope included. It may be empty. All
	// copies of the entry share it, so it must not be changed.
	Example json.RawMessage `json:"example,omitempty"`
}

// Subscribable reports whether a webhook can subscribe to the type.
func (e Entry) Subscribable() bool { return e.Frequency != Manual }

// Catalog lists the types of event that a service publishes. It is immutable, and
// safe for concurrent use.
type Catalog struct {
	entries []Entry
	byType  map[Type]int
	shape   Shape
}

//go:embed examples
var examples embed.FS

// DefaultCatalog returns the nine types of this package, in their documented order.
// [Catalog.With] adds a host's own.
func DefaultCatalog() *Catalog {
	c := &Catalog{entries: []Entry{
		{Type: TypeChatQueryCompleted, Description: "A customer query was successfully processed", Frequency: High},
		{Type: TypeChatQueryFailed, Description: "A query failed to process", Frequency: Low},
		{Type: TypeDocumentCreated, Description: "A new document was added to your catalog", Frequency: Medium},
		{Type: TypeDocumentUpdated, Description: "An existing document was modified", Frequency: Medium},
		{Type: TypeDocumentDeleted, Description: "A document was removed from your catalog", Frequency: Low},
		{Type: TypeUsageLimitApproaching, Description: "You've reached 80% of your plan limit", Frequency: Low},
		{Type: TypeUsageLimitExceeded, Description: "You've exceeded your plan limit", Frequency: Low},
		{Type: TypeAPIKeyExpiring, Description: "An API key will expire in 7 days", Frequency: Low},
		{Type: TypeWebhookTest, Description: "Test event for webhook verification", Frequency: Manual},
	}}
	c.byType = make(map[Type]int, len(c.entries))
	for i := range c.entries {
		e := &c.entries[i]
		e.Example, _ = examples.ReadFile("examples/" + string(e.Type) + ".json") // All nine are there.
		c.byType[e.Type] = i
	}
	return c
}

// NewCatalog returns a catalog of the entries in their order. Its error lists
// every entry whose type is invalid or listed twice, whose frequency is unknown, or
// whose example is no event of its type.
func NewCatalog(entries ...Entry) (*Catalog, error) {
	var empty Catalog
	return empty.With(entries...)
}

// With returns a catalog with more entries at its end. It fails as [NewCatalog]
// does.
func (c *Catalog) With(entries ...Entry) (*Catalog, error) {
	out := &Catalog{entries: slices.Clone(c.entries), byType: maps.Clone(c.byType), shape: c.shape}
	if out.byType == nil {
		out.byType = make(map[Type]int, len(entries))
	}
	var bad []error
	for _, e := range entries {
		if e.Frequency == "" {
			e.Frequency = Medium
		}
		e.Example = bytes.Clone(e.Example)
		bad = append(bad, e.check()...)
		if _, twice := out.byType[e.Type]; twice {
			bad = append(bad, e.fault("there twice"))
		}
		out.byType[e.Type] = len(out.entries)
		out.entries = append(out.entries, e)
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	return out, nil
}

// WithShape returns a catalog of the same entries whose events are sent in another shape:
// what s makes of them. With nil they are sent as [Event.MarshalJSON] writes them, in the
// form of RFC 8785.
func (c *Catalog) WithShape(s Shape) *Catalog {
	out := *c
	out.shape = s
	return &out
}

// Shape returns what [Catalog.WithShape] has set, and nil by default.
func (c *Catalog) Shape() Shape { return c.shape }

// check returns what is wrong with e.
func (e Entry) check() (bad []error) {
	if !e.Type.Valid() {
		bad = append(bad, e.fault("not a valid type"))
	}
	switch e.Frequency {
	case High, Medium, Low, Manual:
	default:
		bad = append(bad, e.fault(fmt.Sprintf("unknown frequency %q: must be High, Medium, Low or Manual", e.Frequency)))
	}
	if len(e.Example) > 0 {
		switch example, err := Parse(e.Example); {
		case err != nil:
			bad = append(bad, e.fault("example: "+err.Error()))
		case example.Type != e.Type:
			bad = append(bad, e.fault(fmt.Sprintf("example: an event of type %q", example.Type)))
		}
	}
	return bad
}

func (e Entry) fault(text string) error {
	return fmt.Errorf("event: catalog: %q: %s", e.Type, text)
}

// Lookup returns the entry of a type, and false if the catalog has none.
func (c *Catalog) Lookup(t Type) (Entry, bool) {
	i, ok := c.byType[t]
	if !ok {
		return Entry{}, false
	}
	return c.entries[i], true
}

// Entries returns all entries in order, in a slice of the caller's.
func (c *Catalog) Entries() []Entry { return slices.Clone(c.entries) }

// Replaced lists the types of [DefaultCatalog] that c does not have as they are there: whose
// entry is missing or a host's own. It is empty where c only has more types.
func (c *Catalog) Replaced() []Type {
	var out []Type
	for was := range DefaultCatalog().All() {
		is, ok := c.Lookup(was.Type)
		if !ok || is.Description != was.Description || is.Frequency != was.Frequency || !bytes.Equal(is.Example, was.Example) {
			out = append(out, was.Type)
		}
	}
	return out
}

// All yields the entries in order.
func (c *Catalog) All() iter.Seq[Entry] { return slices.Values(c.entries) }
