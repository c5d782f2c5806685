package explain

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/verifier/explain"
	"github.com/rag-assistant/webhooks/verifier/provider"
)

// judged says what package provider says of a request, if that has headers of another sender
// whose scheme it knows. url is the address as that sender calls it.
func judged(c *explain.Capture, at time.Time, url string, secrets []string) (text string, verified, known bool) {
	schemes := provider.Schemes()
	i := slices.IndexFunc(schemes, func(s provider.Scheme) bool { return sends(s, c.Header) })
	if i < 0 {
		return "", false, false
	}
	name := schemes[i].Name
	if len(secrets) == 0 {
		return fmt.Sprintf("The request has headers of %s. Set WEBHOOK_SECRET to the secret that it shows.\n", name), false, true
	}
	v, err := provider.New(schemes[i], secrets[0], &provider.Options{
		OtherSecrets: secrets[1:], URL: url, Now: func() time.Time { return at },
	})
	switch {
	case err == nil && c.Lost != "":
		err = errors.New(c.Lost)
	case err == nil:
		_, err = v.Verify(c.Header, c.Body)
	}
	if err != nil {
		return fmt.Sprintf("The request has headers of %s, and does not verify as one of them:\n  %v\n", name, err), false, true
	}
	return fmt.Sprintf("The request verifies as one of %s.\n", name), true, true
}

// sends reports whether a request has headers that are a sender's own.
func sends(s provider.Scheme, h http.Header) bool {
	if s.Name == "standardwebhooks" || s.Name == "svix" {
		return false // Package verifier takes these.
	}
	return slices.ContainsFunc(slices.Concat(s.Signature, s.Timestamp, s.ID, s.Type), func(f provider.Field) bool {
		return f.Header != "" && h.Get(f.Header) != ""
	})
}
