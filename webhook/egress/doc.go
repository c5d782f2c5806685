// Package egress sends requests to URLs that strangers typed in. It holds the
// rules for such a URL, a transport that reaches public addresses only, and one
// way to post and to read the answer that a hostile receiver cannot turn
// against the sender.
//
//	out, err := egress.New(nil)
//	url, err := out.CheckURL(typed)                                    // at registration
//	resp, err := egress.Post(ctx, out.Transport(), url, header, body)  // for each attempt
//
// # Guarantees
//
// A URL is checked twice. [Egress.CheckURL] refuses at registration whatever
// cannot be a public https endpoint, and says why in words for the person who
// typed it. The transport checks again when it connects: first the host, then
// every address that the host resolves to, and last the very address that the
// kernel is about to connect to. A name that changes its address between
// registration and delivery, or between two look-ups, therefore gains nothing.
// What cannot be checked is refused.
//
// Which addresses are public follows the registries of IANA, plus a few that
// clouds use for their own services. [Options.AllowNetworks] adds private
// networks one by one, [Options.DenyNetworks] takes public ones away.
//
// No environment variable is read, and no proxy used but [Options.Proxy]. That one
// is asked for addresses that were checked here, not for names. Redirects are
// answers, never followed. Connections speak HTTP/1.1 over TLS 1.2 or newer, with
// the system's roots unless [Options.RootCAs] says otherwise; there is no way to
// switch certificate checks off.
//
// The status line decides about an attempt. Of the body at most 4 KiB are
// read, for at most two seconds, and nothing in it can fail an attempt, stall
// it or grow the process. Response headers end at 32 KiB.
//
// What went wrong is told as a [Code]. Codes name the step that failed and hold
// no address, no byte of the peer and no error text, so that a delivery log
// does not become a port scanner for those who can read it. What fails on this
// side, the proxy among it, is no code and counts against no receiver.
//
// # Limits
//
// The rules hold for the transport of [Egress.Transport]. [Post] works with any
// http.RoundTripper, and with another one the caller answers for the addresses.
//
// A receiver that sends more than its response announced makes net/http write
// a line with the quoted surplus to the standard logger of package log.
//
// HTTP/2 is not spoken: on a shared connection a hostile peer can stall the
// streams of others, and deliveries gain nothing from it.
package egress
