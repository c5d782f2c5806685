package jwtauth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

// claims are the claims that are used. The parser fills them before it has verified
// the signature, so they must not be trusted until then.
type claims struct {
	names *Options

	expires, notBefore, issued *jwt.NumericDate
	issuer, subject            string
	audience                   []string
	merchant                   string
	scopes                     []string // nil: the token has no such claim
}

var _ jwt.Claims = (*claims)(nil)

// UnmarshalJSON reads the claims and refuses those that are not of their type.
func (c *claims) UnmarshalJSON(text []byte) error {
	fields, err := strictjson.Object(text, strictjson.Limits{})
	if err != nil {
		return err
	}
	var bad [3]error
	c.expires, bad[0] = date(fields, "exp")
	c.notBefore, bad[1] = date(fields, "nbf")
	c.issued, bad[2] = date(fields, "iat")
	if err := errors.Join(bad[:]...); err != nil {
		return err
	}
	var ok bool
	if value := fields.Get("iss"); value != nil {
		if c.issuer, ok = strictjson.String(value); !ok {
			return errors.New("iss is not a string")
		}
	}
	if value := fields.Get("aud"); value != nil {
		if c.audience, ok = oneOrMore(value); !ok {
			return errors.New("aud is neither a string nor an array of strings")
		}
	}
	c.subject, _ = strictjson.String(fields.Get("sub"))
	c.merchant, _ = strictjson.String(fields.Get(c.names.MerchantClaim))
	return c.readScopes(fields)
}

// readScopes sets scopes, to nil only if there is no scope claim.
func (c *claims) readScopes(fields strictjson.Fields) error {
	value := fields.Get(c.names.ScopeClaim)
	if c.names.ScopeClaim == "" {
		if value = fields.Get("scope"); value == nil {
			value = fields.Get("scp")
		}
	}
	if value == nil {
		return nil
	}
	c.scopes = []string{}
	if s, ok := strictjson.String(value); ok {
		c.scopes = append(c.scopes, strings.Split(s, " ")...)
		return nil
	}
	all, ok := texts(value)
	if !ok {
		return errors.New("the scopes are neither a string nor an array of strings")
	}
	c.scopes = append(c.scopes, all...)
	return nil
}

func oneOrMore(value []byte) ([]string, bool) {
	if s, ok := strictjson.String(value); ok {
		return []string{s}, true
	}
	return texts(value)
}

// lastSecond is the end of the year 9999. A larger number is no time in seconds.
const lastSecond = 253402300799

// date reads a NumericDate (RFC 7519, section 2), whole seconds only. It returns
// nil if there is none.
func date(fields strictjson.Fields, name string) (*jwt.NumericDate, error) {
	value := fields.Get(name)
	if value == nil {
		return nil, nil
	}
	n, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil || n > lastSecond {
		return nil, fmt.Errorf("%s is not a time in whole seconds since 1970", name)
	}
	return &jwt.NumericDate{Time: time.Unix(int64(n), 0)}, nil
}

// GetExpirationTime returns exp.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.expires, nil }

// GetNotBefore returns nbf.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.notBefore, nil }

// GetIssuedAt returns iat.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.issued, nil }

// GetIssuer returns iss.
func (c *claims) GetIssuer() (string, error) { return c.issuer, nil }

// GetSubject returns sub.
func (c *claims) GetSubject() (string, error) { return c.subject, nil }

// GetAudience returns aud.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return c.audience, nil }
