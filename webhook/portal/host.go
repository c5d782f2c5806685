package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Links lead from the portal to pages of the host. Each is shown if it has a URL.
type Links struct {
	Back   Link // before the title: where the customer came from
	Help   Link
	LogOut Link // A GET, so the page behind it should ask before it ends the session.
}

// Link is a link to a page of the host. It opens in the whole window, also from within a
// frame.
type Link struct {
	Label string // Defaults to "Back", "Help" or "Log out".
	URL   string // http or https, or a path on this host that begins with one slash.
}

// check reports what is wrong with the links.
func (l Links) check() error {
	var bad []error
	for _, one := range []struct {
		name string
		Link
	}{{"Back", l.Back}, {"Help", l.Help}, {"LogOut", l.LogOut}} {
		switch u, err := url.Parse(one.URL); {
		case one.Link == Link{}:
		case err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "":
		case err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/") && !strings.HasPrefix(one.URL, "//") && !strings.Contains(one.URL, `\`):
		default:
			bad = append(bad, fmt.Errorf(`link %s has no http or https URL, and no path that begins with one "/"`, one.name))
		}
	}
	return errors.Join(bad...)
}

// self is how a policy names the page's own origin.
const self = "'self'"

// framing returns the end of the content security policy, and X-Frame-Options for browsers
// that are too old for it. That header cannot name an origin.
func framing(ancestors []string) (directive, options string, err error) {
	var bad []error
	for _, origin := range ancestors {
		u, err := url.Parse(origin)
		if origin != self && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != origin || !hostPort.MatchString(u.Host)) {
			bad = append(bad, fmt.Errorf("FrameAncestors has %q, which is neither 'self' nor an origin such as https://app.example.com", origin))
		}
	}
	switch {
	case len(ancestors) == 0:
		return "frame-ancestors 'none'", "DENY", nil
	case slices.Equal(ancestors, []string{self}):
		options = "SAMEORIGIN"
	}
	return "frame-ancestors " + strings.Join(ancestors, " "), options, errors.Join(bad...)
}

var (
	hostPort = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
	pixels   = regexp.MustCompile(`^([0-9]|1[0-9]|2[0-4])px$`)
	family   = regexp.MustCompile(`^("[A-Za-z0-9][A-Za-z0-9 _-]*"|[A-Za-z][A-Za-z0-9-]*( [A-Za-z][A-Za-z0-9-]*)*)$`)
)

// look returns the last lines of the stylesheet, which set radius and font.
func look(radius, font string) (string, error) {
	var css strings.Builder
	var bad []error
	if radius != "" {
		if !pixels.MatchString(radius) {
			bad = append(bad, errors.New("radius is not a whole number of pixels from 0px to 24px"))
		}
		css.WriteString("--radius:" + radius + ";")
	}
	if font != "" {
		for name := range strings.SplitSeq(font, ",") {
			if !family.MatchString(strings.TrimLeft(name, " ")) || len(font) > 256 {
				bad = append(bad, fmt.Errorf(`font has %q, which is not the name of a font: letters, digits, spaces and -, or those in double quotes`, name))
			}
		}
		css.WriteString("--sans:" + font + ";")
	}
	if css.Len() == 0 {
		return "", nil
	}
	return ":root{" + css.String() + "}\n", errors.Join(bad...)
}

// prefix checks Options.Prefix and returns it without a final slash.
func (o Options) prefix() (string, error) {
	if o.Prefix != "" && (!strings.HasPrefix(o.Prefix, "/") || strings.Contains(o.Prefix, "//") || strings.ContainsAny(o.Prefix, "?#%")) {
		return "", errors.New(`prefix is not a path that begins with "/"`)
	}
	return strings.TrimSuffix(o.Prefix, "/"), nil
}

// under serves the paths below a prefix, and the prefix itself.
func under(prefix string, h http.HandlerFunc) http.Handler {
	if prefix == "" {
		return h
	}
	stripped := http.StripPrefix(prefix, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != prefix && !strings.HasPrefix(r.URL.Path, prefix+"/") {
			http.NotFound(w, r)
			return
		}
		stripped.ServeHTTP(w, r)
	})
}

// beside returns what follows a time in UTC: the time in zone, with its day if that is
// another one, and nothing without a zone.
func (s speech) beside(zone *time.Location) func(time.Time) string {
	return func(t time.Time) string {
		if zone == nil {
			return ""
		}
		here := t.In(zone)
		if _, offset := here.Zone(); offset == 0 {
			return ""
		}
		if here.YearDay() != t.UTC().YearDay() {
			return " (" + s.Time("2 Jan, 15:04:05 MST", here) + ")"
		}
		return " (" + s.Time("15:04:05 MST", here) + ")"
	}
}
