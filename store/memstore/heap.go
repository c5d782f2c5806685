package memstore

// key orders what waits: by time, and within a millisecond by age.
type key struct {
	at  int64 // Unix milliseconds
	seq uint64
}

func (k key) before(o key) bool {
	return k.at < o.at || k.at == o.at && k.seq < o.seq
}

// heap is a priority queue whose members know their place in it, so that each
// can be moved and removed. A node has four children, which halves the depth
// and keeps siblings in one or two cache lines.
type heap[T any] struct {
	// place returns where a member keeps 1 + its index in nodes; 0 says that it
	// is no member.
	place func(T) *int32
	nodes []node[T]
}

type node[T any] struct {
	key
	v T
}

// top returns the first member, or false if there is none.
func (h *heap[T]) top() (node[T], bool) {
	if len(h.nodes) == 0 {
		return node[T]{}, false
	}
	return h.nodes[0], true
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
		h.nodes = append(h.nodes, node[T]{k, v})
		h.up(len(h.nodes) - 1)
		return
	}
	old := h.nodes[i].key
	h.nodes[i].key = k
	switch {
	case k.before(old):
		h.up(i)
	case old.before(k):
		h.down(i)
	}
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
	if i == last {
		return
	}
	h.nodes[i] = moved
	if i > 0 && moved.before(h.nodes[(i-1)/4].key) {
		h.up(i)
	} else {
		h.down(i)
	}
}

func (h *heap[T]) up(i int) {
	n := h.nodes[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !n.before(h.nodes[parent].key) {
			break
		}
		h.put(i, h.nodes[parent])
		i = parent
	}
	h.put(i, n)
}

func (h *heap[T]) down(i int) {
	n := h.nodes[i]
	for {
		least := 4*i + 1
		if least >= len(h.nodes) {
			break
		}
		for c := least + 1; c < min(4*i+5, len(h.nodes)); c++ {
			if h.nodes[c].before(h.nodes[least].key) {
				least = c
			}
		}
		if !h.nodes[least].before(n.key) {
			break
		}
		h.put(i, h.nodes[least])
		i = least
	}
	h.put(i, n)
}

func (h *heap[T]) put(i int, n node[T]) {
	h.nodes[i] = n
	*h.place(n.v) = int32(i + 1) //nolint:gosec // 2^31 members would be 50 GB
}
