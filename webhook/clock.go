package webhook

import (
	"context"
	"fmt"
	"time"
)

// maxSkew is how far this process's clock may be from the store's. Receivers refuse a
// signature whose time is five minutes off, and some are stricter.
const maxSkew = time.Minute

// compareClocks notes a clock that differs from the store's, whose answer has a time
// between asked and now.
func (r *run) compareClocks(ctx context.Context, asked, stores, now time.Time) {
	var off time.Duration
	if ahead := asked.Sub(stores); ahead > maxSkew {
		off = ahead
	} else if behind := now.Sub(stores); behind < -maxSkew {
		off = behind
	}
	if had := r.skewed.Swap(off != 0); off == 0 && !had {
		return
	}
	if off == 0 {
		r.trouble(ctx, "clock", nil)
		return
	}
	r.trouble(ctx, "clock", fmt.Errorf("this machine's clock is %s %s the store's; receivers may refuse its signatures, so 401 and 403 do not count",
		off.Abs().Round(time.Second), map[bool]string{true: "ahead of", false: "behind"}[off > 0]))
}
