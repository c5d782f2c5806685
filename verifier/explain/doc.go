// Package explain says in words why the signature of a webhook request does not
// verify. It is for a developer's desk and for logs. A receiver verifies with
// package verifier.
//
//	report := explain.Explain(r.Header, body, os.Getenv("WEBHOOK_SECRET"))
//	log.Print(report)
//
// It knows what usually happens to requests and secrets on their way: a JSON parser
// writes the body again, a program prints it, a line break is added, the character set changes, the
// secret is in quotes, the key was decoded or should have been. It undoes these
// mistakes, one or two at a time, until the signature matches. What it finds in this
// way is proven, and marked as a [Finding.Cause], as is what the middleware of package
// verifier refuses a request for. All else are observations.
//
// A sender with names of its own, or another form of the untimed signature, is described
// by the Wire of the options of [With], and findings speak of it by those names.
//
// [Read] reads a request out of what curl, a browser, a gateway of AWS or ngrok writes down,
// and says where that has lost bytes. A request in a known scheme of another sender, such
// as GitHub's, is told as that.
//
// A secret may be "whsec_…" or a public key, "whpk_…"; the first is the one that
// should match.
//
// # Guarantees
//
// A [Report] holds no secret, no signature (expected or received) and nothing of the
// body, however it is printed. Importing the package adds no module to a go.mod.
//
// # Limits
//
// Do not answer a request with its report: it would tell a stranger how close a
// forgery came. Explaining takes thousands of hashes of the body: some milliseconds
// for a small one, seconds for megabytes. So do it on request, not for every failure.
// Lost characters and a truncated body cannot be undone, only observed.
package explain
