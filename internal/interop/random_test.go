//go:build interop

package interop_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomPayloads returns small payloads of values that some receiver treats in its own
// way.
func randomPayloads(t *testing.T) []string {
	t.Helper()
	// They are the same in every run, so that no change fails because of a payload
	// that it has nothing to do with. The environment can ask for others.
	seed, number := setting(t, "WEBHOOK_INTEROP_SEED", 1), setting(t, "WEBHOOK_INTEROP_RANDOM", 150)
	t.Logf("WEBHOOK_INTEROP_SEED=%d WEBHOOK_INTEROP_RANDOM=%d", seed, number)
	g := generator{rand.New(rand.NewPCG(uint64(seed), 0))}
	out := make([]string, number)
	for i := range out {
		out[i] = g.value(3)
	}
	return out
}

func setting(t *testing.T, name string, value int) int {
	t.Helper()
	if s := os.Getenv(name); s != "" {
		var err error
		value, err = strconv.Atoi(s)
		require.NoError(t, err, name)
	}
	return value
}

// generator writes JSON. Its values are small, so that often just one thing in them
// is unusual.
type generator struct{ *rand.Rand }

func (g generator) value(depth int) string {
	switch kind := g.IntN(10); {
	case kind < 3 && depth > 0:
		return g.object(depth - 1)
	case kind < 4 && depth > 0:
		items := make([]string, g.IntN(4))
		for i := range items {
			items[i] = g.value(depth - 1)
		}
		return "[" + strings.Join(items, ",") + "]"
	case kind < 7:
		return g.number()
	case kind < 9:
		return quoted(g.pick("", "a", "Q", " ", "/", "\\", "\"", "\n", "\x00", "\x1f") + g.pick(
			"", "", "b", "~", "\x7f", "\u0080", "é", "ß", "日", "\u2027", "\u2028", "\u2029", "\ufffd", "\uffff", "😀", "\U0010ffff", "<", ">", "&", "'",
		))
	}
	return g.pick("null", "true", "false")
}

func (g generator) object(depth int) string {
	var names, members []string
	for range g.IntN(4) {
		name := g.pick("a", "b", "Z", "_", "", "é", "～", "😀", "\ue000", "&", "!", "$",
			"0", "1", "2", "9", "10", "01", "-1", "1.5", "4294967294", "4294967295", "9007199254740993")
		if slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		members = append(members, quoted(name)+":"+g.value(depth))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (g generator) number() string {
	sign := g.pick("", "", "-")
	digits := strconv.FormatUint(g.Uint64(), 10)
	digits = digits[:1+g.IntN(min(17, len(digits)))]
	switch g.IntN(5) {
	case 0:
		return sign + strconv.Itoa(g.IntN(1000))
	case 1: // About as large as integers can be.
		return sign + strconv.FormatUint(g.Uint64()>>g.IntN(24)&^0xfff, 10)
	case 2:
		return sign + digits[:1] + "." + digits + fmt.Sprintf("e%d", g.IntN(60)-30)
	case 3:
		return sign + digits[:1] + fmt.Sprintf("e%d", g.IntN(60)-30)
	}
	return sign + "0." + strings.Repeat("0", g.IntN(9)) + digits
}

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func quoted(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(out)
}
