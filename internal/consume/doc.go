// Package consume uses the module as its users do: from a module proxy, by `go get`,
// in a fresh module. It has tests only.
package consume
