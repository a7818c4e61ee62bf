package check

import (
	"math"
	"slices"
)

// span is a time during which the faults in force do not change.
type span struct {
	from, to int64
	down     map[string]bool    // killed or paused
	dead     map[[2]string]bool // a call {caller, callee} gets no reply
	troubled map[[2]string]bool // a call may get none, or late
	force    []configuration    // who the members may be
}

// spans cuts the run wherever a fault begins or ends, or the members change.
func (r *Run) spans() []span {
	cuts := []int64{r.Start, r.End}
	for _, f := range r.Faults {
		for _, t := range []int64{f.From, f.To} {
			if t > r.Start && t < r.End {
				cuts = append(cuts, t)
			}
		}
	}
	all := r.told()
	cuts = append(cuts, r.changes(all)...)
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var spans []span
	for i := range len(cuts) - 1 {
		s := r.spanOf(cuts[i], cuts[i+1])
		s.force = r.inForce(all, s.from, s.to)
		spans = append(spans, s)
	}
	return spans
}

// changes are the moments within the run at which a configuration was first told of that differs from those before.
func (r *Run) changes(all []told) []int64 {
	var moments []int64
	var before []configuration
	for _, t := range all {
		if slices.ContainsFunc(before, t.same) {
			continue
		}
		before = append(before, t.configuration)
		if t.mono > r.Start && t.mono < r.End {
			moments = append(moments, t.mono)
		}
	}
	return moments
}

func (r *Run) spanOf(from, to int64) span {
	s := span{from: from, to: to, down: map[string]bool{}, dead: map[[2]string]bool{}, troubled: map[[2]string]bool{}}
	for _, f := range r.Faults {
		if f.From >= to || f.end() <= from {
			continue
		}
		if f.stops() {
			for _, node := range r.nodesOf(f) {
				s.down[node] = true
			}
		}
		for _, link := range f.Links {
			s.cut(f, link)
		}
	}
	return s
}

// cut notes what one link of a fault means for calls. A one-way cut of packets also takes the replies
// that the caller owes on the callee's own link.
func (s *span) cut(f Fault, link [2]string) {
	into := s.troubled
	if f.Kind == FaultPartition {
		into = s.dead
	}
	into[link] = true
	if f.Direction == DirectionPackets {
		into[[2]string{link[1], link[0]}] = true
	}
}

func (f Fault) end() int64 {
	if f.To == 0 {
		return math.MaxInt64
	}
	return f.To
}

// stops reports whether the fault's nodes do nothing while it is in force.
func (f Fault) stops() bool {
	switch f.Kind {
	case FaultKill, FaultPower, FaultRestart, FaultPause:
		return true
	}
	return false
}

// nodesOf are the nodes that a fault means.
func (r *Run) nodesOf(f Fault) []string {
	if len(f.Nodes) == 0 && slices.Contains(r.Nodes, f.Target) {
		return []string{f.Target}
	}
	return f.Nodes
}

// calls reports whether a's calls reach b and are answered. Over troubled links that is not promised.
func (s span) calls(a, b string, overTroubled bool) bool {
	link := [2]string{a, b}
	return !s.down[a] && !s.down[b] && !s.dead[link] && (overTroubled || !s.troubled[link])
}

// core is every node of a majority whose members all call one another; empty if there is none.
// Progress may be demanded of such a majority alone.
func (r *Run) core(s span, overTroubled bool) map[string]bool {
	core := map[string]bool{}
	for set := range 1 << min(len(r.Nodes), 16) {
		var members []string
		for i, node := range r.Nodes {
			if set&(1<<i) != 0 {
				members = append(members, node)
			}
		}
		if s.majority(members) && s.mutual(members, overTroubled) {
			for _, node := range members {
				core[node] = true
			}
		}
	}
	return core
}

// majority reports whether nodes are one in whatever configuration is in force, and each counts in it.
func (s span) majority(nodes []string) bool {
	for _, c := range s.force {
		strange := func(n string) bool { return !c.counts(n) }
		if slices.ContainsFunc(nodes, strange) || !c.majority(func(n string) bool { return slices.Contains(nodes, n) }) {
			return false
		}
	}
	return true
}

func (s span) mutual(members []string, overTroubled bool) bool {
	for _, a := range members {
		for _, b := range members {
			if a != b && !s.calls(a, b, overTroubled) || s.down[a] {
				return false
			}
		}
	}
	return true
}
