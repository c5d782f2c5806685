package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// ChartFile is the name of a section's picture.
func ChartFile(section string) string { return "benchmarks-" + section + ".svg" }

// Charts are the pictures, by section.
func (r *Results) Charts() map[string]string {
	out := map[string]string{}
	if t, ok := r.Table("throughput", "drain"); ok {
		out["throughput"] = bars("Deliveries per second, from a full queue", t, "deliveries/s")
	}
	if svg := r.growth(); svg != "" {
		out["growth"] = svg
	}
	return out
}

const (
	width   = 760
	left    = 330
	barStep = 24
	colours = "#2a6fb0 #c2571a #3d8b3d #8a4fa3 #777777"
)

func open(b *strings.Builder, name string, height int) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(b, `<text x="10" y="20" font-size="14" font-weight="bold">%s</text>`+"\n", html.EscapeString(name))
}

// bars draws a column of a table: the median as a bar, the spread as a line.
func bars(name string, t Table, column string) string {
	most, n := 0.0, 0
	for _, row := range t.Rows {
		if f, ok := row.Figures[column]; ok {
			most = max(most, f.Max)
			n++
		}
	}
	if n == 0 {
		return ""
	}
	scale := (width - left - 70) / most
	var b strings.Builder
	open(&b, name, 40+n*barStep)
	y := 34
	for _, row := range t.Rows {
		f, ok := row.Figures[column]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" font-size="11">%s</text>`+"\n", left-8, y+13, html.EscapeString(row.Name))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.0f" height="16" fill="%s"/>`+"\n", left, y, f.Median*scale, colourOf(row.Name))
		fmt.Fprintf(&b, `<line x1="%.0f" y1="%d" x2="%.0f" y2="%d" stroke="#000000"/>`+"\n", left+f.Min*scale, y+8, left+f.Max*scale, y+8)
		fmt.Fprintf(&b, `<text x="%.0f" y="%d">%s</text>`+"\n", left+f.Max*scale+6, y+13, number(f.Median))
		y += barStep
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// colourOf is one colour for each way.
func colourOf(row string) string {
	all := strings.Fields(colours)
	for i, name := range []string{RowMemory, RowRedis, RowAsynq, RowRiver} {
		if strings.HasPrefix(row, name) {
			return all[i]
		}
	}
	return all[4]
}

// point is one of a line, both ways in powers of ten.
type point struct{ x, y float64 }

// growth draws what a claim costs over what is pending.
func (r *Results) growth() string {
	lines := map[string][]point{}
	var names []string
	for _, store := range []string{"memory", "redis"} {
		t, ok := r.Table("growth", store)
		if !ok {
			continue
		}
		for _, row := range t.Rows {
			count, over, _ := strings.Cut(strings.ReplaceAll(row.Name, ",", ""), " over ")
			var pending float64
			if _, err := fmt.Sscan(count, &pending); err != nil {
				continue
			}
			for _, op := range []string{"claim", "finish"} {
				f, ok := row.Figures[op+" µs each"]
				if !ok || over != "1000" {
					continue
				}
				name := store + ": " + op
				if lines[name] == nil {
					names = append(names, name)
				}
				lines[name] = append(lines[name], point{math.Log10(pending), math.Log10(f.Median)})
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return curves("Microseconds for each delivery in a batch of 100, over pending deliveries of 1,000 webhooks", names, lines)
}

// curves draws lines over axes of powers of ten.
func curves(name string, names []string, lines map[string][]point) string {
	const (
		height, bottom, top, from, to = 340, 300, 40, 70, 560
	)
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, line := range lines {
		for _, p := range line {
			low.x, low.y = min(low.x, math.Floor(p.x)), min(low.y, math.Floor(p.y))
			high.x, high.y = max(high.x, math.Ceil(p.x)), max(high.y, math.Ceil(p.y))
		}
	}
	x := func(v float64) float64 { return from + (v-low.x)/max(high.x-low.x, 1)*(to-from) }
	y := func(v float64) float64 { return bottom - (v-low.y)/max(high.y-low.y, 1)*(bottom-top) }
	var b strings.Builder
	open(&b, name, height)
	for v := low.y; v <= high.y; v++ {
		fmt.Fprintf(&b, `<line x1="%d" y1="%.0f" x2="%d" y2="%.0f" stroke="#dddddd"/>`+"\n", from, y(v), to, y(v))
		fmt.Fprintf(&b, `<text x="%d" y="%.0f" text-anchor="end">%s</text>`+"\n", from-8, y(v)+4, number(math.Pow(10, v)))
	}
	for v := low.x; v <= high.x; v++ {
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", x(v), bottom+20, number(math.Pow(10, v)))
	}
	for i, n := range names {
		colour := strings.Fields(colours)[i%5]
		var path strings.Builder
		for _, p := range lines[n] {
			fmt.Fprintf(&path, "%.0f,%.0f ", x(p.x), y(p.y))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.TrimSpace(path.String()), colour)
		last := lines[n][len(lines[n])-1]
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" fill="%s">%s</text>`+"\n", x(last.x)+8, y(last.y)+4, colour, html.EscapeString(n))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
