package report

import (
	"math"
	"strconv"
	"strings"
)

// number writes three digits, or all of those before the point.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	s := strconv.FormatFloat(v, 'f', min(max(digits, 0), 4), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	whole, rest, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return sign + whole + rest
}

// text is the median, with the spread if there is one.
func (f Figure) text() string {
	if len(f.Rounds) < 2 || f.Min == f.Max {
		return number(f.Median)
	}
	return number(f.Median) + " (" + number(f.Min) + ".." + number(f.Max) + ")"
}
