// Package interop delivers to receivers in several languages. They are real programs,
// started as a merchant would start them, registered through the management API and
// reached by a dispatcher.
//
// There are two kinds. Those in reserialising parse the body, write it again, and
// verify that text, as the samples in the integration guide do that RAG Assistant gives
// its merchants. A table says for each kind of payload and each payloadEncoding which
// of them verify it. Those in examples/receivers, examples/frameworks and examples/lambda
// verify the bytes as they arrived, and must verify everything. The predictions of package portable must come true for all
// of these payloads, and for random ones too.
//
// Another test lets this module and the JavaScript library of Standard Webhooks verify
// each other's signatures. The library is installed from npm, by the lock file in
// standard, for the time of the test.
//
// Functions for AWS Lambda get each request as all the events that AWS makes of one, by
// a stand-in for its Runtime API. Workers run in workerd. The frameworks are installed
// from npm by the lock file in frameworks, once for all tests.
//
// It needs Node.js with Express and npm, Python with Flask, PHP, Ruby with Sinatra, a
// JDK, Mono and cargo, and runs with
//
//	make interop
//
// which installs them. The table is printed at the end, and docs/receivers.md must have
// the same one; WEBHOOK_INTEROP_UPDATE=1 writes it there. WEBHOOK_INTEROP_SEED is the
// seed of the random payloads, and WEBHOOK_INTEROP_RANDOM their number.
package interop
