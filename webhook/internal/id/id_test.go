package id_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"evt_", "evt_test_", "whk_", "whdel_", "req_", ""} {
		s := id.New(prefix)
		require.True(t, strings.HasPrefix(s, prefix), s)
		require.True(t, id.Valid(s), s)
		digits := s[len(prefix):]
		require.Len(t, digits, 32)
		require.Equal(t, strings.ToLower(digits), digits)
		u, err := uuid.Parse(digits)
		require.NoError(t, err)
		require.Equal(t, uuid.Version(7), u.Version())
		require.Equal(t, uuid.RFC4122, u.Variant())
	}
}

func TestIDsAreUniqueAndSort(t *testing.T) {
	t.Parallel()
	const each = 2_000
	var ids [4][]string
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			for range each {
				ids[i] = append(ids[i], id.New("evt_"))
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, made := range ids {
		require.True(t, slices.IsSorted(made), "in the order in which they were made")
		for _, s := range made {
			require.False(t, seen[s], "twice: %s", s)
			seen[s] = true
		}
	}
	require.Len(t, seen, len(ids)*each)
}

// The cases are every character alone, and what surrounds the limits.
func TestValid(t *testing.T) {
	t.Parallel()
	cases := []string{
		"", "evt_1", "a b", "a\n", "\na", "é", "a\x00", "..", ".", "...", ".a", "user@example.com", "a/b", "a%2fb", "*", "{x}",
		strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a", 128), strings.Repeat("a", 129),
	}
	for c := range 256 {
		cases = append(cases, string([]byte{byte(c)}), "a"+string([]byte{byte(c)}))
	}
	ids := regexp.MustCompile(`\A[A-Za-z0-9_-]{1,64}\z`)
	merchants := regexp.MustCompile(`\A[A-Za-z0-9_.@-]{1,128}\z`)
	for _, s := range cases {
		require.Equal(t, ids.MatchString(s), id.Valid(s), "%q", s)
		require.Equal(t, merchants.MatchString(s) && s != "." && s != "..", id.ValidMerchant(s), "%q", s)
	}
}

func Example() {
	s := id.New("whk_")
	fmt.Println(len(s), id.Valid(s))
	// Output: 36 true
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		id.New("whdel_")
	}
}
