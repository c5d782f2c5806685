package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/bench/internal/report"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-only", "micro,soak", "-rounds", "3"})
	require.NoError(t, err)
	require.Equal(t, []string{"micro", "soak"}, o.sections)
	require.Equal(t, " BENCH='-only soak -rounds 3 -soak 10m0s'", o.said("soak"))
	o, err = parse(nil)
	require.NoError(t, err)
	require.Equal(t, report.Order(), o.sections)
	o, err = parse([]string{"-render"})
	require.NoError(t, err)
	require.Empty(t, o.sections)
	_, err = parse([]string{"-only", "macro"})
	require.ErrorContains(t, err, "macro")
}

func TestVariation(t *testing.T) {
	t.Parallel()
	require.Zero(t, variation([]float64{5, 5, 5}))
	require.InDelta(t, 1, variation([]float64{0, 10}), 1e-9)
}

func TestSlope(t *testing.T) {
	t.Parallel()
	var rising []sample
	for i := range 10 {
		rising = append(rising, sample{float64(i) / 2, map[string]float64{"x": 3 + float64(i)}})
	}
	require.InDelta(t, 2, slope(rising, "x"), 1e-9)
	require.Zero(t, slope(rising[:1], "x"))
}

// TestEveryWayToSignAgrees requires that the ways that are compared make the same
// signatures.
func TestEveryWayToSignAgrees(t *testing.T) {
	t.Parallel()
	all, err := contenders([]byte(`{"a":1}`))
	require.NoError(t, err)
	for _, c := range all {
		require.NoError(t, c.run(), "%s, %s", c.op, c.name)
	}
}
