//go:build interop

package interop_test

import "strings"

// class is a kind of payload: the data of an event.
type class struct {
	name string
	data string

	// want says under which encodings the reserialising receivers verify it, in the
	// order node, python, php, ruby, go: s, a and h for standard, ascii and html, and
	// - for none. Or that it is refused by Publish.
	want string
}

const (
	everywhere = "sah sah sah sah sah"
	unicode    = "sh a a sh sh" // raw for three, \uxxxx for two
	refused    = "refused"
)

// classes are the payloads beside those of the nine default events, which verify
// everywhere.
func classes() []class {
	text := func(s string) string { return `{"text":"` + s + `"}` }
	number := func(s string) string { return `{"number":` + s + `}` }
	nested := func(levels int) string { // The event itself is one level.
		return strings.Repeat(`[`, levels-1) + strings.Repeat(`]`, levels-1)
	}
	return []class{
		// Texts.
		{"latin é", text("café"), unicode},
		{"CJK 日本", text("日本語"), unicode},
		{"emoji beyond U+FFFF", text("😀👩‍👩‍👧"), unicode},
		{"emoji, escaped by the publisher", text(`\ud83d\ude00`), unicode},
		{"non-ASCII name", `{"prénom":1}`, unicode},
		{"C1 controls U+0085 U+009F", text("\u0085\u009f"), unicode},
		{"U+FFFE U+FFFF", text("\ufffe\uffff"), unicode},
		{"`< > &`", text("<b>Q&A</b>"), "sa sa sa sa h"},
		{"name with &", `{"Q&A":1}`, "sa sa sa sa h"},
		{"& and é", text("Café & Bar"), "s a a s h"},
		{"U+2028 U+2029", text("\u2028\u2029"), "s ah ah s ah"},
		{"U+2028 and é", text("é\u2028"), "s a a s h"},
		{"slashes", text("https://example.com/a//b"), everywhere},
		{"slashes, escaped by the publisher", text(`a\/b`), everywhere},
		{"quote, backslash", text(`\"\\\\ \\u0041`), everywhere},
		{"controls `\\b \\f \\n \\r \\t`", text(`\b\f\n\r\t`), everywhere},
		{"controls U+0001 U+001F", text(`\u0001\u001F`), everywhere},
		{"NUL", text(`a\u0000b`), everywhere},
		{"DEL", text("\u007f"), "sh a sh sh sh"},
		{"DEL and é", text("\u007fé"), "sh a - sh sh"},
		{"empty text", text(""), everywhere},
		{"lone surrogate", text(`\ud800`), refused},
		{"text that looks like JSON", text(`{\"a\":1.0}`), everywhere},

		// Sizes.
		{"text of 100,000 B", text(strings.Repeat("a", 100_000)), everywhere},
		{"text over 100 KiB", text(strings.Repeat("a", 100<<10)), "- sah sah sah sah"},
		{"é, 60 kB", text(strings.Repeat("é", 30_000)), unicode},
		{"&, 20 kB", text(strings.Repeat("&", 20_000)), "sa sa sa sa h"},
		{"text of 250 KiB", text(strings.Repeat("a", 250<<10)), "- sah sah sah sah"},
		{"text over 256 KiB", text(strings.Repeat("a", 256<<10)), refused},

		// Numbers.
		{"42", number("42"), everywhere},
		{"0.1", number("0.1"), everywhere},
		{"199.90", number("199.90"), everywhere},
		{"200.0", number("200.0"), everywhere},
		{"0.30000000000000004", number("0.30000000000000004"), everywhere},
		{"123456789012345.67", number("123456789012345.67"), everywhere},
		{"1234567890123456.5", number("1234567890123456.5"), everywhere},
		{"0.0001", number("0.0001"), everywhere},
		{"0.00001", number("0.00001"), "sah - - - sah"},
		{"1e-5", number("1e-5"), "sah - - - sah"},
		{"1.5e-5", number("1.5e-5"), "sah - - - sah"},
		{"1e-7", number("1e-7"), "sah - - - sah"},
		{"1.5e-7", number("1.5e-7"), "sah - sah - sah"},
		{"1e-10", number("1e-10"), "sah sah - - sah"},
		{"1.5e-10", number("1.5e-10"), everywhere},
		{"5e-324", number("5e-324"), "sah sah - - sah"},
		{"1E5", number("1E5"), everywhere},
		{"1e+2", number("1e+2"), everywhere},
		{"1e20", number("1e20"), "sah sah - sah sah"},
		{"1e21", number("1e21"), "sah sah - - sah"},
		{"1.5e300", number("1.5e300"), everywhere},
		{"1.7976931348623157e308", number("1.7976931348623157e308"), everywhere},
		{"1e309", number("1e309"), refused},
		{"-0", number("-0"), everywhere}, // Sent as 0.
		{"-0.0", number("-0.0"), everywhere},
		{"2^53 - 1", number("9007199254740991"), everywhere},
		{"2^53", number("9007199254740992"), everywhere},
		{"2^53 + 1", number("9007199254740993"), refused},
		{"2^53 + 2", number("9007199254740994"), everywhere},
		{"2^62", number("4611686018427387904"), everywhere}, // Sent as 4611686018427388000.
		{"2^63 - 1", number("9223372036854775807"), refused},
		{"2^63", number("9223372036854775808"), "sah sah - sah sah"},
		{"10^22", number("10000000000000000000000"), "sah sah - - sah"},
		{"an integer of 40 digits", number("1234567890123456789012345678901234567890"), refused},

		// Shapes.
		{"null, true, false", `[null,true,false]`, everywhere},
		{"data that is a text", `"text"`, everywhere},
		{"data that is null", `null`, everywhere},
		{"space", " {\n\t\"b\" : [ 1 , 2 ] ,\r\n \"a\" : { \"c\" : 3 } } ", everywhere},
		{"nested, unsorted", `{"b":{"z":1,"y":{"x":[{"b":2,"a":1}]}},"a":1,"B":0}`, everywhere},
		{"empty array", `{"a":[]}`, everywhere},
		{"data `{}`", `{}`, "sah sah - sah sah"},
		{"nested `{}`", `{"a":{"b":{}}}`, "sah sah - sah sah"},
		{"`{}` in an array", `[{}]`, "sah sah - sah sah"},
		{"name that is empty", `{"":1}`, everywhere},
		{"name `__proto__`", `{"__proto__":1,"constructor":2}`, everywhere},
		{"name with NUL", `{"a\u0000b":1}`, everywhere},
		{`names "0", "1"`, `{"0":"a","1":"b"}`, "sah sah - sah sah"},
		{`names "0" to "10"`, `{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0}`, "- sah sah sah sah"},
		{`names "1", "2", "a"`, `{"a":0,"2":0,"1":0}`, everywhere},
		{`names "9", "10"`, `{"10":0,"9":0}`, "- sah sah sah sah"},
		{`names "!", "1"`, `{"!":0,"1":0}`, "- sah sah sah sah"},
		{`names "!", "01", "-1"`, `{"!":0,"01":0,"-1":0}`, everywhere},
		{`names "!", "4294967294"`, `{"!":0,"4294967294":0}`, "- sah sah sah sah"},
		{`names "!", "4294967295"`, `{"!":0,"4294967295":0}`, everywhere},
		{"names 😀 and U+FF5E", `{"😀":1,"～":2}`, "sh a a sh -"},
		{"a name twice", `{"a":1,"a":2}`, refused},
		{"100 levels", nested(100), everywhere},
		{"101 levels", nested(101), refused},
	}
}
