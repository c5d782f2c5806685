// Package consume uses the module as its users do: from a module proxy, by `go get`,
// in a fresh module. Its tests are all there is to it.
package consume
