package check

import (
	"context"

	"whitewater/pkg/harness/observe"
)

// termMonotonic: a node's term never falls, nor over a restart.
//
// A term that a node had merely raised in memory may be forgotten by a kill, rightly: nothing rested on it
// yet. So over a restart only terms count that must have been durable: of a vote, of an election won, of entries
// written, of a snapshot. Within a process every sample counts, and every event that tells the term of its own moment; a vote
// or an append is told once it is durable, perhaps when the term has moved on.
func termMonotonic(_ context.Context, run *Run) Finding {
	d := newDocket(run, "term-monotonic")
	for _, node := range run.Nodes {
		durable := uint64(0)
		for _, l := range run.lives(node) {
			if l.wiped {
				durable = 0
			}
			d.termsClimb(node, l.events, &durable)
		}
		for _, process := range samplesByProcess(run.Samples[node]) {
			d.neverFalls(node, process, "raft_term")
		}
	}
	return d.conclude("no event and no sample of raft_term", "no term fell in %d observations", d.seen)
}

func (d *docket) termsClimb(node string, process []observe.Event, durable *uint64) {
	before := uint64(0)
	for _, e := range process {
		d.saw(1)
		if e.Event == observe.EventStart && e.Term < *durable {
			d.breach(e.Mono, node, "%s restarted in term %d; term %d was durable before (incarnation %s)", node, e.Term, *durable, e.Inc)
		}
		if tellsTerm(e) {
			if e.Term < before {
				d.breach(e.Mono, node, "%s fell from term %d to %d (event %d of incarnation %s)", node, before, e.Term, e.Seq, e.Inc)
			}
			before = e.Term
		}
		*durable = max(*durable, durableTerm(e))
	}
}

// tellsTerm reports whether the event's term was current when it was recorded.
func tellsTerm(e observe.Event) bool {
	switch e.Event {
	case observe.EventStart, observe.EventRole, observe.EventLeader, observe.EventCommit, observe.EventSnapshot:
		return true
	}
	return false
}

// durableTerm is the term that must have been on disk when e was recorded; 0 if e shows none.
func durableTerm(e observe.Event) uint64 {
	switch {
	case e.Event == observe.EventStart,
		e.Event == observe.EventVote,
		e.Event == observe.EventInstall,
		e.Event == observe.EventRole && e.Role == observe.RoleLeader:
		return e.Term
	case e.Event == observe.EventAppend && e.Durable && len(e.Entries) > 0:
		return e.Entries[len(e.Entries)-1].Term()
	case e.Event == observe.EventSnapshot:
		return e.LastTerm
	}
	return 0
}
