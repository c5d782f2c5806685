package harness

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Dump writes v and all that it leads to, unexported fields too, so that two
// dumps are equal only if nothing has changed. What is met again is written as
// the number that it got the first time.
func Dump(v any) string {
	d := dumper{met: map[place]int{}}
	d.write(reflect.ValueOf(v))
	return d.String()
}

type dumper struct {
	strings.Builder

	met map[place]int
}

// place tells a struct from its first field, which has the same address.
type place struct {
	kind    reflect.Type
	address uintptr
}

func (d *dumper) write(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			d.WriteString("nil")
			return
		}
		at := place{v.Type(), v.Pointer()}
		if n, met := d.met[at]; met {
			fmt.Fprintf(d, "#%d", n)
			return
		}
		d.met[at] = len(d.met)
		fmt.Fprintf(d, "#%d=", d.met[at])
		d.write(v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			d.WriteString("nil")
			return
		}
		fmt.Fprintf(d, "(%s)", v.Elem().Type())
		d.write(v.Elem())
	case reflect.Struct:
		d.WriteString("{")
		for i := range v.NumField() {
			d.WriteString(v.Type().Field(i).Name + ":")
			d.write(v.Field(i))
			d.WriteString(" ")
		}
		d.WriteString("}")
	case reflect.Slice, reflect.Array:
		d.WriteString("[")
		for i := range v.Len() {
			d.write(v.Index(i))
			d.WriteString(" ")
		}
		d.WriteString("]")
	case reflect.Map:
		d.writeMap(v)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		fmt.Fprintf(d, "%s(%t)", v.Kind(), v.IsNil())
	case reflect.String:
		fmt.Fprintf(d, "%q", v.String())
	default: // Numbers and bools, which fmt reads from unexported fields too.
		fmt.Fprint(d, v)
	}
}

// writePlain writes the fields of a struct that lead nowhere, which tell it from
// others.
func (d *dumper) writePlain(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for _, f := range v.Fields() {
		if k := f.Kind(); k == reflect.String || k >= reflect.Bool && k <= reflect.Float64 {
			d.write(f)
			d.WriteString(" ")
		}
	}
}

func (d *dumper) writeMap(v reflect.Value) {
	byKey := map[string]reflect.Value{}
	names := make([]string, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		k := dumper{met: map[place]int{}}
		if it.Key().Kind() == reflect.Pointer {
			k.writePlain(it.Key().Elem())
		} else {
			k.write(it.Key())
		}
		byKey[k.String()] = it.Value()
		names = append(names, k.String())
	}
	slices.Sort(names)
	d.WriteString("map[")
	for _, name := range names {
		d.WriteString(name + ":")
		d.write(byKey[name])
		d.WriteString(" ")
	}
	d.WriteString("]")
}
