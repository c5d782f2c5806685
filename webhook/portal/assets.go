package portal

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// files are the stylesheet, the scripts and the licence of the one that is not ours.
//
//go:embed assets
var files embed.FS

// maxLogo is the most bytes that a logo may have.
const maxLogo = 256 << 10

type asset struct {
	mediaType string
	text      []byte
}

// assets are by path below assets/. The path holds a digest of all of them. So a
// browser may keep them for ever, and still fetches a new version at once.
type assets struct {
	digest string
	byName map[string]asset
}

func newAssets(o Options) (assets, error) {
	a := assets{byName: map[string]asset{}}
	var bad []error
	for name, mediaType := range map[string]string{
		"portal.css": "text/css; charset=utf-8", "portal.js": "text/javascript; charset=utf-8",
		"htmx.min.js": "text/javascript; charset=utf-8", "htmx.LICENSE": "text/plain; charset=utf-8",
		"icon.svg": "image/svg+xml", "chevron.svg": "image/svg+xml",
	} {
		text, err := files.ReadFile("assets/" + name)
		bad = append(bad, err)
		a.byName[name] = asset{mediaType, text}
	}
	colours, err := accents(o.Accent, o.AccentDark)
	bad = append(bad, err)
	css := a.byName["portal.css"]
	own, err := look(o.Radius, o.Font)
	bad = append(bad, err)
	css.text = slices.Concat([]byte(colours), css.text, []byte(own))
	a.byName["portal.css"] = css
	a.byName["icon.svg"] = asset{"image/svg+xml", bytes.ReplaceAll(a.byName["icon.svg"].text, []byte("#4f46e5"), []byte(o.Accent))}
	if len(o.Logo) > 0 {
		mediaType, err := logoType(o.Logo)
		bad = append(bad, err)
		a.byName["logo"] = asset{mediaType, o.Logo}
	}
	sum := sha256.New()
	for _, name := range []string{"portal.css", "portal.js", "htmx.min.js", "icon.svg", "logo"} {
		_, _ = sum.Write(a.byName[name].text) // It never fails.
	}
	a.digest = hex.EncodeToString(sum.Sum(nil))[:16]
	return a, errors.Join(bad...)
}

func logoType(logo []byte) (string, error) {
	if len(logo) > maxLogo {
		return "", fmt.Errorf("logo is larger than %d bytes", maxLogo)
	}
	switch mediaType := http.DetectContentType(logo); mediaType {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return mediaType, nil
	}
	if strings.Contains(string(logo[:min(len(logo), 1024)]), "<svg") {
		return "image/svg+xml", nil
	}
	return "", errors.New("logo is not an SVG, PNG, JPEG, GIF or WebP image")
}

// serve answers a request for a file, and reports whether there is one.
func (a assets) serve(w http.ResponseWriter, r *http.Request, path string) bool {
	digest, name, _ := strings.Cut(path, "/")
	file, known := a.byName[name]
	if !known || digest != a.digest || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	header := w.Header()
	header.Del("Vary")
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Type", file.mediaType)
	header.Set("Content-Length", strconv.Itoa(len(file.text)))
	if strings.HasPrefix(file.mediaType, "image/") {
		// An SVG that is opened by itself is a document, and may hold a script.
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(file.text) // The caller has gone; there is nobody to tell.
	}
	return true
}
