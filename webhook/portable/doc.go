// Package portable says which receivers can verify an event, before it is sent.
//
// RAG Assistant has given its merchants sample receivers in five languages. They parse
// the body, write it again and verify what they have written. So a signature is good
// only if the receiver's own writer makes the same bytes as the sender. For the events
// of RAG Assistant they all do. For events of your own, ask:
//
//	for _, issue := range portable.Check(body) {
//		fmt.Println(issue)
//	}
//
// The body is that of a whole event. Package webhooktest has RequirePortable, which
// does this in a test.
//
// # Guarantees
//
// Check knows how each of the five writes names, texts and numbers. The project's
// interop suite delivers a list of unusual events and a number of random ones to the
// real programs and requires that every one of them does as predicted here.
//
// It takes any bytes, needs linear time, and answers with a sorted list of bounded
// length that holds no value of the event.
//
// # Limits
//
// A receiver that verifies the bytes as they arrived, as everybody should, verifies
// everything that can be published: for it, only what is Refused or Altered counts,
// and the size, for Express.
package portable
