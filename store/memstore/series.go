package memstore

import (
	"iter"
	"strconv"
	"strings"
)

// series holds records under the numbers that it gives them: 1, 2, 3 and so on, in the
// order in which they are made. Adding, finding and removing one takes constant time. A
// number between the oldest record and the youngest takes 8 bytes, also once it is unused.
type series[T any] struct {
	prefix  string // of the ids
	gone    uint64 // numbers before those in records
	records []*T   // nil where one was removed; the first is not
}

// last returns the youngest number.
func (s *series[T]) last() uint64 { return s.gone + uint64(len(s.records)) }

// add gives r the next number.
func (s *series[T]) add(r *T) uint64 {
	s.records = append(s.records, r)
	return s.last()
}

// at returns the record with the number, or nil.
func (s *series[T]) at(number uint64) *T {
	if number <= s.gone || number > s.last() {
		return nil
	}
	return s.records[number-s.gone-1]
}

// remove forgets the record with the number, which must be there.
func (s *series[T]) remove(number uint64) {
	s.records[number-s.gone-1] = nil
	for len(s.records) > 0 && s.records[0] == nil {
		s.records = s.records[1:]
		s.gone++
	}
}

// after walks through the records above the number, oldest first. The caller may remove
// what it is given.
func (s *series[T]) after(number uint64) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := max(number, s.gone) + 1; i <= s.last(); i++ {
			if r := s.at(i); r != nil && !yield(r) {
				return
			}
		}
	}
}

// before walks through the records below the number, youngest first.
func (s *series[T]) before(number uint64) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := number - 1; i > s.gone; i-- {
			if r := s.at(i); r != nil && !yield(r) {
				return
			}
		}
	}
}

// id writes a number as an id, which is also the cursor that goes on after the record.
func (s *series[T]) id(number uint64) string {
	return s.prefix + strconv.FormatUint(number, 10)
}

// number reads an id. It returns false for one that the series has not given out.
func (s *series[T]) number(id string) (uint64, bool) {
	digits, ok := strings.CutPrefix(id, s.prefix)
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil && digits[0] != '0' && n <= s.last()
}
