//go:build !race

package main

const withSQLite = true
