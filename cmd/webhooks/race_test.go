//go:build race

package main

// withSQLite: the driver takes minutes to build with the race detector.
const withSQLite = false
