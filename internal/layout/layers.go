// Package layout says on which floor of the house each package stands. Its tests
// say what each may pull in.
package layout

import (
	"slices"
	"strings"
)

// A Layer is one floor. Its packages import those of lower floors only.
type Layer struct {
	Name string

	// Rooms are packages by their path in the module. One that ends in /... is all
	// packages below it that are no rooms of their own.
	Rooms []string
}

// Layers returns the floors, the top one first.
func Layers() []Layer {
	return []Layer{
		{"programs and checks", []string{"examples/...", "internal/..."}},
		{"around the sender", []string{
			"webhook/api", "webhook/portal", "webhook/jwtauth", "webhook/mailnotify", "webhook/otelwebhook", "webhook/otelreceiver", "webhook/inbox", "webhook/transfer", "webhook/webhooktest",
		}},
		{"what its pages and API share", []string{"webhook/internal/webui", "webhook/operator"}},
		{"sender and receiver", []string{"webhook", "webhook/receiver", "verifier/explain", "verifier/provider"}},
		{"what takes a driver", []string{"store/sqlstore/pgx"}},
		{"what they need", []string{"webhook/egress", "webhook/internal/shape", "verifier", "store/memstore", "store/redisstore", "store/sqlstore", "store/outbox", "store/storetest"}},
		{"their parts", []string{"webhook/event", "webhook/internal/vault", "webhook/internal/once", "webhook/portable"}},
		{"leaves", []string{"retry", "signer", "store", "webhook/internal/...", "internal/redistest"}},
		{"the ground", []string{"internal/hidden", "webhook/words"}},
	}
}

// Rooms returns the rooms of all floors, and for each the index of its floor.
func Rooms() (rooms []string, floors []int) {
	for floor, l := range Layers() {
		for _, room := range l.Rooms {
			rooms, floors = append(rooms, room), append(floors, floor)
		}
	}
	return rooms, floors
}

// Find returns the index of the room that a package is in, or -1.
func Find(rooms []string, path string) int {
	if i := slices.Index(rooms, path); i >= 0 {
		return i
	}
	return slices.IndexFunc(rooms, func(room string) bool {
		below, all := strings.CutSuffix(room, "...")
		return all && strings.HasPrefix(path, below)
	})
}
