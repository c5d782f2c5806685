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
	Ago       = ago
	Count     = count
	Plural    = plural
	Took      = took
	Short     = short
	Percent   = percent
	NewHealth = newHealth
	Explain   = explain
	Accents   = accents
	Curl      = curl
	Beside    = beside
)

// Cause is why an attempt failed.
type Cause = cause
