package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// own makes the document the host's own. What the options leave at their default stays
// as it is written.
func (h *Handler) own(doc *yaml.Node) error {
	if h.opts.Title != "" {
		member(doc, "info", "title").Value = h.opts.Title
	}
	if h.opts.ServerURL != "" {
		*member(member(doc, "servers").Content[0], "url") = *text(h.opts.ServerURL)
	}
	if h.opts.Challenge != bearerChallenge {
		headers := member(doc, "components", "headers")
		member(headers, "Challenge", "example").Value = h.opts.Challenge
		member(headers, "ScopeChallenge", "example").Value = challenge(h.opts.Challenge, `error="insufficient_scope", scope="webhooks:write"`)
	}
	h.opts.sayNumbers(doc)
	sayWire(doc, h.wire)
	if h.opts.Words != nil {
		sayNouns(doc, h.opts.Words)
		rename(doc, h.opts.Words)
	}
	if err := h.exemplify(doc); err != nil {
		return err
	}
	return secure(doc, h.opts.Security)
}

// secure describes the credentials that authenticate takes, any of them.
func secure(doc *yaml.Node, schemes map[string]json.RawMessage) error {
	if len(schemes) == 0 {
		return nil
	}
	written, err := fromJSON(schemes)
	if err != nil {
		return err
	}
	*member(doc, "components", "securitySchemes") = *written
	needed := member(doc, "security")
	needed.Content = nil
	for _, name := range slices.Sorted(maps.Keys(schemes)) {
		one := &yaml.Node{Kind: yaml.MappingNode}
		add(one, name, &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle})
		needed.Content = append(needed.Content, one)
	}
	return nil
}

// merchants finds the noun in the document's texts.
var merchants = regexp.MustCompile(`\b([Aa] )?([Mm])erchant(s?)\b`)

// sayNouns says the texts in the host's nouns. What stands in backquotes is a name.
func sayNouns(doc *yaml.Node, w *words.Words) {
	eachMember(doc, func(name, value *yaml.Node) {
		if value.Kind != yaml.ScalarNode || name.Value != "description" && name.Value != "summary" {
			return
		}
		parts := strings.Split(value.Value, "`")
		for i := 0; i < len(parts); i += 2 {
			parts[i] = merchants.ReplaceAllStringFunc(parts[i], func(found string) string {
				return noun(w, strings.NewReplacer("merchant", "tenant", "Merchant", "Tenant").Replace(found))
			})
		}
		value.Value = strings.Join(parts, "`")
	})
}

// noun says tenant, tenants, a tenant and so on.
func noun(w *words.Words, name string) string { return w.Say(words.Text("{" + name + "}")) }

// rename gives paths the host's segment, and parameters and schemas another name. Names of
// schemas are neutral, for a shop is less likely to be one already than a job.
func rename(doc *yaml.Node, w *words.Words) {
	id := parameterName(w)
	paths := strings.NewReplacer("/"+merchantsSegment+"{merchantId}", "/"+w.Segment()+"/{"+id+"}", "/operator/merchants", "/operator/"+w.Segment())
	eachMember(member(doc, "paths"), func(name, value *yaml.Node) {
		if name.Value == "operationId" {
			value.Value = strings.Replace(value.Value, "Merchants", "Tenants", 1)
		}
		name.Value = paths.Replace(name.Value)
	})
	if id == "merchantId" {
		return
	}
	parameter := member(doc, "components", "parameters", "MerchantID")
	member(parameter, "name").Value = id
	member(parameter, "example").Value = strings.TrimSuffix(id, "Id") + "_42"
	for _, of := range []string{"parameters", "schemas"} {
		components := member(doc, "components", of)
		for i := 0; i < len(components.Content); i += 2 {
			components.Content[i].Value = strings.Replace(components.Content[i].Value, "Merchant", "Tenant", 1)
		}
	}
	eachMember(doc, func(name, value *yaml.Node) {
		if name.Value == "$ref" {
			value.Value = strings.Replace(value.Value, "/Merchant", "/Tenant", 1)
		}
	})
}

// parameterName is what stands for a tenant's id in paths: shopId, storeOwnerId, and tenantId
// where the noun cannot.
func parameterName(w *words.Words) string {
	var name string
	for i, word := range strings.FieldsFunc(noun(w, "tenant"), func(r rune) bool { return !alphanumeric(r) }) {
		if i == 0 {
			name = strings.ToLower(word[:1]) + word[1:]
		} else {
			name += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	name += "Id"
	if name == "Id" || strings.ContainsFunc(noun(w, "tenant"), func(r rune) bool { return r > unicode.MaxASCII }) || slices.Contains([]string{"webhookId", "deliveryId", "eventId", "replayId", "jobId"}, name) {
		return "tenantId"
	}
	return name
}

func alphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// exemplify takes the brand out of examples if anything is the host's own, and types from
// a catalog that does not have all of the document's.
func (h *Handler) exemplify(doc *yaml.Node) error {
	catalog := h.svc.Catalog()
	var types []string
	for e := range catalog.All() {
		if e.Subscribable() {
			types = append(types, string(e.Type))
		}
	}
	if len(types) == 0 {
		types = []string{string(event.TypeWebhookTest)}
	}
	same := len(catalog.Replaced()) == 0
	if same && h.opts.Title == "" && h.opts.Words == nil && h.wire == (signer.Wire{}).WithDefaults() {
		return nil
	}
	written := map[string]string{} // in examples, and what to say instead
	for _, url := range []string{"your-domain.com", "new-domain.com"} {
		written["https://"+url+"/webhooks/rag-assistant"] = "https://example.com/webhooks"
	}
	if !same {
		for i, t := range []event.Type{event.TypeChatQueryCompleted, event.TypeDocumentCreated, event.TypeUsageLimitApproaching} {
			written[string(t)] = types[i%len(types)]
		}
	}
	for _, part := range []string{"paths", "components"} {
		eachMember(member(doc, part), func(name, value *yaml.Node) {
			if name.Value == "example" || name.Value == "examples" {
				substitute(value, written)
			}
		})
	}
	if same {
		return nil
	}
	return publishedExample(doc, catalog, event.Type(types[0]))
}

// substitute replaces scalars, and drops those of a list that are then there twice.
func substitute(n *yaml.Node, written map[string]string) {
	if other, ok := written[n.Value]; ok && n.Kind == yaml.ScalarNode {
		n.Value = other
	}
	seen := map[string]bool{}
	n.Content = slices.DeleteFunc(n.Content, func(item *yaml.Node) bool {
		substitute(item, written)
		again := n.Kind == yaml.SequenceNode && item.Kind == yaml.ScalarNode && seen[item.Value]
		seen[item.Value] = true
		return again
	})
}

// publishedExample has the example of publishing be one of this type, if the route is there.
func publishedExample(doc *yaml.Node, catalog *event.Catalog, of event.Type) error {
	entry, _ := catalog.Lookup(of)
	e := struct {
		Type event.Type      `json:"type"`
		Data json.RawMessage `json:"data"`
	}{of, json.RawMessage("{}")}
	if len(entry.Example) > 0 {
		if err := json.Unmarshal(entry.Example, &e); err != nil {
			return fmt.Errorf("example of %s: %w", of, err)
		}
	}
	example, err := fromJSON(e)
	if err != nil {
		return err
	}
	eachMember(member(doc, "paths"), func(name, value *yaml.Node) {
		if name.Value == "post" && member(value, "operationId").Value == "publishEvent" {
			*member(value, "requestBody", "content", "application/json", "example") = *example
		}
	})
	return nil
}
