package redisstore

import (
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// shard is a part of the data that lives on one node: what its keys begin with,
// and the keys that every script takes first and last.
type shard struct {
	prefix string
	id     string // the key that holds the id of the layout
	ids    string // what the ids of its deliveries begin with
	group  *group

	patience time.Duration // bounds one call, if it is not 0

	// absent never exists. While a Cluster moves a slot, its keys are on two nodes,
	// and a script would find that some of them are missing, or make them anew
	// beside those that are still to come. A node that moves a slot refuses what
	// names a key that is not there, so this keeps scripts out until the move has
	// ended.
	absent string
}

func makeShards(prefix string, l layout) []shard {
	out := make([]shard, l.shards)
	for i := range out {
		p := fmt.Sprintf("%s:{%02x}:", prefix, i)
		out[i] = shard{
			prefix: p, id: p + "id", ids: fmt.Sprintf("%s%.6s%02x", deliveryPrefix, l.id, i), absent: p + "absent", group: &group{},
		}
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
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(id), "+", "%20"), "~", "%7E")
}

// A delivery's id is made of the store, its shard and its place there: "whdel_", six
// characters of the layout's id, the shard in hex, and in base 36 the number of the
// webhook, '-' and the number of the delivery. So it leads to the record, and an id of
// another store, or of before Redis was emptied, is not known.
const deliveryPrefix = "whdel_"

func (h shard) deliveryID(n, seq int64) string {
	return h.ids + strconv.FormatInt(n, 36) + "-" + strconv.FormatInt(seq, 36)
}

// field is what a delivery's record is found by: see lua/lib.lua.
func field(n, seq int64) string { return strconv.FormatInt(n, 10) + ":" + strconv.FormatInt(seq, 10) }

// place returns the number of the webhook and of the delivery that an id of this
// shard names, or false if it is none.
func (h shard) place(id string) (n, seq int64, ok bool) {
	first, second, _ := strings.Cut(strings.TrimPrefix(id, h.ids), "-")
	n, err1 := strconv.ParseInt(first, 36, 64)
	seq, err2 := strconv.ParseInt(second, 36, 64)
	ok = err1 == nil && err2 == nil && n >= 1 && seq >= 1 && n <= 1<<31 && seq <= 1<<46
	return n, seq, ok && h.deliveryID(n, seq) == id
}
