//go:build !race

package main

import _ "modernc.org/sqlite" // the driver "sqlite", which takes minutes to build with the race detector
