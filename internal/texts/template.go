package main

import (
	"text/template/parse"
)

// fromTemplate adds the constants that a template hands to t, and to tn after a number.
func (t texts) fromTemplate(path, text string) error {
	tree := parse.New(path)
	tree.Mode = parse.SkipFuncCheck
	all := map[string]*parse.Tree{}
	if _, err := tree.Parse(text, "", "", all); err != nil {
		return err
	}
	for _, tree := range all {
		t.fromNode(tree.Root)
	}
	return nil
}

func (t texts) fromNode(node parse.Node) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil { // as that of an else that is not there
			for _, in := range n.Nodes {
				t.fromNode(in)
			}
		}
	case *parse.ActionNode:
		t.fromNode(n.Pipe)
	case *parse.TemplateNode:
		t.fromNode(n.Pipe)
	case *parse.IfNode:
		t.fromBranch(&n.BranchNode)
	case *parse.RangeNode:
		t.fromBranch(&n.BranchNode)
	case *parse.WithNode:
		t.fromBranch(&n.BranchNode)
	case *parse.ChainNode:
		t.fromNode(n.Node)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				t.fromCommand(c)
			}
		}
	}
}

func (t texts) fromBranch(b *parse.BranchNode) {
	t.fromNode(b.Pipe)
	t.fromNode(b.List)
	t.fromNode(b.ElseList)
}

func (t texts) fromCommand(c *parse.CommandNode) {
	said := 0 // how many of the constants are texts
	if name, ok := c.Args[0].(*parse.IdentifierNode); ok {
		said = map[string]int{"t": 1, "tn": 2}[name.Ident]
	}
	for _, arg := range c.Args {
		if s, ok := arg.(*parse.StringNode); ok && said > 0 {
			t.add(s.Text)
			said--
		} else {
			t.fromNode(arg)
		}
	}
}
