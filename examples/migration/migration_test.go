package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMigration plays the move. The program itself compares each finding with what the
// receiver is: see expect.
func TestMigration(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Contains(t, out.String(), "500 tested, 0 of them before; 150 take both forms, 350 would fail; 60 do not verify")
	require.Contains(t, out.String(), "500 tested, 150 of them before; 200 take both forms, 300 would fail; 60 do not verify")
	require.Contains(t, out.String(), "500 tested, 0 of them before; 420 take both forms, 80 would fail; 80 do not verify")
	require.Contains(t, out.String(), "Imported: 416")
	require.Contains(t, out.String(), "1800 events were published meanwhile, and each has arrived once at all endpoints of its shop.")
}

// TestExpectIsStrict says that a finding too many and one too few are errors.
func TestExpectIsStrict(t *testing.T) {
	t.Parallel()
	m, end, err := newMove(&bytes.Buffer{})
	require.NoError(t, err)
	defer end()
	require.ErrorContains(t, m.expect([]string{"500"}, "hex"), "wrong about")
	require.ErrorContains(t, m.expect([]string{"500"}), "wrong about")
}
