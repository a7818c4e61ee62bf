package sim

import (
	"fmt"
	"hash/fnv"
	"reflect"
)

// Shrink looks for the least plan that breaks the same promise as plan does: first in faults, then in requests, then in
// what runs and how. It makes at most runs runs and is one function of its arguments. progress is told what came of each
// pass; it may be nil. If plan breaks no promise, it comes back as it is.
func Shrink(o Options, plan Plan, runs int, progress func(string)) (Plan, Report) {
	o.Trace = nil
	return shrink(func(p Plan) Report { return Run(o, p) }, plan, runs, progress)
}

func shrink(run func(Plan) Report, plan Plan, runs int, progress func(string)) (Plan, Report) {
	s := &shrinker{run: run, left: runs - 1, tried: map[uint64]bool{}, plan: plan, report: run(plan)}
	if s.report.Failure == nil {
		return plan, s.report
	}
	s.tried[key(plan)] = true
	if progress == nil {
		progress = func(string) {}
	}
	for round := 1; ; round++ {
		before := s.accepted
		for _, pass := range passes {
			accepted := s.accepted
			pass.do(s)
			if s.accepted != accepted {
				progress(fmt.Sprintf("round %d, %s: %s left, %d runs", round, pass.name, size(s.plan), runs-s.left))
			}
		}
		if s.left <= 0 || s.accepted == before && s.fine {
			return s.plan, s.report
		}
		s.fine = s.accepted == before
	}
}

func size(p Plan) string {
	return fmt.Sprintf("%s, %s, %s", counted(len(p.Faults), "fault"), counted(len(p.Requests), "request"), counted(p.Nodes+p.Spares, "node"))
}

// shrinker holds the least plan found so far.
type shrinker struct {
	run      func(Plan) Report
	left     int             // runs
	tried    map[uint64]bool // plans, by key
	accepted int
	fine     bool // single elements are tried, of however many: once nothing coarser helps

	plan   Plan
	report Report // of plan
}

// passes are made one after another, as long as one of them achieves something.
var passes = []struct {
	name string
	do   func(*shrinker)
}{
	{"the end", (*shrinker).cutEnd},
	{"faults", (*shrinker).dropFaults},
	{"requests", (*shrinker).dropRequests},
	{"nodes", (*shrinker).dropNodes},
	{"settings", (*shrinker).calm},
	{"faults' own", (*shrinker).easeFaults},
	{"time", (*shrinker).closeGaps},
	{"seeds", (*shrinker).reseed},
}

// otherSeeds are what a plan is tried with that no longer fails: what it left out has moved the fates of the rest.
var otherSeeds = []uint64{1, 2, 3}

// manySeeds are for changes that move everything and are worth it.
var manySeeds = []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

// accept takes a plan over if it breaks the same promise, under its own seed or another.
func (s *shrinker) accept(p Plan) bool { return s.acceptUnder(p, otherSeeds) }

func (s *shrinker) acceptUnder(p Plan, seeds []uint64) bool {
	if reflect.DeepEqual(p, s.plan) {
		return false
	}
	if s.acceptAsIs(p) {
		return true
	}
	for _, seed := range seeds {
		p.Seed = seed
		if s.acceptAsIs(p) {
			return true
		}
	}
	return false
}

func (s *shrinker) acceptAsIs(p Plan) bool {
	report, ok := s.fails(p)
	if ok {
		s.plan, s.report = p, report
		s.accepted++
	}
	return ok
}

// fails runs a plan that was not run before.
func (s *shrinker) fails(p Plan) (Report, bool) {
	k := key(p)
	if s.left <= 0 || s.tried[k] {
		return Report{}, false
	}
	s.tried[k] = true
	s.left--
	report := s.run(p)
	return report, report.Failure != nil && report.Failure.Check == s.report.Failure.Check
}

func key(p Plan) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%#v", p)
	return h.Sum64()
}
