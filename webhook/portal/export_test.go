package portal

// For tests of what has no page of its own.

// JoinedTokens is the text of a JSON's tokens, and Kinds what they are.
func JoinedTokens(text string) (joined, kinds string) {
	for _, t := range tokens([]byte(text)) {
		joined += t.Text
		if t.Kind != "" {
			kinds += t.Kind
		}
	}
	return joined, kinds
}

var (
	Ago       = speech{}.ago
	Count     = count
	Took      = speech{}.took
	Short     = short
	Percent   = percent
	NewHealth = speech{}.newHealth
	Explain   = speech{}.explain
	Accents   = accents
	Curl      = curl
)

// Cause is why an attempt failed.
type Cause = cause
