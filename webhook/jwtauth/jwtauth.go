package jwtauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

const (
	// DefaultMerchantClaim is the claim that names the merchant.
	DefaultMerchantClaim = "merchantId"
	// DefaultLeeway is how far apart clocks may be.
	DefaultLeeway = 30 * time.Second
	// MaxLeeway is the largest leeway that can be set.
	MaxLeeway = time.Minute
)

// maxToken is the longest token that is read. A usual one has 1 KiB.
const maxToken = 8 << 10

// Options configures an [Authenticator].
type Options struct {
	// Issuer is what the claim iss must be, to the letter. Set it: it keeps out the
	// tokens that another login makes with the same keys. Defaults to any issuer, and
	// to tokens without one, unless that leaves any token of a login good: see
	// InsecureAnyAudience.
	Issuer string

	// Audience lists names of this service. The claim aud must hold one of them. Set
	// it: it keeps out the tokens that were made for other services. Defaults to any
	// audience, and to tokens without one.
	Audience []string

	// InsecureAnyAudience lets keys of a URL do without Issuer and Audience. A login
	// publishes such keys for many services, so any token that it makes is then good
	// here, whoever it is for. Defaults to false: New fails.
	InsecureAnyAudience bool

	// Algorithms narrows down what the keys allow, for example to PS256 with RSA
	// keys. Defaults to everything that suits the keys.
	Algorithms []string

	// MerchantClaim names the claim with the merchant's id, a string. Defaults to
	// [DefaultMerchantClaim].
	MerchantClaim string

	// ScopeClaim names the claim with the scopes, a string that separates them by
	// spaces or an array of strings. Defaults to scope, or scp in a token that has
	// no scope.
	ScopeClaim string

	// RequireScope forbids everything to a token without the scope claim. Set it if
	// the login puts scopes into every token. Defaults to false: a token without the
	// claim may do everything for its merchant.
	RequireScope bool

	// AdminScope is the scope of operators. A token that has it may do everything for
	// every merchant, and needs no merchant claim. Defaults to none.
	AdminScope string

	// Leeway is how far the login's clock may be from this one's, when exp, nbf and
	// iat are checked: at most [MaxLeeway]. Defaults to [DefaultLeeway].
	Leeway time.Duration

	// Now is the time. Defaults to [time.Now].
	Now func() time.Time
}

// Authenticator checks bearer tokens. It is safe for concurrent use.
type Authenticator struct {
	keys   Keys
	opts   Options
	parser *jwt.Parser
}

// supported lists the algorithms in the order of the package's documentation.
func supported() []string {
	return []string{
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
		"ES256", "ES384", "ES512", "EdDSA",
	}
}

// New returns an Authenticator that trusts keys. A nil o is the default.
func New(keys Keys, o *Options) (*Authenticator, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.Audience, opts.Algorithms = slices.Clone(opts.Audience), slices.Clone(opts.Algorithms)
	if err := errors.Join(check(keys), opts.check(), opts.checkAudience(keys)); err != nil {
		return nil, fmt.Errorf("jwtauth: new: %w", err)
	}
	if opts.MerchantClaim == "" {
		opts.MerchantClaim = DefaultMerchantClaim
	}
	if opts.Leeway == 0 {
		opts.Leeway = DefaultLeeway
	}
	if len(opts.Algorithms) == 0 {
		opts.Algorithms = supported()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	rules := []jwt.ParserOption{
		jwt.WithStrictDecoding(), jwt.WithValidMethods(opts.Algorithms), jwt.WithTimeFunc(opts.Now),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(opts.Leeway),
	}
	if opts.Issuer != "" {
		rules = append(rules, jwt.WithIssuer(opts.Issuer))
	}
	if len(opts.Audience) > 0 {
		rules = append(rules, jwt.WithAudience(opts.Audience...))
	}
	return &Authenticator{keys: keys, opts: opts, parser: jwt.NewParser(rules...)}, nil
}

func check(keys Keys) error {
	switch k := keys.(type) {
	case *Set:
		if k == nil || len(k.keys) == 0 {
			return errors.New("the set of keys is empty")
		}
	case *Remote:
		if k == nil {
			return errors.New("keys are nil")
		}
	default:
		return errors.New("keys are nil")
	}
	return nil
}

func (o *Options) checkAudience(keys Keys) error {
	if _, remote := keys.(*Remote); remote && o.Issuer == "" && len(o.Audience) == 0 && !o.InsecureAnyAudience {
		return errors.New("keys of a URL need an Issuer or an Audience (or InsecureAnyAudience)")
	}
	return nil
}

func (o *Options) check() error {
	var bad []error
	for _, alg := range o.Algorithms {
		if !slices.Contains(supported(), alg) {
			bad = append(bad, fmt.Errorf("algorithm %q is not supported", alg))
		}
	}
	if slices.Contains(o.Audience, "") {
		bad = append(bad, errors.New("an audience is empty"))
	}
	if o.Leeway < 0 || o.Leeway > MaxLeeway {
		bad = append(bad, fmt.Errorf("leeway %s is not between 0 and %s", o.Leeway, MaxLeeway))
	}
	if strings.Contains(o.AdminScope, " ") || o.AdminScope == webhook.ScopeRead || o.AdminScope == webhook.ScopeWrite {
		bad = append(bad, errors.New("AdminScope is not one scope of its own"))
	}
	return errors.Join(bad...)
}

// Authenticate is a [webhook.AuthenticateFunc]. It reads the header Authorization
// and nothing else.
func (a *Authenticator) Authenticate(r *http.Request) (webhook.Principal, error) {
	given := r.Header.Values("Authorization")
	if len(given) > 1 {
		return webhook.Principal{}, refused(errors.New("more than one Authorization header"))
	}
	scheme, token := "", ""
	if len(given) == 1 {
		scheme, token, _ = strings.Cut(given[0], " ")
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return webhook.Principal{}, errors.New("jwtauth: authenticate: no bearer token")
	}
	return a.Verify(r.Context(), token)
}

// Verify returns the principal that a token stands for. It fails with
// [webhook.ErrInvalidToken], or with [webhook.ErrUnavailable] as long as there are no
// keys to verify it with.
func (a *Authenticator) Verify(ctx context.Context, token string) (webhook.Principal, error) {
	if len(token) > maxToken {
		return webhook.Principal{}, refused(fmt.Errorf("token is longer than %d bytes", maxToken))
	}
	if strings.ContainsAny(token, "\r\n") {
		return webhook.Principal{}, refused(errors.New("token has a line break")) // which base64 would skip
	}
	c := &claims{names: &a.opts}
	_, err := a.parser.ParseWithClaims(token, c, func(t *jwt.Token) (any, error) {
		kid, err := checkHeader(t.Raw)
		if err != nil {
			return nil, err
		}
		fitting, err := a.keys.candidates(ctx, t.Method.Alg(), kid)
		return jwt.VerificationKeySet{Keys: fitting}, err
	})
	if errors.Is(err, webhook.ErrUnavailable) {
		return webhook.Principal{}, fmt.Errorf("jwtauth: verify: %w", err)
	}
	if err != nil {
		return webhook.Principal{}, refused(err)
	}
	return a.principal(c)
}

func refused(reason error) error {
	return fmt.Errorf("jwtauth: verify: %w: %w", webhook.ErrInvalidToken, reason)
}

// principal returns what the claims of a verified token allow.
func (a *Authenticator) principal(c *claims) (webhook.Principal, error) {
	if a.opts.AdminScope != "" && slices.Contains(c.scopes, a.opts.AdminScope) {
		return webhook.Principal{AnyMerchant: true, Subject: c.subject}, nil
	}
	if !id.ValidMerchant(c.merchant) {
		return webhook.Principal{}, refused(errors.New("no merchant's id in the merchant claim"))
	}
	scopes := c.scopes
	if scopes == nil && a.opts.RequireScope {
		scopes = []string{}
	}
	return webhook.Principal{MerchantID: c.merchant, Subject: c.subject, Scopes: scopes}, nil
}

// checkHeader reads a token's header strictly and returns the kid. The parser of
// golang-jwt is not strict enough: of two members with one name, it takes the last.
func checkHeader(token string) (kid string, err error) {
	segment, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		return "", err
	}
	fields, err := strictjson.Object(text, strictjson.Limits{})
	if err != nil {
		return "", fmt.Errorf("header: %w", err)
	}
	for _, f := range fields {
		switch name := string(f.Name); name {
		case "crit": // We support no extension that it could name (RFC 7515, section 4.1.11).
			return "", errors.New("header has crit")
		case "jku", "jwk", "x5u", "x5c":
			return "", fmt.Errorf("header brings a key of its own, %s", name)
		case "typ":
			// Tokens for other purposes, as for logging out, say so (RFC 8725, section 3.11).
			typ, _ := strictjson.String(f.Value)
			typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
			if typ != "jwt" && typ != "at+jwt" {
				return "", errors.New("header has a typ other than JWT and at+jwt")
			}
		case "kid":
			if kid, _ = strictjson.String(f.Value); kid == "" {
				return "", errors.New("header has a kid that is empty or no string")
			}
		}
	}
	return kid, nil
}
