package once

import (
	"context"
	"strconv"
	"sync/atomic"

	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// names is the key of a [name] in a context.
type names struct{}

// name is what the ids of one call of [Do] are derived from.
type name struct {
	of    string
	count atomic.Int64
}

// ID returns a new id with this prefix. Inside [Do] it is the same at each try: the
// first one asked for, the second one, and so on.
func ID(ctx context.Context, prefix string) string {
	if derived := Derived(ctx, prefix); derived != "" {
		return derived
	}
	return id.New(prefix)
}

// Derived returns what ID does inside [Do], and nothing elsewhere.
func Derived(ctx context.Context, prefix string) string {
	n, ok := ctx.Value(names{}).(*name)
	if !ok {
		return ""
	}
	return prefix + digest(n.of + "|" + prefix + "|" + strconv.FormatInt(n.count.Add(1), 10))[:32]
}

// Named returns a context in which [ID] derives ids from a text, as inside [Do].
func Named(ctx context.Context, of string) context.Context {
	return context.WithValue(ctx, names{}, &name{of: of})
}
