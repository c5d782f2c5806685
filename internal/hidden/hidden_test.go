package hidden_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/hidden"
)

func TestNothingPrintsIt(t *testing.T) {
	t.Parallel()
	const plain = "correct horse"
	v := hidden.Of("key_***", plain)
	type owner struct{ v hidden.Value[string] }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.Equal(t, "key_***", fmt.Sprintf(verb, v))
		require.NotContains(t, fmt.Sprintf(verb, owner{v}), plain)
		require.NotContains(t, fmt.Sprintf(verb, []any{&owner{v}}), fmt.Sprintf("%x", plain))
	}
	text, err := json.Marshal(map[string]any{"v": v})
	require.NoError(t, err)
	require.JSONEq(t, `{"v":"key_***"}`, string(text))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("line", slog.Any("v", v), slog.Any("owner", owner{v}))
	require.NotContains(t, log.String(), plain)

	require.Equal(t, plain, v.Reveal())
	require.False(t, v.IsZero())
}

func TestZeroHoldsNothing(t *testing.T) {
	t.Parallel()
	var v hidden.Value[[]byte]
	require.True(t, v.IsZero())
	require.Nil(t, v.Reveal())
	require.Equal(t, "***", v.String())
}
