package explain

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // G505: to recognise signatures of other schemes, never to accept them.
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// message is the text that is signed: prefix and body.
type message struct {
	prefix  string
	mistake Finding // zero for what the scheme says
}

// scheme is a way to sign: the keys and messages that it, or a mistake in it, uses.
type scheme struct {
	keys     []key
	messages []message
	mistake  Finding // zero for the header's own scheme
}

// maxUndoing is how many mistakes are undone at once. The form of a header and the
// choice among secrets do not count.
const maxUndoing = 2

// search finds the fewest mistakes that, when undone, make one of the claims match.
// It reports false if there are none.
func search(claims []claim, schemes []scheme, bodies []variant) ([]Finding, bool) {
	hashes := map[string]func() hash.Hash{"sha256": sha256.New, "sha1": sha1.New, "sha512": sha512.New}
	for undoing := range maxUndoing + 1 {
		var best []Finding
		found := false
		for _, s := range schemes {
			for name, newHash := range hashes {
				if !usesHash(claims, name) {
					continue
				}
				s.try(newHash, undoing, bodies, func(sum []byte, causes ...Finding) {
					for _, c := range claims {
						if c.hash != name || !hmac.Equal(sum, c.mac) {
							continue
						}
						if list := distinct(append(causes, c.mistake)); !found || len(list) < len(best) {
							best, found = list, true
						}
					}
				})
			}
		}
		if found {
			return best, true
		}
	}
	return nil, false
}

func usesHash(claims []claim, algorithm string) bool {
	for _, c := range claims {
		if c.hash == algorithm && c.mac != nil {
			return true
		}
	}
	return false
}

// try calls match with the MAC of each combination of key, message and body that has
// exactly as many mistakes as undoing says.
func (s scheme) try(newHash func() hash.Hash, undoing int, bodies []variant, match func(sum []byte, causes ...Finding)) {
	for _, k := range s.keys {
		mac := hmac.New(newHash, k.bytes)
		for _, m := range s.messages {
			for _, b := range bodies {
				if count(k.mistake, m.mistake, b.mistake) != undoing {
					continue
				}
				mac.Reset()
				mac.Write([]byte(m.prefix))
				mac.Write(b.bytes)
				match(mac.Sum(nil), s.mistake, k.mistake, m.mistake, b.mistake, k.other)
			}
		}
	}
}

func count(findings ...Finding) (n int) {
	for _, f := range findings {
		if f.Code != "" {
			n++
		}
	}
	return n
}

// distinct returns the findings that say something, one of each code.
func distinct(findings []Finding) []Finding {
	var out []Finding
	seen := map[Code]bool{"": true}
	for _, f := range findings {
		if !seen[f.Code] {
			seen[f.Code] = true
			out = append(out, f)
		}
	}
	return out
}
