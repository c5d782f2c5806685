package storetest

import (
	"time"

	"github.com/rag-assistant/webhooks/store"
)

const beginPromise = "It answers [SeenNew] if the caller's holder now holds it (also if that holder held it already), [SeenInProgress] if another one does, [SeenDone] with the committed value if it was committed, and [SeenConflict] if it is held or committed with another fingerprint."

func seenCases() []testCase {
	return []testCase{
		{
			name:    "one holder",
			promise: beginPromise,
			run: func(x *trial) {
				s := seenID{x, "scope", x.id("evt")}
				s.begin("one", "", store.SeenNew)
				s.begin("two", "", store.SeenInProgress)
				s.begin("one", "", store.SeenNew)
				s.begin("two", "", store.SeenInProgress)
				other := seenID{x, "scope", x.id("evt")}
				other.begin("two", "", store.SeenNew)
				elsewhere := seenID{x, "another scope", s.id}
				elsewhere.begin("two", "", store.SeenNew)
			},
		},
		{
			name:    "ids apart",
			promise: "An id is held by one holder at a time",
			run: func(x *trial) {
				for i, pair := range [][2]string{{"a", "b:c"}, {"a:b", "c"}, {"a", "b|c"}, {"a|b", "c"}, {"a", "{b}c"}, {"{a", "b}c"}, {"", "a b c"}, {"a b", "c"}, {"a/b", "é\x00"}} {
					seenID{x, pair[0], pair[1]}.begin(nth("holder", i), "", store.SeenNew)
				}
			},
		},
		{
			name:    "committed",
			promise: "CommitSeen marks id as done for ttl and keeps value for later answers.",
			run: func(x *trial) {
				s := seenID{x, "scope", x.id("evt")}
				s.begin("one", "", store.SeenNew)
				s.commit("one", "the \x00 value", nil)
				for _, holder := range []string{"one", "two"} {
					equal(x, "Value for "+holder, string(s.begin(holder, "", store.SeenDone).Value), "the \x00 value")
				}
				x.advance(seenTTL - time.Millisecond)
				s.begin("two", "", store.SeenDone)
				x.advance(2 * time.Millisecond)
				s.begin("two", "", store.SeenNew)
				s.begin("one", "", store.SeenInProgress)
			},
		},
		{
			name:    "empty value",
			promise: "[SeenDone] with the committed value if it was committed",
			run: func(x *trial) {
				s := seenID{x, "scope", x.id("evt")}
				s.begin("one", "", store.SeenNew)
				s.commit("one", "", nil)
				equal(x, "length of the value", len(s.begin("two", "", store.SeenDone).Value), 0)
			},
		},
		{
			name:    "lease ends",
			promise: "An id is held by one holder at a time, until it is committed, forgotten or its lease ends.",
			run: func(x *trial) {
				s := seenID{x, "scope", x.id("evt")}
				s.begin("one", "", store.SeenNew)
				x.advance(seenLease - time.Millisecond)
				s.begin("two", "", store.SeenInProgress)
				x.advance(2 * time.Millisecond)
				s.begin("two", "", store.SeenNew)
				s.begin("one", "", store.SeenInProgress)
				s.commit("one", "late", store.ErrStale)
				s.commit("two", "in time", nil)
				equal(x, "Value", string(s.begin("three", "", store.SeenDone).Value), "in time")
			},
		},
		{
			name:    "commit of what is not held",
			promise: "It fails with [ErrStale] if holder does not hold id any more; committing twice is not an error.",
			run: func(x *trial) {
				s := seenID{x, "scope", x.id("evt")}
				s.commit("one", "never begun", store.ErrStale)
				s.begin("one", "", store.SeenNew)
				s.commit("two", "another's", store.ErrStale)
				x.advance(seenLease + time.Millisecond)
				s.commit("one", "after the lease", store.ErrStale)
				s.begin("one", "", store.SeenNew)
				s.commit("one", "mine", nil)
				s.commit("one", "mine", nil)
				s.commit("two", "another's", store.ErrStale)
				equal(x, "Value", string(s.begin("two", "", store.SeenDone).Value), "mine")
				s.forget("three")
				equal(x, "Value", string(s.begin("two", "", store.SeenDone).Value), "mine")
			},
		},
		{
			name:    "forgotten",
			promise: "ForgetSeen gives id up, so that it can begin again. Only its holder can; for any other it does nothing.",
			run: func(x *trial) {
				s := seenID{x, "scope", x.id("evt")}
				s.forget("one")
				s.begin("one", "", store.SeenNew)
				s.forget("two")
				s.begin("two", "", store.SeenInProgress)
				s.forget("one")
				s.begin("two", "", store.SeenNew)
				s.commit("one", "given up", store.ErrStale)
				s.forget("one")
				s.begin("one", "", store.SeenInProgress)
				s.commit("two", "value", nil)
				s.begin("one", "", store.SeenDone)
			},
		},
		{
			name:    "forget after commit",
			promise: "An id is held by one holder at a time, until it is committed … Only its holder can; for any other it does nothing.",
			run: func(x *trial) {
				s := seenID{x, "scope", x.id("evt")}
				s.begin("one", "", store.SeenNew)
				s.commit("one", "value", nil)
				s.forget("one")
				equal(x, "Value", string(s.begin("two", "", store.SeenDone).Value), "value")
			},
		},
		{
			name:    "fingerprints",
			promise: "[SeenConflict] if it is held or committed with another fingerprint … empty: never a conflict",
			run: func(x *trial) {
				s := seenID{x, "scope", x.id("evt")}
				s.begin("one", "A", store.SeenNew)
				s.begin("two", "A", store.SeenInProgress)
				s.begin("two", "B", store.SeenConflict)
				s.begin("two", "", store.SeenInProgress)
				s.begin("one", "A", store.SeenNew)
				s.commit("one", "value", nil)
				equal(x, "Value", string(s.begin("two", "A", store.SeenDone).Value), "value")
				equal(x, "Value without a fingerprint", string(s.begin("two", "", store.SeenDone).Value), "value")
				equal(x, "length of the value on conflict", len(s.begin("two", "B", store.SeenConflict).Value), 0)
				x.advance(seenTTL + time.Millisecond)
				s.begin("two", "B", store.SeenNew)
				s.begin("three", "A", store.SeenConflict)
				x.advance(seenLease + time.Millisecond)
				s.begin("three", "A", store.SeenNew)
				s.forget("three")
				s.begin("two", "B", store.SeenNew)

				open := seenID{x, "scope", x.id("evt")}
				open.begin("one", "", store.SeenNew)
				open.begin("two", "A", store.SeenInProgress)
				open.commit("one", "value", nil)
				open.begin("two", "A", store.SeenDone)
			},
		},
	}
}

const (
	seenLease = time.Minute
	seenTTL   = 24 * time.Hour
)

// seenID is an id of a scope in a trial.
type seenID struct {
	x         *trial
	scope, id string
}

func (s seenID) begin(holder, fingerprint string, want store.SeenState) store.SeenAnswer {
	s.x.Helper()
	a, err := s.x.st.BeginSeen(s.x.Context(), s.x.tag+s.scope, s.id, store.SeenBegin{Holder: holder, Fingerprint: fingerprint, Lease: seenLease})
	s.x.must(err, "BeginSeen")
	if a.State != want {
		s.x.Errorf("BeginSeen of holder %s with fingerprint %q answers %s, want %s", holder, fingerprint, a.State, want)
	}
	return a
}

func (s seenID) commit(holder, value string, want error) {
	s.x.Helper()
	err := s.x.st.CommitSeen(s.x.Context(), s.x.tag+s.scope, s.id, holder, []byte(value), seenTTL)
	if want != nil {
		s.x.fails("CommitSeen of holder "+holder, err, want)
		return
	}
	s.x.must(err, "CommitSeen of holder "+holder)
}

func (s seenID) forget(holder string) {
	s.x.Helper()
	s.x.must(s.x.st.ForgetSeen(s.x.Context(), s.x.tag+s.scope, s.id, holder), "ForgetSeen of holder "+holder)
}
