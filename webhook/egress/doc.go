// Package egress sends requests to URLs that strangers typed in. It has rules for
// such a URL, a transport that reaches public addresses only, and a function that
// posts and reads the answer, safe from hostile receivers.
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
// No environment variable is read, and no proxy is used but [Options.Proxy]. It is
// asked for addresses that were checked here, not for names. A redirect is an answer
// and is not followed. Connections speak HTTP/1.1 over TLS 1.2 or newer, with the
// system's roots unless [Options.RootCAs] says otherwise. Certificate checks cannot
// be switched off.
//
// The status line decides about an attempt. At most 4 KiB of the body are read, for
// at most two seconds. No body can fail an attempt, stall it or fill the memory.
// Response headers end at 32 KiB.
//
// A [Code] says what went wrong. It names the step that failed, and holds no
// address, no byte of the peer and no error text, so that nobody can use a delivery
// log as a port scanner. A failure on this side, also of the proxy, has no code and
// counts against no receiver.
//
// # Limits
//
// The rules hold for the transport of [Egress.Transport]. [Post] works with any
// http.RoundTripper. With another one, checking addresses is up to the caller.
//
// A receiver that sends more than its response announced makes net/http write
// a line with the quoted surplus to the standard logger of package log.
//
// HTTP/2 is not spoken: on a shared connection a hostile peer can stall the
// streams of others, and deliveries gain nothing from it.
package egress
