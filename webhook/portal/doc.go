// Package portal is a developer portal: the pages that a merchant needs to set up webhooks, to see what became of each delivery, and to
// mend an endpoint that fails.
//
//	pages, err := portal.New(svc, authenticate, &portal.Options{Title: "Acme"})
//	mux.Handle("/developers/", http.StripPrefix("/developers", pages))
//
// It works on a [webhook.Service] directly and needs no API beside it. Everything
// comes from the binary: there is no build step and no request to anybody else.
//
// # Login
//
// The host says who asks, with the same function that guards the management API.
// Usually it reads the session cookie that the host's other pages have set. Set
// SameSite=Lax or Strict, HttpOnly and Secure on it; Lax if the login is on another
// site, from where browsers bring no Strict one along. [Options.Login] answers those
// who have none, also by a redirect to another origin. The content security policy
// forbids a form to be redirected there. So a form that is sent after the session has
// ended gets a page that says so, with a link to the login.
//
// A principal with [webhook.ScopeRead] alone sees everything and no form, and what it
// posts is refused. A principal that may act for any merchant chooses one first, or finds
// one in the pages that [Options.Operator] gives it. A merchant's
// pages are below /merchants/{merchantId}/, or the segment of [Options.Words]. Everybody else may use that path for
// their own merchant only.
//
// # Mounting
//
// The portal's own paths begin at "/", so mount it with [http.StripPrefix]. All
// its links are relative: it works under any prefix, and behind a proxy that takes
// a part of the path away, as long as the address of the list ends with a slash.
// [Options.Prefix] is for a router that leaves the path whole.
//
// # In a frame
//
// Pages of [Options.FrameAncestors] may show the portal in a frame, and nobody else.
// Where they are on the portal's own site, as app.example.com and hooks.example.com are,
// browsers bring Lax and Strict cookies along. From another site they bring only a
// cookie with SameSite=None and Secure, which some browsers keep apart for each
// site around it if it is Partitioned, and drop if it is not. Then nothing but
// [Options.CrossOrigin] tells a form of the portal from one of a stranger.
// It need not know the page around the frame: a form in the frame is of the
// portal's own origin. So do not add that page, which could send forms then.
// [Options.Login] is shown in the frame, too.
//
// # Guarantees
//
// A secret is shown in the answer to the form that made it, which no cache keeps,
// and nowhere else; a form that is sent twice, or a page that is loaded again,
// makes no second webhook and shows no secret. Values of headers are never shown.
//
// What an endpoint has answered and what an event holds is text to the pages,
// whatever is in it. The content security policy allows the portal's own files and
// nothing inline.
//
// Forms of other sites are refused, by [http.CrossOriginProtection] and, where a
// browser does not say where a form comes from, always.
//
// Every action works without JavaScript, by keyboard, and with a screen reader.
// With JavaScript, outcomes of tests show as they come, and times show what they are
// locally; with [Options.TimeZone] they show what they are there.
//
// # Limits
//
// Times are UTC first, and in forms alone. The texts are English unless [Options.Words] has others. How many requests somebody makes is the
// host's to limit, with [Options.RateLimit] or before; tests are bounded here and in
// the API together. Serve it with an [http.Server] whose WriteTimeout exceeds
// [Options.TestWait].
package portal
