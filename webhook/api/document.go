package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the document
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// The OpenAPI document of the management API, written by hand.
//
//go:embed openapi.yaml
var openAPIYAML string

// The same as JSON, which is made of it.
//
//go:embed openapi.json
var openAPIJSON string

// document is the OpenAPI document as one handler serves it.
type document struct {
	mediaType string
	text      []byte
	etag      string
}

// documentCache lets a document be kept, for it changes with the program only.
const documentCache = "public, max-age=300"

// documents returns the document by its names.
func (h *Handler) documents() (map[string]*document, error) {
	out := make(map[string]*document, 2)
	for name, d := range map[string]*draft{
		"openapi.json": {mediaType: "application/json; charset=utf-8", lines: strings.Split(openAPIJSON, "\n"), json: true},
		"openapi.yaml": {mediaType: "application/yaml; charset=utf-8", lines: strings.Split(openAPIYAML, "\n")},
	} {
		if !h.opts.EnablePublish {
			d.cut("/merchants/{merchantId}/events")
		}
		if h.opts.ServerURL != "" {
			d.serverURL(h.opts.ServerURL)
		}
		if err := d.sends(h.svc.Catalog()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = d.document()
	}
	return out, nil
}

// serve answers with the document, or says that it is still the same.
func (d *document) serve(x *exchange) (answer, error) {
	known := strings.Join(x.R.Header.Values("If-None-Match"), ",")
	for tag := range strings.SplitSeq(known, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == d.etag {
			return answer{status: http.StatusNotModified, etag: d.etag, cache: documentCache}, nil
		}
	}
	return answer{status: http.StatusOK, etag: d.etag, cache: documentCache, document: d}, nil
}

// draft is a document on its way from what every handler could do to what one
// does. It is edited line by line: YAML keeps its comments like that, and nobody
// has to import a parser for it. The indentation of both files must be regular.
type draft struct {
	mediaType string
	lines     []string
	json      bool
}

func (d *draft) document() *document {
	text := []byte(strings.Join(d.lines, "\n"))
	sum := sha256.Sum256(text)
	return &document{mediaType: d.mediaType, text: text, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
}

// cut removes a path or a webhook.
func (d *draft) cut(name string) {
	head := "  " + name + ":"
	if d.json {
		head = `    "` + name + `": {`
	}
	from := slices.Index(d.lines, head)
	if from < 0 {
		return
	}
	to := from + 1
	for to < len(d.lines) && (d.lines[to] == "" || indent(d.lines[to]) > indent(head)) {
		to++
	}
	if d.json {
		to++ // the brace
	}
	d.lines = slices.Delete(d.lines, from, to)
	if d.json && strings.HasPrefix(strings.TrimLeft(d.lines[from], " "), "}") {
		d.lines[from-1] = strings.TrimSuffix(d.lines[from-1], ",") // That was the last one.
	}
}

// serverURL replaces the relative address of the API. A URL that [url.URL] has
// written needs no escapes.
func (d *draft) serverURL(u string) {
	line, key := "  - url: . # Where this document was read.", "  - url: "
	if d.json {
		line, key = `      "url": "."`, `      "url": `
	}
	d.lines[slices.Index(d.lines, line)] = key + `"` + u + `"`
}

// sends makes the document's webhooks those of the catalog, and a test event,
// which can be sent whatever that holds.
func (d *draft) sends(catalog *event.Catalog) error {
	guide := event.DefaultCatalog()
	for e := range guide.All() {
		if listed, ok := catalog.Lookup(e.Type); e.Type != event.TypeWebhookTest && (!ok || !alike(e, listed)) {
			d.cut(string(e.Type))
		}
	}
	head := "webhooks:"
	if d.json {
		head = `  "webhooks": {`
	}
	at := slices.Index(d.lines, head) + 1
	for e := range catalog.All() {
		if known, ok := guide.Lookup(e.Type); e.Type == event.TypeWebhookTest || ok && alike(e, known) {
			continue
		}
		item, err := pathItem(e)
		if err != nil {
			return fmt.Errorf("event type %s: %w", e.Type, err)
		}
		// JSON on one line is YAML too.
		line := `  "` + string(e.Type) + `": ` + item
		if d.json {
			line = "  " + line + ","
		}
		d.lines = slices.Insert(d.lines, at, line)
		at++
	}
	return nil
}

func alike(a, b event.Entry) bool {
	return a.Description == b.Description && a.Frequency == b.Frequency && bytes.Equal(a.Example, b.Example)
}

// pathItem describes the request that brings an event of a host's own type. It has
// the headers of every other.
func pathItem(e event.Entry) (string, error) {
	var doc struct {
		Webhooks map[event.Type]map[string]map[string]any `json:"webhooks"`
	}
	if err := json.Unmarshal([]byte(openAPIJSON), &doc); err != nil {
		return "", err
	}
	item := doc.Webhooks[event.TypeWebhookTest]
	body := map[string]any{"schema": map[string]string{"$ref": "#/components/schemas/Event"}}
	if len(e.Example) > 0 {
		body["example"] = e.Example
	}
	operation := item["post"]
	delete(operation, "operationId")
	delete(operation, "description")
	operation["summary"] = e.Description
	operation["requestBody"] = map[string]any{"required": true, "content": map[string]any{"application/json": body}}
	text, err := json.Marshal(item)
	return string(text), err
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
