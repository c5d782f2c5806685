package redisstore_test

import (
	"context"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/redisstore"
)

// TestUnpack reads what a script packs.
func TestUnpack(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	packed, err := client.Eval(t.Context(), `
		local list = {0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 1772193600000,
			-1, -32, -33, -128, -129, -32768, -32769, -2147483649,
			'', 'short', string.rep('x', 40), string.rep('y', 300), string.rep('z', 70000), {}, {1, {'a'}}}
		for i = 1, 20 do list[#list + 1] = i end
		return cmsgpack.pack(list)`, nil).Text()
	require.NoError(t, err)
	got, err := redisstore.Unpack(packed)
	require.NoError(t, err)
	numbers := []int64{
		0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 1772193600000,
		-1, -32, -33, -128, -129, -32768, -32769, -2147483649,
	}
	for i, n := range numbers {
		require.Equal(t, n, got[i])
	}
	got = got[len(numbers):]
	for i, size := range []int{0, 5, 40, 300, 70000} {
		require.Len(t, got[i], size)
	}
	require.Equal(t, []any{}, got[5])
	require.Equal(t, []any{int64(1), []any{"a"}}, got[6])
	require.Len(t, got, 27)
	for end := range min(len(packed), 400) {
		_, err := redisstore.Unpack(packed[:end])
		require.Error(t, err)
	}
}

// TestEscape compares with the script's rule.
func TestEscape(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, id := range []string{"", "whk_a-Z.09", "a:b|c{d}", string(all)} {
		want, err := client.Eval(context.Background(), `
			return (string.gsub(ARGV[1], '[^%w_.-]', function(c) return string.format('%%%02X', string.byte(c)) end))`, nil, id).Text()
		require.NoError(t, err)
		require.Equal(t, want, redisstore.Escape(id))
	}
}

// FuzzUnpack reads anything without harm.
func FuzzUnpack(f *testing.F) {
	for _, seed := range []string{"\x90", "\x93\x01\xa1x\x90", "\xdd\xff\xff\xff\xff", "\xdc\x00\x01\xcf\x00\x00\x01\x9b\x00\x00\x00\x00", "\x91\x91\x91\x91\x91\x91\x90"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, packed string) {
		list, err := redisstore.Unpack(packed)
		if err != nil && list != nil {
			t.Errorf("%q gives both a list and %v", packed, err)
		}
	})
}

// A string that a cache keeps must not keep the whole reply, of which it is a part.
func TestCopiedTextIsApart(t *testing.T) {
	t.Parallel()
	packed := "\xa5hello" + strings.Repeat("x", 100)
	got := redisstore.CopiedText(packed)
	require.Equal(t, "hello", got)
	require.NotSame(t, unsafe.StringData(packed[1:]), unsafe.StringData(got))
}
