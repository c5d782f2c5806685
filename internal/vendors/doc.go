// Package vendors holds package provider to the libraries that the senders publish for Go.
// Each request goes to a receiver over HTTP, where the sender's library and ours judge the
// same bytes. One table has both verdicts. A second test lets both judge random messages.
//
// It is a module of its own: the senders' libraries stay out of the go.mod of users. They take a
// minute to compile, so its tests have the build tag interop, and
//
//	make interop
//
// prints the table.
package vendors
