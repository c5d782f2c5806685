// Package bareurl writes the URL of a webhook for people to read.
package bareurl

import "net/url"

// Of returns scheme, host and path of a URL: a query or a user may be a secret.
// What is no URL with a host comes out empty.
func Of(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return ""
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return bare.String()
}
