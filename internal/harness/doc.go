// Package harness is what the tests of webhook and of its API share: a service, a
// dispatcher and an endpoint in one bubble of fake time, and each kind of store.
package harness
