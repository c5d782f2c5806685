package words

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Text is a text as it stands in the code, in English: a key of [Options.Texts]. Every constant
// of this type is one of [Texts].
type Text string

// Message is a text that is said later, in the words of who says it.
type Message struct {
	Text Text
	Args []any // for its verbs, as fmt has them
}

// String says m in English, about merchants.
func (m Message) String() string { return (*Words)(nil).Say(m.Text, m.Args...) }

// Options configures [Words].
type Options struct {
	// Tenant and Tenants are what those are called who register webhooks, one and many:
	// shop and shops. What has a meaning in texts already is refused: see Segment. Default to
	// merchant, and to Tenant with an s.
	Tenant, Tenants string

	// Segment stands before a tenant's id in the paths of API and portal, and behind
	// /operator. Letters, digits and - are allowed, but not a segment that is there already:
	// operator, webhooks, events, backlog, failing, search and jobs. Defaults to Tenants.
	Segment string

	// Texts replaces texts. A key is the text as it stands in the code, which [Texts] lists;
	// the value has the same verbs in any order ("%[2]s of %[1]d"), says %% for a percent
	// sign, and may say {tenant}, {tenants}, {a tenant} and the same with a capital. Defaults
	// to none: English.
	Texts map[string]string

	// Plural returns the form for a number, for languages that have more than two: for
	// "few", the key "%d webhooks|few" is looked for before "%d webhooks". Defaults to none.
	Plural func(n int64) string
}

// Words says texts. It does not change and is safe for concurrent use. A nil *Words says
// what stands in the code, about merchants.
type Words struct {
	texts   map[string]string
	nouns   *strings.Replacer
	segment string
	plural  func(n int64) string
}

// merchants are the nouns of the nil Words.
var merchants = nouns("merchant", "merchants") //nolint:gochecknoglobals // constant

// New returns Words. Its error lists every key that is no text, every text whose verbs are
// not those of its key or that has another %, and nouns that cannot be used.
func New(o *Options) (*Words, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Tenant == "" && opts.Tenants == "" {
		opts.Tenant = "merchant"
	}
	if opts.Tenants == "" {
		opts.Tenants = opts.Tenant + "s"
	}
	if opts.Segment == "" {
		opts.Segment = opts.Tenants
	}
	var bad []error
	for _, noun := range []string{opts.Tenant, opts.Tenants} {
		if !validNoun(noun) {
			bad = append(bad, fmt.Errorf("noun %q is not 1 to 40 characters in one line, without {, } and %%", noun))
		} else if slices.Contains(taken, strings.ToLower(noun)) {
			bad = append(bad, fmt.Errorf("noun %q means something else already", noun))
		}
	}
	if !segment.MatchString(opts.Segment) {
		bad = append(bad, fmt.Errorf("path segment %q is not 1 to 40 of the letters a to z, digits and -", opts.Segment))
	} else if slices.Contains(taken, opts.Segment) && opts.Segment != opts.Tenants {
		bad = append(bad, fmt.Errorf("path segment %q means something else already", opts.Segment))
	}
	bad = append(bad, checkTexts(opts.Texts)...)
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	return &Words{maps.Clone(opts.Texts), nouns(opts.Tenant, opts.Tenants), opts.Segment, opts.Plural}, nil
}

func checkTexts(texts map[string]string) (bad []error) {
	all := Texts()
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		_, known := slices.BinarySearch(all, key)
		if form := strings.LastIndexByte(key, '|'); form > 0 && !known {
			_, known = slices.BinarySearch(all, key[:form])
		}
		if !known {
			bad = append(bad, fmt.Errorf("there is no text %q", key))
		} else if strings.Contains(verb.ReplaceAllString(texts[key], ""), "%") {
			bad = append(bad, fmt.Errorf("the text for %q has a %% that is no verb: write %%%% for a percent sign, and a verb without spaces", key))
		} else if verbs(key) != verbs(texts[key]) {
			bad = append(bad, fmt.Errorf("the text for %q has other verbs", key))
		}
	}
	return bad
}

// Say says a text with args in the places of its verbs. The text has to be a constant, and
// one of [Texts].
func (w *Words) Say(constant Text, args ...any) string {
	nouns, text := merchants, string(constant)
	if w != nil {
		nouns = w.nouns
		if own, ok := w.texts[text]; ok {
			text = own
		}
	}
	text = nouns.Replace(text)
	if len(args) == 0 {
		return strings.ReplaceAll(text, "%%", "%")
	}
	said := make([]any, len(args))
	for i, arg := range args {
		said[i] = arg
		if m, ok := arg.(Message); ok {
			said[i] = w.Message(m)
		}
	}
	return fmt.Sprintf(text, said...)
}

// Message says m.
func (w *Words) Message(m Message) string { return w.Say(m.Text, m.Args...) }

// Count says one, which has no verb, for 1, and many, which has %d, for every other number.
func (w *Words) Count(n int64, one, many Text) string {
	if w != nil && w.plural != nil {
		if form := string(many) + "|" + w.plural(n); w.texts[form] != "" {
			return w.Say(Text(form), n)
		}
	}
	if n == 1 {
		return w.Say(one)
	}
	return w.Say(many, n)
}

// Time writes a time in a layout as package time reads it, which can be replaced like any
// text. Names of months are texts, too; those of days are not there.
func (w *Words) Time(layout Text, at time.Time) string {
	// No layout of package time has these two characters.
	shown := at.Format(strings.NewReplacer("January", "\x01", "Jan", "\x02").Replace(w.Say(layout)))
	month := at.Month() - 1
	return strings.NewReplacer("\x01", w.Say(months[month]), "\x02", w.Say(shortMonths[month])).Replace(shown)
}

//nolint:gochecknoglobals // constant lists
var (
	months = [...]Text{
		"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
	}
	shortMonths = [...]Text{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
)

// Segment is what stands before a tenant's id in paths.
func (w *Words) Segment() string {
	if w == nil {
		return "merchants"
	}
	return w.segment
}

//go:embed texts.txt
var texts string

// Texts lists all texts that customers and operators can meet in pages, answers and mail,
// sorted: the keys of [Options.Texts].
func Texts() []string {
	out := strings.Split(strings.TrimSuffix(texts, "\n"), "\n")
	for i, line := range out {
		out[i] = strings.ReplaceAll(line, `\n`, "\n")
	}
	return out
}

// taken are segments that are in the paths of API and portal already.
var taken = []string{"operator", "webhooks", "events", "backlog", "failing", "search", "jobs"} //nolint:gochecknoglobals // constant

// vowel fits nouns that want an: an app, but a user.
var vowel = regexp.MustCompile(`(?i)^([aio]|e[^u]|u([^ns]|n[^i]))`)

var segment = regexp.MustCompile(`^[A-Za-z0-9-]{1,40}$`)

func validNoun(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= 40 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) && !strings.ContainsAny(s, "{}%")
}

// nouns replaces what stands for the nouns in texts.
func nouns(one, many string) *strings.Replacer {
	article := "a "
	if vowel.MatchString(one) {
		article = "an "
	}
	return strings.NewReplacer("{tenant}", one, "{tenants}", many, "{Tenant}", capital(one), "{Tenants}", capital(many),
		"{a tenant}", article+one, "{A tenant}", capital(article)+one)
}

func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// verb finds %% and fmt's verbs, with the number of their argument if they have one. A space
// is no flag here, for in "50 % von" it is none.
var verb = regexp.MustCompile(`%(?:%|[-+#0]*\d{0,3}(?:\.\d{1,3})?(?:\[(\d{1,2})\])?([a-zA-Z]))`)

// verbs says which verbs a text has for which argument.
func verbs(text string) string {
	var out []string
	next := 0
	for _, m := range verb.FindAllStringSubmatch(text, -1) {
		if m[2] == "" {
			continue
		}
		if next++; m[1] != "" {
			_, _ = fmt.Sscan(m[1], &next)
		}
		out = append(out, fmt.Sprint(next, m[2]))
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ",")
}
