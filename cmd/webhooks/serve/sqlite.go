//go:build !race

package serve

import _ "modernc.org/sqlite" // the driver "sqlite", which takes minutes to build with the race detector
