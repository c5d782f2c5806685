package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	grafana "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/stretchr/testify/require"
)

// TestDashboardIsOfGrafanasSchema reads the dashboard into Grafana's own types, those
// of panel options and queries included. They refuse unknown fields.
func TestDashboardIsOfGrafanasSchema(t *testing.T) {
	t.Parallel()
	plugins := cog.NewRuntime()
	plugins.RegisterPanelcfgVariant(stat.VariantConfig())
	plugins.RegisterPanelcfgVariant(timeseries.VariantConfig())
	plugins.RegisterDataqueryVariant(prometheus.VariantConfig())
	file, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	text := string(file)
	require.NoError(t, ofSchema(text))

	for name, c := range map[string]struct{ old, broken, says string }{
		"no field of a dashboard": {`"editable": true`, `"editabel": true`, `editabel`},
		"of another type":         {`"schemaVersion": 39`, `"schemaVersion": "39"`, `schemaVersion`},
		"no field of a panel":     {`"description": "Of those that ended."`, `"subtitle": "Of those that ended."`, `panels[0]`},
		"no option of a panel":    {`"colorMode": "value"`, `"colourMode": "value"`, `colourMode`},
		"no field of a query":     {`"legendFormat": "succeeded"`, `"legend": "succeeded"`, `targets[0]`},
		"no field of a field":     {`"unit": "percentunit"`, `"units": "percentunit"`, `units`},
		"no place on the grid":    {`"w": 6`, `"w": 60`, `gridPos`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, text, c.old)
			require.ErrorContains(t, ofSchema(strings.Replace(text, c.old, c.broken, 1)), c.says)
		})
	}
}

// ofSchema reads a dashboard strictly, which finds unknown fields, and then as Grafana
// does, which checks the values that the strict reading skips.
func ofSchema(text string) error {
	var strict, loose grafana.Dashboard                                                   //nolint:staticcheck // every Grafana can import this version
	if err := strict.UnmarshalJSONStrict([]byte(text)); err != nil && err.Error() != "" { // Without a fault, it is an empty list.
		return err
	}
	var raw struct {
		Panels []struct{ FieldConfig json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return err
	}
	for _, p := range raw.Panels {
		var c grafana.FieldConfigSource // A panel reads its own loosely.
		if err := c.UnmarshalJSONStrict(p.FieldConfig); err != nil && err.Error() != "" {
			return err
		}
	}
	if err := json.Unmarshal([]byte(text), &loose); err != nil {
		return err
	}
	return loose.Validate()
}
