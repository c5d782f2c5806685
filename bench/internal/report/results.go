// Package report keeps what was measured, and shows it.
package report

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
)

// Results are the sections that were measured, each at its time.
type Results struct {
	Sections map[string]Section `json:"sections"`
}

// Section is a part that is measured in one go.
type Section struct {
	Measured string  `json:"measured"` // the day
	Command  string  `json:"command"`
	Machine  Machine `json:"machine"`
	Tables   []Table `json:"tables"`
}

// Table holds figures by row and column.
type Table struct {
	Key     string   `json:"key"`
	Title   string   `json:"title"`
	Note    string   `json:"note,omitempty"` // how it was measured
	Head    string   `json:"head"`           // over the names of the rows
	Columns []string `json:"columns"`
	Rows    []Row    `json:"rows"`
}

// Row is a case.
type Row struct {
	Name    string            `json:"name"`
	Figures map[string]Figure `json:"figures,omitempty"`
	Note    string            `json:"note,omitempty"` // why it has none
}

// Figure is the median over rounds, with what it is the median of.
type Figure struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Rounds []float64 `json:"rounds"`
}

// NewFigure makes a figure of the values of rounds.
func NewFigure(rounds []float64) Figure {
	sorted := slices.Sorted(slices.Values(rounds))
	n := len(sorted)
	if n == 0 {
		return Figure{}
	}
	return Figure{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], Rounds: rounds}
}

// Add adds the value of one more round. Rows and columns are in the order in
// which they first came.
func (t *Table) Add(row, column string, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return // A ratio to zero is no figure.
	}
	if !slices.Contains(t.Columns, column) {
		t.Columns = append(t.Columns, column)
	}
	r := t.row(row)
	r.Figures[column] = NewFigure(append(r.Figures[column].Rounds, value))
}

// NotRun adds a row without figures.
func (t *Table) NotRun(row, why string) { t.row(row).Note = "not run: " + why }

func (t *Table) row(name string) *Row {
	i := slices.IndexFunc(t.Rows, func(r Row) bool { return r.Name == name })
	if i < 0 {
		i = len(t.Rows)
		t.Rows = append(t.Rows, Row{Name: name, Figures: map[string]Figure{}})
	}
	return &t.Rows[i]
}

// Figure finds a figure.
func (r *Results) Figure(section, table, row, column string) (Figure, bool) {
	for _, t := range r.Sections[section].Tables {
		for _, w := range t.Rows {
			if f, ok := w.Figures[column]; ok && t.Key == table && w.Name == row {
				return f, true
			}
		}
	}
	return Figure{}, false
}

// Table finds a table.
func (r *Results) Table(section, key string) (Table, bool) {
	tables := r.Sections[section].Tables
	i := slices.IndexFunc(tables, func(t Table) bool { return t.Key == key })
	if i < 0 {
		return Table{}, false
	}
	return tables[i], true
}

// Load reads a file of results. One that is not there holds none.
func Load(path string) (*Results, error) {
	r := &Results{Sections: map[string]Section{}}
	raw, err := os.ReadFile(path) //nolint:gosec // the caller's own
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	} else if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(raw, r)
}

// Save writes a file of results.
func (r *Results) Save(path string) error {
	for _, s := range r.Sections {
		for _, t := range s.Tables {
			for _, row := range t.Rows {
				for name, f := range row.Figures {
					for i := range f.Rounds {
						f.Rounds[i] = significant(f.Rounds[i])
					}
					row.Figures[name] = NewFigure(f.Rounds)
				}
			}
		}
	}
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644) //nolint:gosec // for all to read
}

// significant keeps four digits: more are noise.
func significant(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 4-math.Ceil(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
