// Package explain says in words why the signature of a webhook request does not
// verify. It is for a developer's desk and for logs; a receiver verifies with
// package verifier, which answers yes or no and owes nobody a reason.
//
//	report := explain.Explain(r.Header, body, os.Getenv("WEBHOOK_SECRET"))
//	log.Print(report)
//
// It undoes, one or two at a time, what usually happens to requests and secrets on
// their way, and looks whether the signature then matches: the body written again
// by a JSON parser, a line break at its end, another character set, a secret in
// quotes, a key that was decoded or should have been. What it finds so is proven,
// and marked as a [Finding.Cause]. The rest are observations.
//
// A secret may be "whsec_…" or a public key, "whpk_…"; the first is the one that
// should match.
//
// # Guarantees
//
// A [Report] holds no secret, no signature, expected or received, and nothing of the
// body, in whatever way it is printed. It adds no module to yours.
//
// # Limits
//
// Do not answer a request with its report: it would tell a stranger how close a
// forgery came. Explaining takes thousands of hashes of the body, some milliseconds
// for a small one and seconds for megabytes: do it on request, not for every failure.
// What cannot be undone, such as lost characters or a truncated body, can only be
// observed.
package explain
