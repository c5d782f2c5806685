package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// yours is what a host calls its own: see docs/yours.md.
type yours struct {
	title   string
	words   *words.Words // nil: merchants
	wire    signer.Wire
	untimed bool
	catalog *event.Catalog // nil: the default
}

func (y *yours) flags(fs *flag.FlagSet, bad *[]error) {
	fs.StringVar(&y.title, "title", "", `name of the product, in the portal, in mail, in OpenAPI and in the User-Agent: with "Acme" that is Acme-Webhooks/1.0`)
	fs.Func("tenant", "`noun` for merchants, which is in every text and, in the plural, in paths: shop, or company,companies", func(s string) (err error) {
		y.words, err = Tenant(s)
		*bad = append(*bad, named("-tenant", err))
		return nil
	})
	fs.Func("catalog", "JSON `file` of the types of events in place of the default ones, but webhook.test: an array of type, description, example (a whole event) and frequency (High, Medium, Low, or Manual for what nobody can subscribe to; default Medium)",
		func(file string) (err error) {
			y.catalog, err = Catalog(file)
			*bad = append(*bad, named("-catalog", err))
			return nil
		})
	fs.StringVar(&y.wire.Prefix, "wire-prefix", "", "what the `names` of the sender's own headers begin with, such as X-Acme- (default X-Webhook-)")
	fs.BoolVar(&y.untimed, "wire-untimed", true, "send the signature that has no time in it, too; without it, receivers verify Standard Webhooks")
}

// settle completes the wire, once all flags are known.
func (y *yours) settle() error {
	y.wire.OmitUntimed = !y.untimed
	if y.title != "" {
		y.wire.UserAgent = strings.TrimPrefix(plain(y.title)+"-Webhooks/1.0", "-")
	}
	return named(fmt.Sprintf("-wire-prefix %q", y.wire.Prefix), y.wire.Validate())
}

// plain are the letters and digits of a name that a header can hold, and at most 40.
func plain(name string) string {
	kept := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, name)
	return kept[:min(len(kept), 40)]
}

// Tenant reads a noun as -tenant takes it: shop, or company,companies where the plural is not
// one letter more. Without one, it is nil. Its error quotes the noun.
func Tenant(noun string) (*words.Words, error) {
	if noun == "" {
		return nil, nil //nolint:nilnil // nil is words, too
	}
	one, many, both := strings.Cut(noun, ",")
	one, many = strings.TrimSpace(one), strings.TrimSpace(many)
	w, err := words.New(&words.Options{Tenant: one, Tenants: many})
	if one == "" || both && many == "" {
		err = errors.New("the singular or the plural is missing")
	}
	if err != nil {
		return nil, fmt.Errorf("%q is no noun such as shop, or company,companies, whose plural can stand in paths: %w", noun, err)
	}
	return w, nil
}

// Catalog reads the types of a host from a file, an array of {type, description, example,
// frequency?}, and adds the one for tests. Its error names the entry.
func Catalog(file string) (*event.Catalog, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("%s: is not a JSON array of types: %w", file, err)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s: has no type", file)
	}
	catalog, err := event.NewCatalog()
	for i := 0; err == nil && i < len(entries); i++ {
		var e event.Entry
		if e, err = readEntry(entries[i]); err == nil {
			catalog, err = catalog.With(e)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: entry %d: %w", file, i+1, err)
		}
	}
	if _, own := catalog.Lookup(event.TypeWebhookTest); own {
		return catalog, err
	}
	test, _ := event.DefaultCatalog().Lookup(event.TypeWebhookTest)
	return catalog.With(test)
}

func readEntry(text []byte) (e event.Entry, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return e, err
	}
	if e.Type == "" || e.Description == "" || len(e.Example) == 0 {
		return e, fmt.Errorf("%q: type, description and example are needed", e.Type)
	}
	return e, nil
}
