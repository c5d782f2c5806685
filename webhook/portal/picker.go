package portal

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
)

// manyTypes is the most types that a form shows in one list.
const manyTypes = 20

// typeGroup are the types of a large catalog that begin alike.
type typeGroup struct {
	Name   string
	Whole  *typeChoice // all of them, by a wildcard; nil: there is nothing after the name
	Types  []typeChoice
	Chosen int
}

// Open reports whether to show the types at once: some of them are chosen, one by one.
func (g typeGroup) Open() bool { return g.Chosen > 0 && (g.Whole == nil || !g.Whole.Checked) }

// covers reports whether a wildcard, "prefix.*", covers a type or another wildcard.
func covers(wildcard, t string) bool { return t != wildcard && webhook.Matches([]string{wildcard}, t) }

// group puts a wildcard before the types of each group, if there are many types.
func (f *webhookForm) group() {
	if len(f.Types) <= manyTypes {
		return
	}
	f.depth = depth(f.Types)
	types := f.Types
	f.Types = nil
	for _, name := range names(types, f.depth) {
		whole := typeChoice{Type: name + ".*", Wildcard: true}
		if slices.ContainsFunc(types, func(c typeChoice) bool { return covers(whole.Type, c.Type) }) {
			f.Types = append(f.Types, whole)
		}
	}
	f.Types = append(f.Types, types...)
}

// depth is the number of segments by which types are told apart: one more than all of them
// have in common.
func depth(types []typeChoice) int {
	segments := strings.Split(types[0].Type, ".")
	for n := 1; n < len(segments); n++ {
		common := strings.Join(segments[:n], ".") + ".*"
		if slices.ContainsFunc(types, func(c typeChoice) bool { return !covers(common, c.Type) }) {
			return n
		}
	}
	return len(segments)
}

// names are the names of groups, in the order of their first types.
func names(types []typeChoice, depth int) []string {
	var out []string
	for _, c := range types {
		if name := c.group(depth); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (c typeChoice) group(depth int) string {
	segments := strings.Split(strings.TrimSuffix(c.Type, ".*"), ".")
	return strings.Join(segments[:min(depth, len(segments))], ".")
}

// Groups are the types by how they begin, or none if a list will do.
func (f *webhookForm) Groups() []typeGroup {
	if f.depth == 0 {
		return nil
	}
	out := make([]typeGroup, 0, len(f.Types))
	for _, name := range names(f.Types, f.depth) {
		g := typeGroup{Name: name}
		for i, c := range f.Types {
			switch {
			case c.group(f.depth) != name:
				continue
			case c.Wildcard && c.Type == name+".*":
				g.Whole = &f.Types[i]
			default:
				g.Types = append(g.Types, c)
			}
		}
		for i, c := range g.Types {
			g.Types[i].Apart = g.Whole != nil && !covers(g.Whole.Type, c.Type)
			if c.Checked || g.Whole != nil && g.Whole.Checked && !g.Types[i].Apart {
				g.Chosen++
			}
		}
		out = append(out, g)
	}
	return out
}

// chosen lists what is ticked, but for what a ticked wildcard covers.
func (f *webhookForm) chosen() []string {
	out := []string{}
	for _, c := range f.Types {
		if c.Checked && !slices.ContainsFunc(f.Types, func(w typeChoice) bool { return w.Checked && w.Wildcard && covers(w.Type, c.Type) }) {
			out = append(out, c.Type)
		}
	}
	return out
}

// Wild is the first wildcard of a webhook, and the number of its further subscriptions. It
// is empty for a webhook without one.
func (r listRow) Wild() string {
	i := slices.IndexFunc(r.Events, wild)
	switch {
	case i < 0:
		return ""
	case len(r.Events) == 1:
		return r.Events[i]
	}
	return r.Events[i] + " +" + strconv.Itoa(len(r.Events)-1)
}

// wild reports whether a subscription is to more than one type.
func wild(subscription string) bool { return strings.HasSuffix(subscription, ".*") }
