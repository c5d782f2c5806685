// Package interop delivers to receivers in the languages of the integration guide:
// real programs, started as a merchant would, registered through the management API,
// reached by a dispatcher.
//
// There are two kinds. Those in reserialising verify what their own JSON writer makes
// of the parsed body, as the samples of the guide do; for each kind of payload and
// each payloadEncoding a table says which of them verify it, and for which nothing
// can. Those in examples/receivers verify the bytes as they arrived, and have to
// verify everything. What package portable predicts has to come true for all of it,
// and for a number of random payloads too.
//
// Beside that, signatures of this module and of the JavaScript library of Standard
// Webhooks are verified by the other side. That one is installed from npm, by the
// lock file in standard, for the time of the test.
//
// It needs Node.js with Express and npm, Python with Flask, PHP, Ruby with Sinatra and
// a JDK, and runs with
//
//	make interop
//
// which installs them. The table is printed at the end. That in docs/receivers.md has
// to be the same; WEBHOOK_INTEROP_UPDATE=1 writes it there. WEBHOOK_INTEROP_SEED is the
// seed of the random payloads, and WEBHOOK_INTEROP_RANDOM their number.
package interop
