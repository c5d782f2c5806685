package memstore

// key orders what waits: by time, and within a millisecond by number.
type key struct {
	at     int64 // Unix milliseconds
	number uint64
}

func (k key) before(o key) bool {
	return k.at < o.at || k.at == o.at && k.number < o.number
}

// heap is a priority queue whose members know their place in it, so that each can be
// moved and removed. A node has four children, which halves the depth and keeps siblings
// in one or two cache lines.
type heap[T any] struct {
	// place returns where a member keeps 1 + its index in nodes. 0 says that it is no
	// member.
	place func(T) *int32
	nodes []node[T]
}

type node[T any] struct {
	key
	v T
}

func newHeap[T any](place func(T) *int32) heap[T] { return heap[T]{place: place} }

// first returns the member with the least key, or the zero value if there is none.
func (h *heap[T]) first() (v T) {
	if len(h.nodes) > 0 {
		v = h.nodes[0].v
	}
	return v
}

// until returns the member with the least key if that is of the given moment or before,
// or the zero value.
func (h *heap[T]) until(at int64) (v T) {
	if len(h.nodes) > 0 && h.nodes[0].at <= at {
		v = h.nodes[0].v
	}
	return v
}

// key returns the key of v, or false if v is no member.
func (h *heap[T]) key(v T) (key, bool) {
	i := *h.place(v)
	if i == 0 {
		return key{}, false
	}
	return h.nodes[i-1].key, true
}

// set makes v a member with the key k, or moves it there.
func (h *heap[T]) set(v T, k key) {
	i := int(*h.place(v)) - 1
	if i < 0 {
		i = len(h.nodes)
		h.nodes = append(h.nodes, node[T]{})
	}
	h.settle(i, node[T]{k, v})
}

// remove takes v out. One that is no member is left alone.
func (h *heap[T]) remove(v T) {
	p := h.place(v)
	i, last := int(*p)-1, len(h.nodes)-1
	if i < 0 {
		return
	}
	*p = 0
	moved := h.nodes[last]
	h.nodes[last] = node[T]{} // The array must not keep what it held.
	h.nodes = h.nodes[:last]
	if i < last {
		h.settle(i, moved)
	}
}

// settle puts n where it belongs: at i, which is free, or above or below it.
func (h *heap[T]) settle(i int, n node[T]) {
	for i > 0 && n.before(h.nodes[(i-1)/4].key) {
		h.put(i, h.nodes[(i-1)/4])
		i = (i - 1) / 4
	}
	for least := h.leastChild(i); least > 0 && h.nodes[least].before(n.key); least = h.leastChild(i) {
		h.put(i, h.nodes[least])
		i = least
	}
	h.put(i, n)
}

// leastChild returns the child of i with the least key, or 0 if i has none.
func (h *heap[T]) leastChild(i int) (least int) {
	for c := 4*i + 1; c < min(4*i+5, len(h.nodes)); c++ {
		if least == 0 || h.nodes[c].before(h.nodes[least].key) {
			least = c
		}
	}
	return least
}

func (h *heap[T]) put(i int, n node[T]) {
	h.nodes[i] = n
	*h.place(n.v) = int32(i + 1) //nolint:gosec // 2^31 members would be 50 GB
}
