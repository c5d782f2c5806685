package portable

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// number judges a number as it stands in the text.
func (w *walker) number(text string) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return // Out of range, which strictjson refuses.
	}
	integer := !strings.ContainsAny(text, ".eE")
	if integer && !holds(f, text) {
		w.refuse(w.path(), "is an integer too long for a double", "send it as a string")
		return
	}
	sent := form(f)
	w.add(len(sent))
	mantissa, power, exponential := strings.Cut(sent, "e")
	switch {
	case f == 0 && text[0] == '-':
		w.alter(minusZero, every, w.path)
	case exponential:
		w.exponential(mantissa, power)
	case strings.Contains(sent, "."):
		if -1e-4 < f && f < 1e-4 {
			w.find(smallNumber, w.path)
		}
	default:
		if _, err := strconv.ParseInt(sent, 10, 64); err != nil {
			w.find(beyondInt64, w.path)
		}
		if integer && sent != text {
			for _, reader := range []int{python, php, ruby} {
				w.alter(longInteger, receivers[reader], w.path)
			}
		}
	}
}

// exponential judges a number that is sent with an exponent. Python and Ruby write at
// least two digits of it; PHP and Ruby write a fraction before it, if only ".0".
func (w *walker) exponential(mantissa, power string) {
	twoDigits := len(power) > len("-7")
	fraction := strings.Contains(mantissa, ".")
	verified := fine
	for i, same := range map[int]bool{python: twoDigits, php: fraction, ruby: twoDigits && fraction} {
		if !same {
			verified[i] = none
		}
	}
	if verified != fine {
		w.findAs(exponent, verified, w.path)
	}
}

// form returns f in the form of RFC 8785, which is that of ECMAScript.
func form(f float64) string {
	text, err := json.Marshal(f + 0) // -0 + 0 is 0.
	if err != nil {
		return "" // Not a number, which no text is.
	}
	return string(text)
}

// holds reports whether f is what the digits of an integer say, or they are the
// shortest that say f.
func holds(f float64, digits string) bool {
	if strconv.FormatFloat(f, 'f', -1, 64) == digits {
		return true
	}
	exact, ok := new(big.Int).SetString(digits, 10)
	rounded, _ := big.NewFloat(f).Int(nil)
	return ok && exact.Cmp(rounded) == 0
}
