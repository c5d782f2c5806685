package main

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rag-assistant/webhooks/webhook"
)

// claims are what the host's login puts into a token.
type claims struct {
	jwt.RegisteredClaims

	MerchantID string `json:"merchantId"`
}

// newToken makes a token as the host's login would. The key is the text itself.
func newToken(key []byte, merchantID string, good time.Duration) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(time.Now().Add(good))},
		MerchantID:       merchantID,
	}).SignedString(key)
}

// bearer accepts HS256 tokens that have not expired.
func bearer(key []byte) webhook.AuthenticateFunc {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	return func(r *http.Request) (webhook.Principal, error) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return webhook.Principal{}, errors.New("no bearer token")
		}
		var c claims
		if _, err := parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
			return webhook.Principal{}, err
		}
		if c.MerchantID == "" {
			return webhook.Principal{}, errors.New("token has no merchantId")
		}
		return webhook.Principal{MerchantID: c.MerchantID}, nil
	}
}
