package webhook_test

import (
	"context"
	"sync"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
)

// hooked is a store that lets tests stand between a dispatcher and some calls.
// A hook that is nil is not there; one that is not makes the real call itself.
type hooked struct {
	*memstore.Store

	mu     sync.Mutex
	claim  func(context.Context, store.ClaimRequest) (store.Claimed, error)
	finish func(context.Context, []store.Result) ([]store.Finished, error)
	prune  func(context.Context, store.PruneRequest) (store.Pruned, error)
}

func newHooked() *hooked { return &hooked{Store: memstore.New(nil)} }

// change sets and removes hooks while a dispatcher runs.
func (h *hooked) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *hooked) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	h.mu.Lock()
	f := h.claim
	h.mu.Unlock()
	if f == nil {
		f = h.Store.Claim
	}
	return f(ctx, c)
}

func (h *hooked) Finish(ctx context.Context, rs []store.Result) ([]store.Finished, error) {
	h.mu.Lock()
	f := h.finish
	h.mu.Unlock()
	if f == nil {
		f = h.Store.Finish
	}
	return f(ctx, rs)
}

func (h *hooked) Prune(ctx context.Context, p store.PruneRequest) (store.Pruned, error) {
	h.mu.Lock()
	f := h.prune
	h.mu.Unlock()
	if f == nil {
		f = h.Store.Prune
	}
	return f(ctx, p)
}
