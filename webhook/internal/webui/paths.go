package webui

import (
	"net/url"
	"strings"
)

// Split returns the segments of an escaped path without its leading slash, and false
// if one is not escaped rightly or holds a slash: each is unescaped once, after the
// path was split, so that an escaped slash separates nothing. Of more than most
// segments, all that follow are one.
func Split(escaped string, most int) ([]string, bool) {
	segments := strings.SplitN(escaped, "/", most+1)
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil || strings.Contains(plain, "/") {
			return nil, false
		}
		segments[i] = plain
	}
	return segments, true
}

// Match reports whether segments are those of a route. What stands where the route has
// a key of ids goes there, unless it is empty.
func Match(route, segments []string, ids map[string]*string) bool {
	if len(segments) != len(route) {
		return false
	}
	for i, want := range route {
		id := ids[want]
		switch got := segments[i]; {
		case id != nil && got != "":
			*id = got
		case id != nil || want != got:
			return false
		}
	}
	return true
}
