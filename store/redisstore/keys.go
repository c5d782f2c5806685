package redisstore

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// shard is a part of the data that lives on one node: what its keys begin with,
// and the keys that every script takes first and last.
type shard struct {
	prefix string
	ready  string
	group  *group

	patience time.Duration // bounds one call, if it is not 0

	// absent never exists. While a Cluster moves a slot, its keys are on two nodes,
	// and a script would find that some of them are missing, or make them anew
	// beside those that are still to come. A node that moves a slot refuses what
	// names a key that is not there, so this keeps scripts out until the move has
	// ended.
	absent string
}

func makeShards(prefix string, n int) []shard {
	out := make([]shard, n)
	for i := range out {
		p := fmt.Sprintf("%s:{%02x}:", prefix, i)
		out[i] = shard{prefix: p, ready: p + "ready", absent: p + "absent", group: &group{}}
	}
	return out
}

// pick returns the index of the shard of a merchant.
func pick(shards []shard, merchantID string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(merchantID)) // It never fails.
	return int(int64(h.Sum32()) % int64(len(shards)))
}

func metaKey(prefix string) string { return prefix + ":meta" }

func wakeChannel(prefix string) string { return prefix + ":wake" }

func (h shard) event(merchantID, eventID string) string {
	return h.prefix + "e:" + escape(merchantID) + ":" + escape(eventID)
}

func (h shard) seen(scope, id string) string {
	return h.prefix + "seen:" + escape(scope) + ":" + escape(id)
}

// escape writes an id so that no two pairs of ids make one key. lib.lua has the
// same rule.
func escape(id string) string {
	safe := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
	}
	i := 0
	for i < len(id) && safe(id[i]) {
		i++
	}
	if i == len(id) {
		return id
	}
	var b strings.Builder
	for j := range len(id) {
		if safe(id[j]) {
			b.WriteByte(id[j])
		} else {
			fmt.Fprintf(&b, "%%%02X", id[j])
		}
	}
	return b.String()
}

// Deliveries are stored under the 12 bytes that their id writes in hex.
const (
	deliveryPrefix = "whdel_"
	deliveryBytes  = 12
)

// packID returns the bytes of a delivery's id, or false if no delivery has it.
func packID(id string) (string, bool) {
	digits, ok := strings.CutPrefix(id, deliveryPrefix)
	if !ok || len(digits) != 2*deliveryBytes {
		return "", false
	}
	b, err := hex.DecodeString(digits)
	if err != nil || hex.EncodeToString(b) != digits {
		return "", false
	}
	return string(b), true
}

func unpackID(b string) string { return deliveryPrefix + hex.EncodeToString([]byte(b)) }
