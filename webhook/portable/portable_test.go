package portable_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/portable"
)

var receivers = []string{"Node.js", "Python", "PHP", "Ruby", "Go"}

// envelope is an event around data.
func envelope(data string) []byte {
	return []byte(`{"id":"evt_1","type":"a.b","created":"2025-11-04T12:34:56Z","data":` + data + `}`)
}

// brief is all of an issue but its words.
func brief(issues []portable.Issue) []string {
	out := []string{}
	for _, i := range issues {
		line := fmt.Sprintf("%s %s %s", i.Severity, i.Receiver, i.Path)
		if len(i.Encodings) > 0 {
			line += " " + strings.Join(i.Encodings, ",")
		}
		out = append(out, line)
	}
	return out
}

func TestTheGuidesEventsArePortable(t *testing.T) {
	t.Parallel()
	for entry := range event.DefaultCatalog().All() {
		require.Empty(t, portable.Check(entry.Example), entry.Type)
		encodings := portable.Encodings(entry.Example)
		require.Len(t, encodings, len(receivers), entry.Type)
		for _, r := range receivers {
			require.Equal(t, []string{"standard", "ascii", "html"}, encodings[r], entry.Type)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, data string
		want       []string
	}{
		{"nothing unusual", `{"a":[1,-2.5,"x\n\u0000/",true,null,[]],"b":{"c":0.0001}}`, nil},
		{"empty objects", `[{},{"a":{}}]`, []string{"Unverifiable PHP data[0]", "Unverifiable PHP data[1].a"}},
		{"a list in disguise", `{"a":{"1":"","0":""}}`, []string{"Unverifiable PHP data.a"}},
		{"not quite a list", `[{"0":1,"a":1},{"1":1},{"00":1}]`, nil},
		{"eleven names of a list", `{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0}`, []string{"Unverifiable Node.js data"}},
		{"integers out of order", `{"x":{"10":1,"9":1}}`, []string{"Unverifiable Node.js data.x"}},
		{"an integer behind punctuation", `{"!":1,"1":1}`, []string{"Unverifiable Node.js data"}},
		{"no array indices", `{"!":1,"01":1,"-1":1,"1.0":1,"1e1":1,"4294967295":1}`, nil},
		{"the last array index", `{"!":1,"4294967294":1}`, []string{"Unverifiable Node.js data"}},
		{"names beyond the surrogates", `{"😀":1,"～":1}`, []string{
			"Unverifiable Go data",
			"NeedsEncoding Python data[\"\\U0001f600\"] ascii", "NeedsEncoding Python data[\"\\uff5e\"] ascii",
			"NeedsEncoding PHP data[\"\\U0001f600\"] ascii", "NeedsEncoding PHP data[\"\\uff5e\"] ascii",
		}},
		{"integers that fit", `[9007199254740992,-9007199254740992,9007199254740994,9223372036854774000]`, nil},
		{"integers that are rounded", `{"a":[9007199254740993]}`, []string{"Refused every receiver data.a[0]"}},
		{"an integer of 65 bits", `9223372036854776000`, []string{"Unverifiable PHP data"}},
		{"an exact integer with another short form", `4611686018427387904`, []string{
			"Altered Python data", "Altered PHP data", "Altered Ruby data",
		}},
		{"minus zero", `[-0,-0.0]`, []string{"Altered every receiver data[0]", "Altered every receiver data[1]"}},
		{"small fractions", `[0.00001,-0.000099]`, []string{
			"Unverifiable Python data[0]", "Unverifiable Python data[1]",
			"Unverifiable PHP data[0]", "Unverifiable PHP data[1]",
			"Unverifiable Ruby data[0]", "Unverifiable Ruby data[1]",
		}},
		{"exponent of one digit, no fraction", `1e-7`, []string{"Unverifiable Python data", "Unverifiable PHP data", "Unverifiable Ruby data"}},
		{"exponent of one digit", `1.5e-7`, []string{"Unverifiable Python data", "Unverifiable Ruby data"}},
		{"no fraction", `[1e-10,1e21]`, []string{
			"Unverifiable PHP data[0]", "Unverifiable PHP data[1]", "Unverifiable Ruby data[0]", "Unverifiable Ruby data[1]",
		}},
		{"exponents that all write alike", `[1.5e-10,1.5e+300]`, nil},
		{"exponents that are not sent", `[1E5,1e+2,100e-2,200.0]`, nil},
		{"accents", `"café"`, []string{"NeedsEncoding Python data ascii", "NeedsEncoding PHP data ascii"}},
		{"an escaped accent", `{"caf\u00e9":1}`, []string{
			`NeedsEncoding Python data["caf\u00e9"] ascii`, `NeedsEncoding PHP data["caf\u00e9"] ascii`,
		}},
		{"markup", `"<"`, []string{"NeedsEncoding Go data html"}},
		{"separators", `"\u2028"`, []string{
			"NeedsEncoding Python data ascii,html", "NeedsEncoding PHP data ascii,html", "NeedsEncoding Go data ascii,html",
		}},
		{"DEL", `"\u007f"`, []string{"NeedsEncoding Python data ascii"}},
		{"DEL and accents", `["\u007f","é"]`, []string{
			"Unverifiable PHP ", "NeedsEncoding Python data[0] ascii", "NeedsEncoding Python data[1] ascii", "NeedsEncoding PHP data[1] ascii",
		}},
		{"over 100 KiB", `"` + strings.Repeat("a", 100<<10) + `"`, []string{"Unverifiable Node.js "}},
		{"over 100 KiB once escaped", `"` + strings.Repeat("<", 20_000) + `"`, []string{
			"NeedsEncoding Node.js  standard,ascii", "NeedsEncoding Go data html",
		}},
		{"over 256 KiB", `"` + strings.Repeat("a", 256<<10) + `"`, []string{"Refused every receiver ", "Unverifiable Node.js "}},
		{"depth 100", strings.Repeat("[", 99) + strings.Repeat("]", 99), nil},
		{"depth 101", strings.Repeat("[", 100) + strings.Repeat("]", 100), []string{"Refused every receiver data" + strings.Repeat("[0]", 66) + "…"}},
		{"a name twice", `{"a":1,"\u0061":2}`, []string{"Refused every receiver data.a"}},
		{"half a surrogate pair", `["\ud800"]`, []string{"Refused every receiver data[0]"}},
		{"invalid UTF-8", "\"\xff\"", []string{"Refused every receiver "}},
		{"no JSON", `{`, []string{"Refused every receiver "}},
		{"out of range", `1e999`, []string{"Refused every receiver data"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			issues := portable.Check(envelope(tt.data))
			require.ElementsMatch(t, tt.want, brief(issues))
			require.True(t, slices.IsSortedFunc(issues, func(a, b portable.Issue) int { return int(b.Severity - a.Severity) }))
			for _, i := range issues {
				require.NotEmpty(t, i.Reason)
				require.NotEmpty(t, i.Remedy)
			}
			// The verdict on the whole is that on its parts.
			for _, r := range receivers {
				encodings := portable.Encodings(envelope(tt.data))[r]
				for _, i := range issues {
					switch {
					case i.Severity == portable.Refused, i.Severity == portable.Unverifiable && i.Receiver == r:
						require.Empty(t, encodings, r)
					case i.Severity == portable.NeedsEncoding && i.Receiver == r:
						require.Subset(t, i.Encodings, encodings, r)
					}
				}
				if !slices.ContainsFunc(issues, func(i portable.Issue) bool { return i.Receiver == r || i.Severity == portable.Refused }) {
					require.Contains(t, encodings, "standard", r)
				}
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		data                           string
		node, python, php, ruby, golan string
	}{
		{`1`, "sah", "sah", "sah", "sah", "sah"},
		{`"é"`, "sh", "a", "a", "sh", "sh"},
		{`"<"`, "sa", "sa", "sa", "sa", "h"},
		{`"é<"`, "s", "a", "a", "s", "h"},
		{`"\u2028"`, "s", "ah", "ah", "s", "ah"},
		{`"\u007f"`, "sh", "a", "sh", "sh", "sh"},
		{`"\u007fé"`, "sh", "a", "", "sh", "sh"},
		{`[{},"é"]`, "sh", "a", "", "sh", "sh"},
		{`"` + strings.Repeat("é", 18_000) + `"`, "sh", "a", "a", "sh", "sh"},
		{`"` + strings.Repeat("<", 18_000) + `"`, "sa", "sa", "sa", "sa", "h"},
		{`9007199254740993`, "", "", "", "", ""},
	} {
		body := envelope(tt.data)
		var got []string
		for _, r := range receivers {
			letters := ""
			for _, e := range portable.Encodings(body)[r] {
				letters += e[:1]
			}
			got = append(got, letters)
		}
		require.Equal(t, []string{tt.node, tt.python, tt.php, tt.ruby, tt.golan}, got, "%.30s", tt.data)
	}
}

func TestIssue(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, i := range portable.Check(envelope(`{"meta":{},"city":"Zürich secret","n":-0}`)) {
		lines = append(lines, i.String())
	}
	require.Equal(t, []string{
		"data.meta is an empty object, which PHP reads as an empty array: PHP cannot verify it; leave it out, or send null",
		"data.n is minus zero, which is sent as 0: every receiver reads another value; send 0",
		`data.city has characters beyond ASCII: Python verifies it under payloadEncoding ascii only; set payloadEncoding to "ascii" for such a receiver`,
		`data.city has characters beyond ASCII: PHP verifies it under payloadEncoding ascii only; set payloadEncoding to "ascii" for such a receiver`,
	}, lines)
	refused := portable.Check([]byte("{"))
	require.Len(t, refused, 1)
	require.Contains(t, refused[0].String(), "the event ends too early: it cannot be published; ")
	require.Equal(t, "Severity(9)", portable.Severity(9).String())
}

// TestSize fills events up to the limit of Express, and one byte further.
func TestSize(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{
		`"a"`, `"é"`, `"日"`, `"😀"`, `"<"`, `"\u2028"`, `"\u007f"`, `"\u0085"`, `"\n"`, `"\u0001"`, `"\/\"\\"`, `true`, `false`, `null`,
		` 1.50 `, `1e-9`, `-0`, `[1,[2, 3],[]]`, `{"é":1,"b" : {"<":null,"":2}}`,
	} {
		for e, name := range map[jcs.Encoding]string{jcs.Standard: "standard", jcs.ASCII: "ascii", jcs.HTML: "html"} {
			sized := func(pad int) []byte {
				return envelope(`["` + strings.Repeat("a", pad) + `"` + strings.Repeat(","+unit, 10) + `]`)
			}
			canonical, err := jcs.Canonicalize(sized(0))
			require.NoError(t, err)
			pad := 102_400 - len(jcs.Encode(canonical, e))
			grown := func(body []byte) bool {
				return slices.ContainsFunc(portable.Check(body), func(i portable.Issue) bool {
					return strings.Contains(i.Reason, "102,400") && !slices.Contains(i.Encodings, name)
				})
			}
			require.False(t, grown(sized(pad)), "%s, %s", unit, e)
			require.True(t, grown(sized(pad+1)), "%s, %s", unit, e)
		}
	}
}

func TestLimitsAreThoseOfPublishing(t *testing.T) {
	t.Parallel()
	refused := func(body []byte) bool {
		return slices.ContainsFunc(portable.Check(body), func(i portable.Issue) bool { return i.Severity == portable.Refused })
	}
	text := func(size int) []byte { return []byte(`"` + strings.Repeat("a", size-2) + `"`) }
	require.False(t, refused(text(jcs.MaxSize)))
	require.True(t, refused(text(jcs.MaxSize+1)))
	levels := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	require.False(t, refused(levels(jcs.MaxDepth)))
	require.True(t, refused(levels(jcs.MaxDepth+1)))
}

func TestTheListIsBounded(t *testing.T) {
	t.Parallel()
	many := `{"a":{},"b":"é<\u2028\u007f","c":1e-7,"d":{"10":1,"9":1},"e":{"0":1},"f":-0,"g":4611686018427387904,"h":1e30}`
	issues := portable.Check(envelope("[" + strings.TrimSuffix(strings.Repeat(many+",", 1000), ",") + "]"))
	count := map[string]int{}
	for _, i := range issues {
		count[i.Receiver+i.Reason]++
		require.Less(t, len(i.Path), 300)
	}
	require.Greater(t, len(count), 15)
	for kind, n := range count {
		require.LessOrEqual(t, n, 10, kind)
	}
}

func FuzzCheck(f *testing.F) {
	for entry := range event.DefaultCatalog().All() {
		f.Add([]byte(entry.Example))
	}
	for _, data := range []string{
		`{"é<\u2028\u007f":{"10":{},"9":[1e-7,-0,1e21,0.00001]}}`, `{"0":9223372036854775808}`, `["\ud83d\ude00","\ud800"]`,
		`9007199254740993`, `{"a":1,"a":2}`, strings.Repeat("[", 100), `"\u0000\b\"\\\u001f/"`, "1e400", "\xff", `{"😀":1,"～":1}`,
	} {
		f.Add(envelope(data))
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		issues := portable.Check(body)
		refused := slices.ContainsFunc(issues, func(i portable.Issue) bool { return i.Severity == portable.Refused })
		canonical, err := jcs.Canonicalize(body)
		require.Equal(t, err != nil, refused, "refused is what cannot be published: %v", err)
		require.LessOrEqual(t, len(issues), 1000)
		if refused {
			return
		}
		if len(canonical) < 1<<10 {
			require.Equal(t, brief(issues), brief(portable.Check(body)), "deterministic")
		}
		// What is sent has the same verdict as what was published, but that it is
		// altered already.
		again := portable.Check(canonical)
		for _, e := range []jcs.Encoding{jcs.Standard, jcs.ASCII, jcs.HTML} {
			require.Equal(t, portable.Encodings(body), portable.Encodings(jcs.Encode(canonical, e)))
		}
		for _, i := range again {
			require.NotEqual(t, portable.Refused, i.Severity)
			require.NotEqual(t, portable.Altered, i.Severity)
		}
	})
}
