package redisstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// sources are the scripts as text, by name.
type sources map[string]string

func readScripts() sources {
	files, _ := luaFiles.ReadDir("lua") // What is embedded can be read.
	out := sources{}
	for _, f := range files {
		text, _ := luaFiles.ReadFile("lua/" + f.Name())
		out[strings.TrimSuffix(f.Name(), ".lua")] = string(text)
	}
	return out
}

// compile puts before each script what it uses of lib.lua and deliver.lua: Redis makes
// every function of a script anew at each call, which took longer than most of what they do.
func (s sources) compile() scripts {
	comment := regexp.MustCompile(`(?m)^(--.*)?\n`)
	shared := comment.ReplaceAllString(s["lib"]+s["deliver"], "")
	out := scripts{}
	for name, text := range s {
		if name != "lib" && name != "deliver" {
			out[name] = redis.NewScript(withUsed(shared, comment.ReplaceAllString(text, "")))
		}
	}
	return out
}

// ownScripts are those of every store.
var ownScripts = sync.OnceValue(func() scripts { return readScripts().compile() }) //nolint:gochecknoglobals // constant

// sharedFunction is a function of the shared text: one line, or up to an end in the first
// column.
var sharedFunction = regexp.MustCompile(`(?m)^local function (\w+)(?:.* end|(?s:.*?)\nend)\n`)

// withUsed puts the shared text before a script, without the functions that neither the
// script nor a later function names.
func withUsed(shared, text string) string {
	end := len(shared)
	for _, at := range slices.Backward(sharedFunction.FindAllStringSubmatchIndex(shared, -1)) {
		text = shared[at[1]:end] + text
		if names(text, shared[at[2]:at[3]]) {
			text = shared[at[0]:at[1]] + text
		}
		end = at[0]
	}
	return shared[:end] + text
}

// names reports whether a text has a name, as a word.
func names(text, name string) bool {
	for before, rest, found := strings.Cut(text, name); found; before, rest, found = strings.Cut(rest, name) {
		if !inName(before, len(before)-1) && !inName(rest, 0) {
			return true
		}
	}
	return false
}

func inName(s string, i int) bool {
	return i >= 0 && i < len(s) && (s[i] == '_' || s[i] >= '0' && s[i] <= '9' || s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 'a' && s[i] <= 'z')
}

type scripts map[string]*redis.Script

// call is one run of a script.
type call struct {
	name string
	on   shard
	keys []string // between the shard's id and absent
	args []any    // after those that every script takes
}

// run runs a script and returns its reply without the OK.
func (s *Store) run(ctx context.Context, c call) (reply, error) {
	if err := s.fit(ctx); err != nil {
		return reply{}, fmt.Errorf("redisstore: %s: %w", c.name, err)
	}
	if c.on.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.on.patience)
		defer cancel()
	}
	keys, args := s.frame(c)
	out, err := s.scripts[c.name].Run(ctx, s.client, keys, args...).Slice()
	if err != nil {
		return reply{}, s.refused(ctx, c, err)
	}
	return readReply(c.name, out)
}

// refused says what is wrong when a script fails, such as which key of its shard has
// another type than it should. If it is none that all share, it is the record's that was asked
// for.
func (s *Store) refused(ctx context.Context, c call, err error) error {
	if !strings.Contains(err.Error(), "WRONGTYPE") {
		return unanswered(c.name, err)
	}
	for want, kinds := range types {
		for _, kind := range kinds {
			is := s.client.Type(ctx, c.on.prefix+kind).Val()
			if is != "" && is != "none" && is != want {
				return fmt.Errorf("redisstore: %s: the key %s%s is a %s and should be a %s; delete it if nothing is lost with it, else restore it: %w",
					c.name, c.on.prefix, kind, is, want, store.ErrUnavailable)
			}
		}
	}
	return fmt.Errorf("redisstore: %s: %w: %w", c.name, store.ErrDamaged, err)
}

// unanswered tells what may be gone at the next try from what will not.
func unanswered(name string, err error) error {
	switch {
	case redis.IsOOMError(err):
		return fmt.Errorf("redisstore: %s: redis has reached its maxmemory: %w: %w", name, store.ErrUnavailable, err)
	case outOfReach(err) || refusesForNow(err):
		return fmt.Errorf("redisstore: %s: %w: %w", name, store.ErrUnavailable, err)
	case strings.Contains(err.Error(), "user_script"): // It stumbled over what it has read.
		return fmt.Errorf("redisstore: %s: %w: %w", name, store.ErrDamaged, err)
	}
	return fmt.Errorf("redisstore: %s: %w", name, err)
}

// refusesForNow reports whether Redis would have to be mended first.
func refusesForNow(err error) bool {
	return slices.ContainsFunc([]string{"MISCONF", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM"}, func(prefix string) bool {
		return redis.HasErrorPrefix(err, prefix)
	})
}

// frame returns all keys and arguments of a call.
func (s *Store) frame(c call) ([]string, []any) {
	now := int64(0)
	if s.opts.Now != nil {
		now = s.opts.Now().UnixMilli()
	}
	keys := append(append(make([]string, 0, 2+len(c.keys)), c.on.id), c.keys...)
	args := append(make([]any, 0, 4+len(c.args)), c.on.prefix, now, wakeChannel(s.opts.Prefix), s.layout.id)
	return append(keys, c.on.absent), append(args, c.args...)
}

// errLayout says that Redis holds nothing of the store that was opened, or another one.
var errLayout = fmt.Errorf("what was opened is not there any more: redis was emptied or replaced; restore it, or open the store again: %w",
	store.ErrUnavailable)

// errReply says that a script answered what it never should.
var errReply = errors.New("reply is not as expected")

// refusals are what scripts say when they refuse.
var refusals = map[string]error{ //nolint:gochecknoglobals // constant
	"NOTFOUND": store.ErrNotFound, "CONFLICT": store.ErrConflict, "VERSION": store.ErrVersion, "LIMIT": store.ErrLimit, "STALE": store.ErrStale,
}

func readReply(name string, out []any) (reply, error) {
	r := reply{list: out}
	word := r.text()
	if word == "OK" {
		return r, nil
	}
	err := refusals[word]
	switch {
	case word == "LAYOUT":
		return reply{}, fmt.Errorf("redisstore: %s: %w", name, errLayout)
	case err == nil:
		return reply{}, fmt.Errorf("redisstore: %s: %w", name, errReply)
	}
	if detail := r.text(); detail != "" {
		return reply{}, fmt.Errorf("%s: %w", detail, err)
	}
	return reply{}, err
}

// reply is what a script answered, read from left to right. What is missing or
// of another type reads as zero and sets bad.
type reply struct {
	list []any
	bad  bool
}

func (r *reply) next() any {
	if len(r.list) == 0 {
		r.bad = true
		return nil
	}
	v := r.list[0]
	r.list = r.list[1:]
	return v
}

func (r *reply) more() bool { return len(r.list) > 0 }

func (r *reply) text() string {
	s, ok := r.next().(string)
	r.bad = r.bad || !ok
	return s
}

func (r *reply) int() int64 {
	n, ok := r.next().(int64)
	r.bad = r.bad || !ok
	return n
}

func (r *reply) number() int { return int(r.int()) }

func (r *reply) time() time.Time { return stamp(r.int()) }

// part reads a list within the list.
func (r *reply) part() reply {
	l, ok := r.next().([]any)
	r.bad = r.bad || !ok
	return reply{list: l}
}

// fields reads names and values.
func (r *reply) fields() map[string]string {
	p := r.part()
	out := make(map[string]string, len(p.list)/2)
	for p.more() {
		name := p.text()
		out[name] = p.text()
	}
	r.bad = r.bad || p.bad
	return out
}

// check fails if anything that was read was not there.
func (r *reply) check(name string) error {
	if r.bad {
		return fmt.Errorf("redisstore: %s: %w", name, errReply)
	}
	return nil
}
