// Command yamljson writes a YAML document as JSON, with its members in the same
// order and its aliases resolved:
//
//	yamljson IN.yaml OUT.json
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"go.yaml.in/yaml/v3"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: yamljson IN.yaml OUT.json")
	}
	if err := convert(os.Args[1], os.Args[2]); err != nil {
		log.Fatalf("yamljson: %v", err)
	}
}

func convert(in, out string) error {
	text, err := os.ReadFile(in) //nolint:gosec // G304: the file that the caller names
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	var plain, indented bytes.Buffer
	if err := write(&plain, &doc); err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	if err := json.Indent(&indented, plain.Bytes(), "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	return os.WriteFile(out, indented.Bytes(), 0o644) //nolint:gosec // G306: as readable as its source
}

func write(to *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return write(to, n.Content[0])
	case yaml.AliasNode:
		return write(to, n.Alias)
	case yaml.SequenceNode:
		return list(to, '[', ']', n.Content, func(i int) error { return write(to, n.Content[i]) }, 1)
	case yaml.MappingNode:
		return list(to, '{', '}', n.Content, func(i int) error {
			if err := text(to, n.Content[i].Value); err != nil {
				return err
			}
			to.WriteByte(':')
			return write(to, n.Content[i+1])
		}, 2)
	}
	// A scalar. A time that is not quoted is text in JSON.
	var v any
	if err := n.Decode(&v); err != nil {
		return err
	}
	switch v.(type) {
	case nil, bool, int, int64, uint64, float64:
		plain, err := json.Marshal(v)
		to.Write(plain)
		return err
	}
	return text(to, n.Value)
}

func list(to *bytes.Buffer, open, shut byte, nodes []*yaml.Node, each func(int) error, step int) error {
	to.WriteByte(open)
	for i := 0; i < len(nodes); i += step {
		if i > 0 {
			to.WriteByte(',')
		}
		if err := each(i); err != nil {
			return err
		}
	}
	to.WriteByte(shut)
	return nil
}

// text writes s without escaping what only HTML needs escaped.
func text(to *bytes.Buffer, s string) error {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return err
	}
	to.Truncate(to.Len() - 1) // the line feed
	return nil
}
