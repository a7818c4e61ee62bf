package check

import (
	"fmt"
	"hash/maphash"

	"github.com/anishathalye/porcupine"

	"whitewater/pkg/harness/load"
)

// register is one key as a sequential store would hold it: the state of the model, one per key.
//
// Revisions are log indexes, so along one key they grow. A write of unknown outcome took one that nobody was
// told; then only a bound is known, until somebody sees it.
type register struct {
	present bool
	value   string
	floor   uint64 // the revision of the last change if exact, else it is above this
	exact   bool
}

// observe narrows the state to one whose revision is r; false if it has another. r 0 says nothing.
func (s register) observe(r uint64) (register, bool) {
	switch {
	case r == 0:
		return s, true
	case s.exact:
		return s, s.floor == r
	case r <= s.floor:
		return s, false
	}
	s.floor, s.exact = r, true
	return s, true
}

// may reports whether the revision can be r.
func (s register) may(r uint64) bool {
	_, ok := s.observe(r)
	return ok && s.present
}

// change is the state after a write that was told revision r, or was told none.
func (s register) change(value string, r uint64) (register, bool) {
	next := register{present: true, value: value, floor: s.floor}
	if r == 0 {
		return next, true
	}
	next.floor, next.exact = r, true
	return next, r > s.floor
}

// step is the store's sequential rule for one operation; false if the answer is none it could give.
func (s register) step(op load.Operation) (register, bool) {
	known := op.Outcome == load.OK
	switch op.Kind {
	case load.Get:
		return s.get(op, known)
	case load.Put:
		return s.change(op.Input, op.Revision)
	case load.Append:
		return s.change(s.value+op.Input, op.Revision)
	case load.CAS:
		return s.compareAndSet(op, known)
	case load.Delete:
		return s.remove(op, known)
	}
	return s, false
}

func (s register) get(op load.Operation, known bool) (register, bool) {
	switch {
	case !known:
		return s, true
	case op.Found != s.present || op.Output != s.value:
		return s, false
	case !s.present:
		return s, true
	}
	return s.observe(op.Revision)
}

func (s register) remove(op load.Operation, known bool) (register, bool) {
	switch {
	case !known:
		return register{floor: s.floor}, true
	case op.Found != s.present:
		return s, false
	case !s.present:
		return s, true
	case op.Revision == 0:
		return register{floor: s.floor}, true
	}
	return register{floor: op.Revision}, op.Revision > s.floor
}

// compareAndSet takes the condition as met for an operation of unknown outcome wherever it can be: where it
// is not met the operation changes nothing, and that is also covered by letting it come after all others.
func (s register) compareAndSet(op load.Operation, known bool) (register, bool) {
	met := !s.present
	if op.Expect != 0 {
		met = s.may(op.Expect)
	}
	switch {
	case !known && !met:
		return s, true
	case !known || op.Swapped:
		if s.present {
			s, _ = s.observe(op.Expect)
		}
		next, grows := s.change(op.Input, op.Revision)
		return next, met && grows
	case !s.present: // refused: rightly if it demanded a revision, and if it was not told of another
		return s, op.Expect != 0 && op.Revision == 0
	case op.Expect != 0 && (s.exact && s.floor == op.Expect || op.Revision == op.Expect):
		return s, false
	}
	return s.observe(op.Revision)
}

var registerSeed = maphash.MakeSeed()

// model is the register for porcupine. It asks the budget at each step: once that is spent, no step is
// possible, the search ends soon, and its result counts for nothing.
func model(b *budget) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return register{} },
		Step: func(state, input, _ any) (bool, any) {
			if b.spent() {
				return false, state
			}
			next, ok := state.(register).step(input.(load.Operation))
			return ok, next
		},
		Equal: func(a, b any) bool { return a.(register) == b.(register) },
		Hash: func(state any) uint64 {
			return maphash.Comparable(registerSeed, state.(register))
		},
		DescribeOperation: func(input, _ any) string { return describe(input.(load.Operation)) },
		DescribeState: func(state any) string {
			s := state.(register)
			if !s.present {
				return "absent"
			}
			if !s.exact {
				return fmt.Sprintf("%s, after %d", shorten(s.value), s.floor)
			}
			return fmt.Sprintf("%s at %d", shorten(s.value), s.floor)
		},
	}
}

// describe writes an operation and its answer in one line.
func describe(op load.Operation) string {
	call := fmt.Sprintf("%s(%s", op.Kind, op.Key)
	switch op.Kind {
	case load.Put, load.Append:
		call += ", " + op.Input
	case load.CAS:
		call += fmt.Sprintf(", %s if at %d", op.Input, op.Expect)
	}
	call += ")"
	switch {
	case op.Outcome != load.OK:
		return call + " -> " + string(op.Outcome)
	case op.Kind == load.Get && !op.Found:
		return call + " -> absent"
	case op.Kind == load.Get:
		return fmt.Sprintf("%s -> %s at %d", call, shorten(op.Output), op.Revision)
	case op.Kind == load.CAS && !op.Swapped:
		return fmt.Sprintf("%s -> refused, it is at %d", call, op.Revision)
	}
	return fmt.Sprintf("%s -> at %d", call, op.Revision)
}

// shorten keeps the end of a long value, where the last append stands.
func shorten(value string) string {
	const most = 60
	if len(value) <= most {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("…%q", value[len(value)-most:])
}
