// Package vendors holds package provider to the libraries that the senders publish: each
// message is verified by both, and one table has what they say. It is a module of its own, so
// that no user of this one gets their modules. `make interop` runs it.
package vendors
