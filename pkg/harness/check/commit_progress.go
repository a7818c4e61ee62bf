package check

import (
	"cmp"
	"context"
	"slices"
	"time"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// commitProgress: the commit index moves while a majority is connected and clients write.
//
// Progress is demanded within ten election time-outs (at least five seconds: a busy machine stalls too), in a time
// without a change of faults, of a majority whose members all call one another over whole links, and only
// while writes were being attempted on it. Time without a majority, with lossy links alone, or without load is not judged.
func commitProgress(_ context.Context, run *Run) Finding {
	d := newDocket(run, "commit-progress")
	limit := int64(max(10*run.T, 5*time.Second))
	moves := run.commitMoves()
	for _, s := range run.spans() {
		if len(run.core(s, true)) > 0 {
			d.saw(movesWithin(moves, s.from, s.to))
		}
		core := run.core(s, false)
		if len(core) == 0 {
			continue
		}
		demand := run.demand(core)
		for _, stall := range gaps(moves, s.from, s.to) {
			for _, busy := range demand {
				from, to := max(stall.from, busy.from), min(stall.to, busy.to)
				if to-from > limit {
					d.breach(from+limit, "", "no commit for %.1f s while %v were connected and clients wrote; the commit index stood at %d",
						float64(to-from)/1e9, sortedKeys(core), stall.index)
				}
			}
		}
	}
	if len(moves) == 0 {
		return d.conclude("no commit event and no sample of raft_commit_index", "")
	}
	return d.conclude("the commit index never moved while a majority was connected",
		"the commit index moved to %d", moves[len(moves)-1].index)
}

// move is a moment at which the cluster's commit index was seen to be higher than before.
type move struct {
	mono  int64
	index uint64
}

// commitMoves are all of them, by events and by samples.
func (r *Run) commitMoves() []move {
	var seen []move
	for _, node := range r.Nodes {
		for _, e := range r.Events[node] {
			if e.Event == observe.EventCommit || e.Event == observe.EventInstall {
				seen = append(seen, move{e.Mono, e.Last})
			}
		}
		for _, s := range r.Samples[node] {
			if index, ok := s.Series["raft_commit_index"]; ok {
				seen = append(seen, move{s.End(), uint64(index)})
			}
		}
	}
	slices.SortFunc(seen, func(a, b move) int { return cmp.Or(cmp.Compare(a.mono, b.mono), cmp.Compare(a.index, b.index)) })
	highest := uint64(0)
	return slices.DeleteFunc(seen, func(m move) bool {
		higher := m.index > highest
		highest = max(highest, m.index)
		return !higher
	})
}

func movesWithin(moves []move, from, to int64) int {
	n := 0
	for _, m := range moves {
		if m.mono > from && m.mono <= to {
			n++
		}
	}
	return n
}

// gap is a time without a move, with the index at which it stood.
type gap struct {
	from, to int64
	index    uint64
}

func gaps(moves []move, from, to int64) []gap {
	g := gap{from: from}
	var all []gap
	for _, m := range moves {
		switch {
		case m.mono <= from:
			g.index = m.index
		case m.mono < to:
			g.to = m.mono
			all = append(all, g)
			g = gap{from: m.mono, index: m.index}
		}
	}
	g.to = to
	return append(all, g)
}

// demand are the times during which writes were being attempted on nodes of the core, without a pause of a second.
func (r *Run) demand(core map[string]bool) []gap {
	var busy []gap
	for _, op := range r.History {
		if !op.Kind.Write() {
			continue
		}
		if len(op.Attempts) == 0 { // it never got as far as a session
			busy = append(busy, gap{from: op.Call, to: op.Ended()})
		}
		for _, a := range op.Attempts {
			if core[a.Node] {
				busy = append(busy, gap{from: a.Call, to: a.Return})
			}
		}
	}
	slices.SortFunc(busy, func(a, b gap) int { return cmp.Compare(a.from, b.from) })
	var merged []gap
	for _, b := range busy {
		last := len(merged) - 1
		if last >= 0 && b.from <= merged[last].to+int64(time.Second) {
			merged[last].to = max(merged[last].to, b.to)
			continue
		}
		merged = append(merged, b)
	}
	return slices.DeleteFunc(merged, func(b gap) bool { return b.to == load.Forever })
}
