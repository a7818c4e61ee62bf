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
}

// spans cuts the run wherever a fault begins or ends.
func (r *Run) spans() []span {
	cuts := []int64{r.Start, r.End}
	for _, f := range r.Faults {
		for _, t := range []int64{f.From, f.To} {
			if t > r.Start && t < r.End {
				cuts = append(cuts, t)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var spans []span
	for i := range len(cuts) - 1 {
		spans = append(spans, r.spanOf(cuts[i], cuts[i+1]))
	}
	return spans
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
		if r.isMajority(func(n string) bool { return slices.Contains(members, n) }) && s.mutual(members, overTroubled) {
			for _, node := range members {
				core[node] = true
			}
		}
	}
	return core
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
