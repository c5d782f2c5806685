package terminal

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func none(string) string { return "" }

func TestColour(t *testing.T) {
	t.Parallel()
	w := &Writer{colour: true}
	require.Equal(t, "\x1b[31m\\u001b[0m\x1b[0m", w.Paint(Red, "\x1b[0m"))
	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer file.Close()
	require.False(t, coloured(file, none))
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // A character device, as terminals are.
	require.NoError(t, err)
	defer device.Close()
	require.True(t, coloured(device, none))
	require.False(t, coloured(device, func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }))
}
