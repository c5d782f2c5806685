package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// diff lists the fields in which two structs of one type differ, without those
// named in except. Times are compared to the millisecond, and a nil slice or map
// is an empty one. Equal structs give "".
func diff(got, want any, except ...string) string {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	var out []string
	for i := range g.NumField() {
		name := g.Type().Field(i).Name
		if slices.Contains(except, name) {
			continue
		}
		a, b := g.Field(i), w.Field(i)
		if alike(a, b) {
			continue
		}
		if a, b := plain(a), plain(b); a != b {
			out = append(out, fmt.Sprintf("%s is %s, want %s", name, a, b))
		}
	}
	return strings.Join(out, "; ")
}

// alike says, without writing anything down, that two values are surely equal.
func alike(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return a.Equal(b)
	case reflect.Slice, reflect.Map:
		return a.Len() == 0 && b.Len() == 0
	}
	at, ok := reflect.TypeAssert[time.Time](a)
	want, _ := reflect.TypeAssert[time.Time](b)
	return ok && at.Equal(want)
}

// plain writes a value so that equal values, as the contract sees them, are
// written alike.
func plain(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Time:
		if x.IsZero() {
			return "no time"
		}
		return x.UTC().Format("2006-01-02T15:04:05.000")
	case []byte:
		return fmt.Sprintf("%q", x)
	case time.Duration:
		return x.String()
	}
	switch v.Kind() {
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	case reflect.Pointer:
		if v.IsNil() {
			return "nil"
		}
		return plain(v.Elem())
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = plain(v.Index(i))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Map:
		parts := make([]string, 0, v.Len())
		for _, k := range v.MapKeys() {
			parts = append(parts, plain(k)+":"+plain(v.MapIndex(k)))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, " ") + "}"
	case reflect.Struct:
		parts := make([]string, v.NumField())
		for i := range parts {
			parts[i] = v.Type().Field(i).Name + ":" + plain(v.Field(i))
		}
		return "{" + strings.Join(parts, " ") + "}"
	default:
		return fmt.Sprint(v.Interface())
	}
}

// show writes any record for a message or a comparison.
func show(v any) string { return plain(reflect.ValueOf(v)) }

// changes lists the lines that only one of two snapshots has.
func changes(before, after []string) string {
	var out []string
	for _, l := range before {
		if !slices.Contains(after, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n\t")
}

// sentinel names the error that a caller would branch on.
func sentinel(err error) string {
	for _, s := range []error{store.ErrNotFound, store.ErrConflict, store.ErrVersion, store.ErrLimit, store.ErrStale, store.ErrCursor} {
		if errors.Is(err, s) {
			return fmt.Sprintf("%q", s)
		}
	}
	if err == nil {
		return "no error"
	}
	return "an error that callers do not know"
}
