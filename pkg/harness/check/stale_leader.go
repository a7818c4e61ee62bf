package check

import (
	"context"
	"slices"

	"whitewater/pkg/harness/observe"
)

// staleLeader: a leader steps down once its calls meet a higher term. One that stays in office for longer than
// five election time-outs after another won a later term, though its calls were answered all that time
// by that node or by a majority, ignores what it is told.
//
// A cut-off leader that still believes is legal, and so is a paused one; lossy links promise nothing. Only
// time in which it is seen to lead on (by its next role event, else by its last sign of life) counts.
func staleLeader(_ context.Context, run *Run) Finding {
	d := newDocket(run, "stale-leader")
	d.needEvents()
	var reigns []reign
	for _, node := range run.Nodes {
		reigns = append(reigns, reignsOf(run.Events[node])...)
	}
	superseded := 0
	for _, old := range reigns {
		d.saw(1)
		if d.overstays(old, reigns) {
			superseded++
		}
	}
	return d.conclude("no leader was elected", "%d leaders, %d of them in office when a later one was elected, none stayed", len(reigns), superseded)
}

// overstays judges one leader and reports whether a later one was elected while it was in office.
func (d *docket) overstays(old reign, reigns []reign) bool {
	end := d.run.endOfReign(old)
	superseded := false
	for _, later := range reigns {
		if later.term <= old.term || later.mono >= end {
			continue
		}
		superseded = true
		if from, to, stayed := d.run.stayedReachable(old, later, end); stayed {
			d.breach(from+d.run.patience(), old.node, "%s stayed leader of term %d for %.1f s though %s led term %d since %s and its calls were answered",
				old.node, old.term, float64(to-from)/1e9, later.node, later.term, d.run.at(later.mono))
			break
		}
	}
	return superseded
}

// endOfReign is when a leader was last seen to lead.
func (r *Run) endOfReign(old reign) int64 {
	if old.until != 0 {
		return old.until
	}
	next := r.End
	last := old.mono
	for _, e := range r.Events[old.node] {
		if e.Inc == old.inc {
			last = max(last, e.Mono)
		} else if e.Mono > old.mono {
			next = min(next, e.Mono)
		}
	}
	for _, s := range r.Samples[old.node] {
		leads := s.Series[observe.Key("raft_role", "role", observe.RoleLeader)] == 1 && uint64(s.Series["raft_term"]) == old.term
		if leads && s.Mono < next {
			last = max(last, s.Mono)
		}
	}
	for _, f := range r.Faults {
		if f.stops() && f.Kind != FaultPause && f.From > old.mono && slices.Contains(r.nodesOf(f), old.node) {
			last = min(last, f.From)
		}
	}
	return min(last, next)
}

// patience is how long a leader may take to hear of a later one.
func (r *Run) patience() int64 { return 5 * int64(r.T) }

// stayedReachable finds the first unbroken time of five election time-outs, after the later leader's
// election, in which the old one led and its calls were answered.
func (r *Run) stayedReachable(old, later reign, end int64) (from, to int64, stayed bool) {
	from = later.mono
	for _, s := range r.spans() {
		if s.to <= later.mono {
			continue
		}
		if !r.answered(s, old.node, later.node) {
			from = s.to
			continue
		}
		if to = min(s.to, end); to-from > r.patience() {
			return from, end, true
		}
	}
	return 0, 0, false
}

// answered reports whether a node's calls reach another one, or a majority, and bring replies back.
func (r *Run) answered(s span, node, other string) bool {
	if s.calls(node, other, false) {
		return true
	}
	reached := func(peer string) bool { return peer == node || s.calls(node, peer, false) }
	return !s.down[node] && !slices.ContainsFunc(s.force, func(c configuration) bool { return !c.majority(reached) })
}
