package portal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// The background colours on which an accent must be legible: see portal.css.
const (
	lightGround = "#ffffff"
	darkGround  = "#17181d"
)

// accents returns the first lines of the stylesheet, which set the colours.
func accents(light, dark string) (string, error) {
	onLight, err1 := accent("Accent", light, lightGround)
	onDark, err2 := accent("AccentDark", dark, darkGround)
	return fmt.Sprintf(":root{%s}\n@media (prefers-color-scheme:dark){:root{%s}}\n", onLight, onDark), errors.Join(err1, err2)
}

// accent returns the CSS properties for an accent and for the text on it.
func accent(name, colour, ground string) (string, error) {
	l, ok := luminance(colour)
	if !ok {
		return "", fmt.Errorf("%s is not a colour as #rrggbb", name)
	}
	g, _ := luminance(ground)
	if c := contrast(l, g); c < 4.5 {
		return "", fmt.Errorf("%s has a contrast of %.1f to its ground; text needs 4.5", name, c)
	}
	upon := "#ffffff"
	if contrast(l, 0) > contrast(l, 1) {
		upon = "#111216"
	}
	return "--accent:" + strings.ToLower(colour) + ";--on-accent:" + upon, nil
}

// luminance is the relative luminance of WCAG 2.2: 0 is black, 1 is white.
func luminance(colour string) (float64, bool) {
	rgb, err := hex.DecodeString(strings.TrimPrefix(colour, "#"))
	if err != nil || len(rgb) != 3 || colour[0] != '#' {
		return 0, false
	}
	linear := func(b byte) float64 {
		v := float64(b) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(rgb[0]) + 0.7152*linear(rgb[1]) + 0.0722*linear(rgb[2]), true
}

// contrast is the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }
