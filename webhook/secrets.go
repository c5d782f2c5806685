package webhook

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// SecretKey seals webhook secrets and headers before they reach a store. Whatever
// prints it prints its ID only, unless it is in an unexported field, where fmt calls
// no method.
type SecretKey struct {
	ID  string   // names the key in sealed text: 1 to 32 letters, digits, '-' or '_'
	Key [32]byte // AES-256
}

// Format writes the ID whatever the verb and its flags.
func (k SecretKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "SecretKey("+k.ID+")") }

// MarshalText returns the ID, also inside JSON.
func (k SecretKey) MarshalText() ([]byte, error) { return []byte("SecretKey(" + k.ID + ")"), nil }

// LogValue returns the ID.
func (k SecretKey) LogValue() slog.Value { return slog.StringValue("SecretKey(" + k.ID + ")") }

// Headers go along with every request to a webhook, by name: a token that the
// receiver asks for, say. They are kept like secrets: sealed in the store, and never
// shown. Whatever prints Headers prints their names only, unless they are in an
// unexported field, where fmt calls no method.
type Headers map[string]string

// String returns the names.
func (h Headers) String() string {
	return "Headers(" + strings.Join(slices.Sorted(maps.Keys(h)), ", ") + ")"
}

// Format writes the names whatever the verb and its flags.
func (h Headers) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, h.String()) }

// MarshalText returns the names, also inside JSON.
func (h Headers) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// LogValue returns the names.
func (h Headers) LogValue() slog.Value { return slog.StringValue(h.String()) }

// newVault needs a key unless the store is volatile or the host waives it.
func newVault(st any, keys []SecretKey, plaintext bool) (*vault.Vault, error) {
	v, ok := st.(store.Volatile)
	if volatile := ok && v.Volatile(); st != nil && len(keys) == 0 && !plaintext && !volatile {
		return nil, errors.New("the store outlives the process, so SecretKeys is needed to seal secrets " +
			"(or InsecurePlaintextSecrets)")
	}
	all := make([]vault.Key, len(keys))
	for i, k := range keys {
		all[i] = vault.Key(k)
	}
	return vault.New(all, plaintext)
}
