package vault

import "maps"

// Sealed is all that a webhook keeps sealed.
type Sealed struct{ Secret, Previous, Headers string }

// Opened is what a [Sealed] holds. It is a func because nothing that prints a value
// reads what a func has captured.
type Opened func() (key, previous SigningKey, headers map[string]string)

// OpenError says which part of a [Sealed] does not open.
type OpenError struct {
	Part string // "secret", "previousSecret" or "headers"
	Err  error
}

func (e *OpenError) Error() string { return e.Part + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *OpenError) Unwrap() error { return e.Err }

// Open opens all of a webhook. An error is an [*OpenError].
func (v *Vault) Open(merchantID, webhookID, rawURL string, s Sealed) (Opened, error) {
	key, err := v.openKey(merchantID, webhookID, s.Secret)
	if err != nil {
		return nil, &OpenError{"secret", err}
	}
	var previous SigningKey
	if s.Previous != "" {
		if previous, err = v.openKey(merchantID, webhookID, s.Previous); err != nil {
			return nil, &OpenError{"previousSecret", err}
		}
	}
	list, err := v.openHeaders(merchantID, webhookID, rawURL, s.Headers)
	if err != nil {
		return nil, &OpenError{"headers", err}
	}
	headers := make(map[string]string, len(list))
	for _, h := range list {
		headers[h.Name] = h.Value[0]
	}
	return func() (SigningKey, SigningKey, map[string]string) { return key, previous, headers }, nil
}

// Seal seals all of a webhook with the first key.
func (v *Vault) Seal(merchantID, webhookID, rawURL string, o Opened) (out Sealed, err error) {
	key, previous, headers := o()
	if out.Secret, err = v.SealKey(merchantID, webhookID, key); err != nil {
		return Sealed{}, err
	}
	if !previous.isZero() {
		if out.Previous, err = v.SealKey(merchantID, webhookID, previous); err != nil {
			return Sealed{}, err
		}
	}
	out.Headers, err = v.SealHeaders(merchantID, webhookID, rawURL, headers)
	return out, err
}

// Differs names the parts in which two webhooks differ: "secret", "previousSecret" and
// "headers".
func (o Opened) Differs(other Opened) []string {
	key, previous, headers := o()
	key2, previous2, headers2 := other()
	var out []string
	if !key.same(key2) {
		out = append(out, "secret")
	}
	if !previous.same(previous2) {
		out = append(out, "previousSecret")
	}
	if !maps.Equal(headers, headers2) {
		out = append(out, "headers")
	}
	return out
}

// exchangeOf is the associated data of an exchange.
func exchangeOf(merchantID, webhookID, deliveryID string) []byte {
	return []byte(merchantID + "|" + webhookID + "|exchange|" + deliveryID)
}

// SealExchange seals what is kept of an attempt of a delivery.
func (v *Vault) SealExchange(merchantID, webhookID, deliveryID, text string) (string, error) {
	return v.sealText(exchangeOf(merchantID, webhookID, deliveryID), text)
}

// OpenExchange fails with [ErrUnsealed] if no key opens it.
func (v *Vault) OpenExchange(merchantID, webhookID, deliveryID, sealed string) (string, error) {
	return v.openText(exchangeOf(merchantID, webhookID, deliveryID), sealed)
}
