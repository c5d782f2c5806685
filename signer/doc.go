// Package signer turns secrets into webhook signature headers. It imports the
// standard library alone.
//
// Two schemes are written over the same body, with the same secret:
//
//   - The untimed one, which RAG Assistant has promised to its merchants.
//     [HeaderSignature] holds "sha256=" and the lower-case hex of HMAC-SHA256 over
//     the body alone. The key is the whole text of the secret, prefix included. It
//     carries no time and one signature only.
//   - Standard Webhooks (https://www.standardwebhooks.com). [HeaderStandardSignature]
//     holds "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body", once
//     for each secret that is valid now, separated by spaces. The key is the
//     decoded base64 of the secret, or its text if another sender has made it and it
//     does not begin with "whsec_". The time in it ends the replay of an old
//     request, and the list lets a receiver change secrets at leisure.
//
// Standard Webhooks has a second version, for receivers that are not to hold a
// secret: "v1a," and the base64 of an ed25519 signature over the same text. It is
// made with a [PrivateKey], "whsk_…", and verified with the [PublicKey] that belongs
// to it, "whpk_…". [NewAsymmetric] makes such a Signer. It writes no
// [HeaderSignature], which needs a secret.
//
// The names of the headers and the form of the untimed signature are those of the zero
// [Wire]. A sender that has had others, or wants none but Standard Webhooks, says so in
// a Wire, and gives the same one to its receivers: [Signer.AppendUntimed] and
// [Signer.VerifyUntimed] take its form.
//
// A first program:
//
//	secret := signer.NewSecret()           // show secret.Reveal() to the receiver, once
//	s, err := signer.New(secret)           // or signer.New(secret, theOneBefore)
//	header.Set(signer.HeaderSignature, string(s.AppendSignature(nil, body)))
//
// # Guarantees
//
// A [Signer] of secrets allocates nothing per signature beyond what the caller's
// buffer needs, and takes about as long as one SHA-256 over the body and one block
// more: what the key adds is computed once, in [New]. Signatures are compared in
// constant time, and a [Secret] or [PrivateKey] does not show up in what fmt,
// encoding/json or log/slog write; only its Reveal returns it.
//
// # Limits
//
// What is signed must be what is sent, byte for byte: this package neither
// writes nor reads JSON. A secret of another sender has at least 16 characters, of
// which nobody can say how many were chosen at random: rotate it when the receiver
// can. A public key for which anybody can sign is refused. Memory is not wiped: a secret lives until it is collected.
package signer
