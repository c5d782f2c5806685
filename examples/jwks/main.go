// Command jwks shows the management API behind tokens whose keys come from a
// login: a login with a certificate authority of its own publishes a JWK Set, the
// API fetches it, and both live through a change of keys and an outage. It exits
// non-zero if anything is not as it says.
//
//	go run ./examples/jwks
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

const (
	issuer   = "https://login.example.com/"
	audience = "https://api.example.com"
	merchant = "merchant_42"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "jwks failed:", err)
		os.Exit(1)
	}
	fmt.Println("\nAll as stated.")
}

func run(ctx context.Context) error {
	idp, err := newLogin()
	if err != nil {
		return err
	}
	defer idp.close()
	if err := idp.addKey("key-1"); err != nil {
		return err
	}

	// The API's side, whole.
	keys, err := jwtauth.NewRemote(idp.url, &jwtauth.RemoteOptions{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: idp.authorities, MinVersion: tls.VersionTLS12}},
		Refresh:   100 * time.Millisecond, // Nobody wants to watch five minutes.
	})
	if err != nil {
		return err
	}
	auth, err := jwtauth.New(keys, &jwtauth.Options{
		Issuer: issuer, Audience: []string{audience}, AdminScope: "webhooks:admin",
	})
	if err != nil {
		return err
	}
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		return err
	}
	h, err := api.New(svc, auth.Authenticate, nil)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- keys.Run(running) }()
	defer stop()

	if err := show(ctx, idp, &client{api: h}); err != nil {
		return err
	}
	stop()
	return <-stopped
}

func show(ctx context.Context, idp *login, c *client) error {
	older, err := idp.token("key-1", jwt.MapClaims{"merchantId": merchant})
	if err != nil {
		return err
	}
	fmt.Printf("The login publishes key-1 at %s\n\n", idp.url)
	c.expect(ctx, "a token of key-1", http.MethodGet, merchant, older, http.StatusOK)
	c.expect(ctx, "it registers a webhook", http.MethodPost, merchant, older, http.StatusCreated)
	c.expect(ctx, "another merchant", http.MethodGet, "merchant_43", older, http.StatusForbidden)
	c.expect(ctx, "no token", http.MethodGet, merchant, "", http.StatusUnauthorized)

	fmt.Print("\nIt adds key-2 and signs with it at once\n\n")
	if err := idp.addKey("key-2"); err != nil {
		return err
	}
	newer, err1 := idp.token("key-2", jwt.MapClaims{"merchantId": merchant})
	readOnly, err2 := idp.token("key-2", jwt.MapClaims{"merchantId": merchant, "scope": webhook.ScopeRead})
	operator, err3 := idp.token("key-2", jwt.MapClaims{"scope": "webhooks:admin"})
	expired, err4 := idp.token("key-2", jwt.MapClaims{"merchantId": merchant, "exp": time.Now().Add(-time.Hour).Unix()})
	forged, err5 := jwt.NewWithClaims(jwt.SigningMethodHS256, idp.claims(jwt.MapClaims{"merchantId": merchant})).SignedString([]byte("guessed"))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	c.expect(ctx, "a token of key-2", http.MethodGet, merchant, newer, http.StatusOK)
	c.expect(ctx, "the token of key-1", http.MethodGet, merchant, older, http.StatusOK)
	c.expect(ctx, "scope webhooks:read reads", http.MethodGet, merchant, readOnly, http.StatusOK)
	c.expect(ctx, "and does not write", http.MethodPost, merchant, readOnly, http.StatusForbidden)
	c.expect(ctx, "an operator, any merchant", http.MethodPost, "merchant_43", operator, http.StatusCreated)
	c.expect(ctx, "an expired token", http.MethodGet, merchant, expired, http.StatusUnauthorized)
	c.expect(ctx, "a forged token", http.MethodGet, merchant, forged, http.StatusUnauthorized)

	fmt.Print("\nThe login is down\n\n")
	if err := idp.takeDown(ctx); err != nil {
		return err
	}
	c.expect(ctx, "a token of key-2", http.MethodGet, merchant, newer, http.StatusOK)
	c.expect(ctx, "the token of key-1", http.MethodGet, merchant, older, http.StatusOK)

	fmt.Print("\nIt is back, without key-1\n\n")
	idp.bringBack("key-1")
	if err := c.await(ctx, merchant, older, http.StatusUnauthorized); err != nil {
		return err
	}
	c.expect(ctx, "the token of key-1", http.MethodGet, merchant, older, http.StatusUnauthorized)
	c.expect(ctx, "a token of key-2", http.MethodGet, merchant, newer, http.StatusOK)
	return c.err
}

// client calls the API and notes the first answer that was not expected.
type client struct {
	api http.Handler
	err error
}

func (c *client) call(ctx context.Context, method, merchantID, token string) int {
	body := strings.NewReader(`{"url": "https://shop.example.com/webhooks", "events": ["document.created"]}`)
	r := httptest.NewRequestWithContext(ctx, method, "/merchants/"+merchantID+"/webhooks", body)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	c.api.ServeHTTP(w, r)
	return w.Code
}

func (c *client) expect(ctx context.Context, what, method, merchantID, token string, want int) {
	got := c.call(ctx, method, merchantID, token)
	fmt.Printf("  %-26s %s: %d %s\n", what, method, got, http.StatusText(got))
	if got != want && c.err == nil {
		c.err = fmt.Errorf("%s: got %d instead of %d", what, got, want)
	}
}

// await calls until the answer is as wanted.
func (c *client) await(ctx context.Context, merchantID, token string, want int) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for c.call(ctx, http.MethodGet, merchantID, token) != want {
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.New("the withdrawn key is still good")
		}
	}
	return nil
}
