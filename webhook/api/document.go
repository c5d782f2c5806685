package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // for the document
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
)

// The OpenAPI document of the management API, written by hand.
//
//go:embed openapi.yaml
var openAPI []byte

// Where the document is, below the root of the API.
const (
	documentJSON = "openapi.json"
	documentYAML = "openapi.yaml"
)

// document is the OpenAPI document as one handler serves it.
type document struct {
	mediaType string
	text      []byte
	etag      string
}

// documentCache lets a document be kept, for it changes with the program only.
const documentCache = "public, max-age=300"

// documents returns the document by its names, as one that says what this handler does.
func (h *Handler) documents() (map[string]*document, error) {
	root := &yaml.Node{}
	if err := yaml.Load(openAPI, root); err != nil {
		return nil, fmt.Errorf("webhook: OpenAPI document: %w", err)
	}
	doc := root.Content[0]
	if !h.opts.EnablePublish {
		cut(member(doc, "paths", "/merchants/{merchantId}/events"), "post")
	}
	if h.opts.Operator == nil {
		cutBelow(member(doc, "paths"), "/"+operatorSegment)
	}
	if err := errors.Join(h.own(doc), list(doc, h.svc)); err != nil {
		return nil, fmt.Errorf("webhook: OpenAPI document: %w", err)
	}
	uncomment(root)
	var asJSON bytes.Buffer
	if err := json.Indent(&asJSON, appendJSON(nil, root), "", "  "); err != nil {
		return nil, fmt.Errorf("webhook: OpenAPI document: %w", err)
	}
	asJSON.WriteByte('\n')
	// Last, for Dump takes the tags of the nodes away.
	asYAML, err := yaml.Dump(root, yaml.WithIndent(2), yaml.WithCompactSeqIndent(false), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("webhook: OpenAPI document: %w", err)
	}
	return map[string]*document{
		documentJSON: newDocument("application/json; charset=utf-8", asJSON.Bytes()),
		documentYAML: newDocument("application/yaml; charset=utf-8", asYAML),
	}, nil
}

func newDocument(mediaType string, content []byte) *document {
	sum := sha256.Sum256(content)
	return &document{mediaType: mediaType, text: content, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
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

// list makes the document's webhooks those of the catalog, and a test event, which
// can be sent whatever that holds. Others share what the test event has anchors for.
func list(doc *yaml.Node, svc *webhook.Service) error {
	webhooks, catalog := member(doc, "webhooks"), svc.Catalog()
	same, replaced := catalog.Shape() == nil, catalog.Replaced() // as in the document, and what is not
	written := event.DefaultCatalog()                            // what the document has
	unused := map[string]bool{}                                  // schemas, unless something else needs them
	for e := range written.All() {
		if e.Type != event.TypeWebhookTest && (!same || slices.Contains(replaced, e.Type)) {
			needed(doc, member(webhooks, string(e.Type)), unused)
			cut(webhooks, string(e.Type))
		}
	}
	test := member(webhooks, string(event.TypeWebhookTest), "post")
	if !same {
		entry, _ := written.Lookup(event.TypeWebhookTest)
		body, err := requestBody(svc, entry)
		if err != nil {
			return fmt.Errorf("event type %s: %w", entry.Type, err)
		}
		needed(doc, member(test, "requestBody"), unused)
		*member(test, "requestBody") = *body
	}
	prune(doc, unused)
	for e := range catalog.All() {
		if _, ok := written.Lookup(e.Type); e.Type == event.TypeWebhookTest || same && ok && !slices.Contains(replaced, e.Type) {
			continue
		}
		post, err := operation(test, svc, e)
		if err != nil {
			return fmt.Errorf("event type %s: %w", e.Type, err)
		}
		item := &yaml.Node{Kind: yaml.MappingNode}
		add(item, "post", post)
		add(webhooks, string(e.Type), item)
	}
	return nil
}

// schemaPrefix begins a reference to a schema.
const schemaPrefix = "#/components/schemas/"

// needed adds to known the schemas that n refers to, and those that these refer to.
func needed(doc, n *yaml.Node, known map[string]bool) {
	eachMember(n, func(_, value *yaml.Node) {
		name, isSchema := strings.CutPrefix(value.Value, schemaPrefix)
		if isSchema && !known[name] {
			known[name] = true
			needed(doc, member(doc, "components", "schemas", name), known)
		}
	})
}

// prune removes those of the schemas that nothing else needs.
func prune(doc *yaml.Node, unused map[string]bool) {
	schemas := member(doc, "components", "schemas")
	used := map[string]bool{}
	for i := 0; i < len(schemas.Content); i += 2 {
		if !unused[schemas.Content[i].Value] {
			needed(doc, schemas.Content[i+1], used)
		}
	}
	for _, part := range []string{"paths", "webhooks"} {
		needed(doc, member(doc, part), used)
	}
	for _, part := range []string{"parameters", "responses"} {
		needed(doc, member(doc, "components", part), used)
	}
	for name := range unused {
		if !used[name] {
			cut(schemas, name)
		}
	}
}

// operation describes the request that brings an event of a host's own type. What is
// not about the event is as in the test event's.
func operation(test *yaml.Node, svc *webhook.Service, e event.Entry) (*yaml.Node, error) {
	post, err := fromJSON(map[string]any{"summary": e.Description})
	if err != nil {
		return nil, err
	}
	body, err := requestBody(svc, e)
	if err != nil {
		return nil, err
	}
	add(post, "requestBody", body)
	for _, name := range []string{"tags", "security", "parameters", "responses"} {
		value := member(test, name)
		if value.Anchor != "" {
			value = &yaml.Node{Kind: yaml.AliasNode, Value: value.Anchor, Alias: value}
		}
		add(post, name, value)
	}
	return post, nil
}

// requestBody describes what is sent of an event. Of what a shape has made, there is no schema.
func requestBody(svc *webhook.Service, e event.Entry) (*yaml.Node, error) {
	type media struct {
		Schema  map[string]string `json:"schema"`
		Example json.RawMessage   `json:"example,omitempty"`
	}
	content := media{map[string]string{"$ref": "#/components/schemas/Event"}, e.Example}
	contentType := shape.JSON
	if svc.Catalog().Shape() != nil {
		sent := svc.Example(e.Type)
		contentType, content = cmp.Or(sent.ContentType, shape.JSON), media{Schema: map[string]string{}}
		switch {
		case len(sent.Body) == 0:
		case shape.IsJSON(contentType):
			content.Example = sent.Body
		default:
			content.Schema["type"] = "string"
			text, err := json.Marshal(string(sent.Body))
			if err != nil {
				return nil, err
			}
			content.Example = text
		}
	}
	return fromJSON(map[string]any{"required": true, "content": map[string]media{contentType: content}})
}
