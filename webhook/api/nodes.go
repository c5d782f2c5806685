package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// member returns the value of a mapping's member, or of that one's member and so on. All
// have to be there.
func member(mapping *yaml.Node, names ...string) *yaml.Node {
	for _, name := range names {
		mapping = mapping.Content[find(mapping, name)+1]
	}
	return mapping
}

// eachMember visits the members of all mappings from a node on, each once: what is repeated
// by an alias where it is written.
func eachMember(n *yaml.Node, visit func(name, value *yaml.Node)) {
	for i, item := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			visit(item, n.Content[i+1])
		}
		eachMember(item, visit)
	}
}

// uncomment takes away comments, which are for who maintains the file.
func uncomment(n *yaml.Node) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	for _, item := range n.Content {
		uncomment(item)
	}
}

// cut removes a member of a mapping, if it is there.
func cut(mapping *yaml.Node, name string) {
	if at := find(mapping, name); at >= 0 {
		mapping.Content = slices.Delete(mapping.Content, at, at+2)
	}
}

// cutBelow removes the members of a mapping whose names begin with a prefix.
func cutBelow(mapping *yaml.Node, prefix string) {
	for i := len(mapping.Content) - 2; i >= 0; i -= 2 {
		if strings.HasPrefix(mapping.Content[i].Value, prefix) {
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
		}
	}
}

func add(mapping *yaml.Node, name string, value *yaml.Node) {
	mapping.Content = append(mapping.Content, text(name), value)
}

// find returns the index of a member's name, or -1.
func find(mapping *yaml.Node, name string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// text returns a node that is a string, whatever it looks like.
func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: s}
}

// fromJSON returns what v is in JSON, with the members in the same order.
func fromJSON(v any) (*yaml.Node, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return readJSON(dec)
}

// readJSON reads one value. YAML reads JSON too, but not all of its escapes.
func readJSON(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{}
	switch v := token.(type) {
	case string:
		return text(v), nil
	case json.Number:
		if err := yaml.Load([]byte(v), n); err != nil {
			return nil, err
		}
		return n.Content[0], nil
	case json.Delim:
		if n.Kind = yaml.SequenceNode; v == '{' {
			n.Kind = yaml.MappingNode
		}
		for dec.More() { // The name of a member is a token as well.
			item, err := readJSON(dec)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, item)
		}
		_, err = dec.Token()
		return n, err
	}
	return n, n.Encode(token) // a bool or nil
}

// appendJSON appends a node in JSON, with the members in the same order. Only a number,
// a bool and null are written as they are: a time without quotes is a string.
func appendJSON(to []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.DocumentNode:
		return appendJSON(to, n.Content[0])
	case yaml.AliasNode:
		return appendJSON(to, n.Alias)
	case yaml.SequenceNode:
		to = append(to, '[')
		for i, item := range n.Content {
			if i > 0 {
				to = append(to, ',')
			}
			to = appendJSON(to, item)
		}
		return append(to, ']')
	case yaml.MappingNode:
		to = append(to, '{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(appendString(to, n.Content[i].Value), ':')
			to = appendJSON(to, n.Content[i+1])
		}
		return append(to, '}')
	}
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		return append(to, n.Value...)
	}
	return appendString(to, n.Value)
}

// appendString appends a string without the escapes that only HTML needs.
func appendString(to []byte, s string) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) //nolint:errchkjson // A string can be encoded.
	return append(to, strings.TrimSuffix(b.String(), "\n")...)
}
