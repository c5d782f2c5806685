package main

import (
	"bytes"
	"fmt"

	"github.com/rag-assistant/webhooks/internal/layout"
)

const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img" aria-label="%[3]s">
  <!-- Made by "make architecture". -->
  <style>
    svg { --page:#ffffff; --panel:#f6f8fa; --edge:#d0d7de; --text:#1f2328; --dim:#59636e; --line:#8c959f; --go:#0969da; --bad:#bc4c00 }
    @media (prefers-color-scheme: dark) { svg { --page:#0d1117; --panel:#151b23; --edge:#3d444d; --text:#f0f6fc; --dim:#a5aeb8; --line:#6e7681; --go:#58a6ff; --bad:#f0883e } }
    text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--dim) }
    .name { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--text) } .mid { text-anchor: middle }
    .page { fill: var(--page) } .panel { fill: var(--panel) } .box { fill: var(--page); stroke: var(--edge) } .line { fill: none; stroke: var(--line) }
    .self { fill: var(--edge) } .down { fill: var(--go) } .back { fill: var(--bad) }
  </style>
  <rect class="page" width="%[1]d" height="%[2]d"/>
`

// drawRooms draws an arrow for each import, but for those that follow from others.
func drawRooms(g *graph) []byte {
	const left, right, letter, pad, gap, step, high = 176, 24, 8, 24, 12, 104, 34
	wide := func(rooms []string) int {
		sum := 0
		for _, name := range rooms {
			sum += letter*len(name) + pad + gap
		}
		return sum
	}
	width, y := 0, 0
	for _, layer := range layout.Layers() {
		width = max(width, left+wide(layer.Rooms)+right)
	}
	var panels, arrows, boxes bytes.Buffer
	type end struct{ x, y int }
	var ends []end // The middle of each room's upper edge.
	for _, layer := range layout.Layers() {
		fmt.Fprintf(&panels, "<rect class=\"panel\" x=\"12\" y=\"%d\" width=\"%d\" height=\"58\" rx=\"8\"/><text x=\"26\" y=\"%d\">%s</text>\n",
			y+12, width-24, y+46, layer.Name)
		x := left + (width-right-left-wide(layer.Rooms))/2
		for i, name := range layer.Rooms {
			w := wide(layer.Rooms[i:i+1]) - gap
			ends = append(ends, end{x + w/2, y + 24})
			fmt.Fprintf(&boxes, "<rect class=\"box\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\"/><text class=\"name mid\" x=\"%d\" y=\"%d\">%s</text>\n",
				x, y+24, w, high, x+w/2, y+46, name)
			x += w + gap
		}
		y += step
	}
	for from, a := range ends {
		for to, b := range ends {
			if g.uses[from][to] && !g.follows(from, to) {
				fmt.Fprintf(&arrows, "<path class=\"line\" d=\"M%[1]d %[2]dC%[1]d %[3]d %[4]d %[5]d %[4]d %[6]dm-3 -8 3 8 3 -8\"/>\n", a.x, a.y+high, a.y+high+45, b.x, b.y-45, b.y)
			}
		}
	}
	return fmt.Appendf(nil, head+"%[4]s%[5]s%[6]s</svg>\n", width, y-22, "The packages by floor: imports run down", &panels, &arrows, &boxes)
}

// drawFiles draws a row for each file with marks in the columns of those it uses.
func drawFiles(g *graph, order []int) []byte {
	const left, top, cell = 220, 84, 18
	var body bytes.Buffer
	size, arrows, heights := len(order)*cell, 0, g.heights(order)
	for row, i := range order {
		y := top + row*cell
		fmt.Fprintf(&body, "<text class=\"name\" x=\"52\" y=\"%d\">%s</text><text x=\"20\" y=\"%[1]d\">%[3]d</text><text class=\"mid\" x=\"%d\" y=\"%d\">%[3]d</text>\n",
			y+13, g.names[i], row+1, left+row*cell+cell/2, top-8)
		if row > 0 && heights[i] != heights[order[row-1]] {
			fmt.Fprintf(&body, "<rect class=\"self\" x=\"12\" y=\"%d\" width=\"%d\" height=\"1\"/>\n", y, left+size-12)
		}
		for column, j := range order {
			class := "self"
			switch {
			case column == row:
			case !g.uses[i][j]:
				continue
			case column < row:
				class = "back"
				arrows++
			default:
				class = "down"
				arrows++
			}
			fmt.Fprintf(&body, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%[4]d\" rx=\"3\"/>\n", class, left+column*cell+2, y+2, cell-4)
		}
	}
	title := fmt.Sprintf("Package webhook by file: %d arrows, of which %d run back up, left of the diagonal", arrows, g.back(order))
	return fmt.Appendf(nil, head+"<text x=\"20\" y=\"34\">%[3]s</text>\n%[4]s</svg>\n", left+size+20, top+size+20, title, &body)
}
