package check

import (
	"fmt"
	"hash/maphash"

	"github.com/anishathalye/porcupine"

	"whitewater/pkg/harness/load"
)

// register is one key as a sequential store would hold it: the state of the model, one per key.
type register struct {
	present  bool
	value    string
	revision uint64 // of the last change; 0: present, but changed by a write whose revision nobody was told
}

// observe narrows the state to one whose revision is r; false if it has another. r 0 says nothing.
func (s register) observe(r uint64) (register, bool) {
	if r == 0 || s.revision == r {
		return s, true
	}
	if s.revision != 0 {
		return s, false
	}
	s.revision = r
	return s, true
}

// step is the store's sequential rule for one operation; false if the answer is none it could give.
// Revisions are log indexes, so along one key they grow.
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
		if known && op.Found != s.present {
			return s, false
		}
		if op.Index != 0 && s.revision > op.Index {
			return s, false
		}
		return register{}, true
	}
	return s, false
}

func (s register) get(op load.Operation, known bool) (register, bool) {
	if !known {
		return s, true
	}
	if op.Found != s.present || op.Output != s.value {
		return s, false
	}
	if !s.present {
		return s, true
	}
	return s.observe(op.Revision)
}

func (s register) change(value string, revision uint64) (register, bool) {
	if revision != 0 && s.revision >= revision {
		return s, false
	}
	return register{present: true, value: value, revision: revision}, true
}

// compareAndSet takes the condition as met for an operation of unknown outcome wherever it can be: where it
// is not met the operation changes nothing, and that is also covered by letting it come after all others.
func (s register) compareAndSet(op load.Operation, known bool) (register, bool) {
	met := !s.present
	state := s
	if op.Expect != 0 {
		state, met = s.observe(op.Expect)
		met = met && s.present
	}
	switch {
	case !known && !met:
		return s, true
	case !known || op.Swapped:
		if !met {
			return s, false
		}
		return state.change(op.Input, op.Revision)
	case !s.present: // refused, and rightly so if a revision was demanded; a present one would contradict
		return s, op.Expect != 0 && op.Revision == 0
	case s.revision == 0 && op.Expect != 0 && op.Revision == op.Expect:
		return s, false
	case s.revision == 0:
		return s.observe(op.Revision)
	case s.revision == op.Expect:
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
			return fmt.Sprintf("%s at %d", shorten(s.value), s.revision)
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
