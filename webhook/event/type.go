package event

import "fmt"

// Type is the type of an event: words of lower-case ASCII letters, digits and
// underscores, joined by dots, at most [MaxTypeLen] bytes. Other senders have other
// types: see [ParseStandard].
type Type string

// MaxTypeLen is the most bytes that a [Type] may have.
const MaxTypeLen = 100

// The types of the default catalog.
const (
	TypeChatQueryCompleted    Type = "chat.query.completed"
	TypeChatQueryFailed       Type = "chat.query.failed"
	TypeDocumentCreated       Type = "document.created"
	TypeDocumentUpdated       Type = "document.updated"
	TypeDocumentDeleted       Type = "document.deleted"
	TypeUsageLimitApproaching Type = "usage.limit.approaching"
	TypeUsageLimitExceeded    Type = "usage.limit.exceeded"
	TypeAPIKeyExpiring        Type = "api_key.expiring" //nolint:gosec // G101: a type, no key.
	TypeWebhookTest           Type = "webhook.test"
)

// ParseType returns s as a Type, or an error that says what a type looks like.
func ParseType(s string) (Type, error) {
	if t := Type(s); t.Valid() {
		return t, nil
	}
	return "", fmt.Errorf("event: a type is words of a-z, 0-9 and _, joined by dots, at most %d bytes", MaxTypeLen)
}

// Valid reports whether t is a well-formed type, known or not.
func (t Type) Valid() bool {
	word := false // whether the previous byte belongs to a word
	for i := range len(t) {
		switch c := t[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_':
			word = true
		case c == '.' && word:
			word = false
		default:
			return false
		}
	}
	return word && len(t) <= MaxTypeLen
}
