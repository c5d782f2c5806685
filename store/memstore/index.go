package memstore

import "hash/maphash"

// index finds the events of a merchant by id. A map by string would visit each
// string whenever it grows; this one knows the hashes.
type index struct {
	hash  func(string) uint64
	first map[uint64]*event // the others with that hash follow by event.twin
	n     int
}

func newIndex() index {
	seed := maphash.MakeSeed()
	return index{
		hash:  func(id string) uint64 { return maphash.String(seed, id) },
		first: map[uint64]*event{},
	}
}

// find returns the event with that id, or nil.
func (x *index) find(id string) *event {
	e := x.first[x.hash(id)]
	for e != nil && e.id != id {
		e = e.twin
	}
	return e
}

// add makes e known, whose id must not be.
func (x *index) add(e *event) {
	h := x.hash(e.id)
	e.twin = x.first[h]
	x.first[h] = e
	x.n++
}

// remove forgets e, which must be known.
func (x *index) remove(e *event) {
	h := x.hash(e.id)
	at := x.first[h]
	if at == e && e.twin == nil {
		delete(x.first, h)
	} else if at == e {
		x.first[h] = e.twin
	} else {
		for at.twin != e {
			at = at.twin
		}
		at.twin = e.twin
	}
	e.twin = nil
	x.n--
}
