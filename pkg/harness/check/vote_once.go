package check

import (
	"context"

	"whitewater/pkg/harness/observe"
)

// voteOnce: a node gives at most one candidate its vote in a term (§5.2), also over restarts, and also if it
// restarted with another memory of it. A node whose disk was wiped is another one, which membership judges.
//
// The same candidate may get it again: its reply was lost. Pre-votes are no votes.
func voteOnce(_ context.Context, run *Run) Finding {
	d := newDocket(run, "vote-once")
	d.needEvents()
	for _, node := range run.Nodes {
		votes := map[uint64]observe.Event{}
		for _, e := range run.Events[node] {
			if e.Event == observe.EventWipe {
				clear(votes)
			}
			if e.Event == observe.EventVote && e.Granted {
				d.vote(votes, e)
			}
			if first, voted := votes[e.Term]; e.Event == observe.EventStart && voted && e.VotedFor != first.Candidate {
				d.breach(e.Mono, node, "%s restarted in term %d with its vote for %q; it had voted for %s (event %d of incarnation %s)",
					node, e.Term, e.VotedFor, first.Candidate, first.Seq, first.Inc)
			}
		}
	}
	return d.conclude("no vote was given", "%d votes, none for a second candidate in its term", d.seen)
}

func (d *docket) vote(votes map[uint64]observe.Event, e observe.Event) {
	d.saw(1)
	first, voted := votes[e.Term]
	if !voted {
		votes[e.Term] = e
		return
	}
	if first.Candidate != e.Candidate {
		d.breach(e.Mono, e.Node, "%s voted for %s in term %d (event %d of incarnation %s) after voting for %s at %s (event %d of incarnation %s)",
			e.Node, e.Candidate, e.Term, e.Seq, e.Inc, first.Candidate, d.run.at(first.Mono), first.Seq, first.Inc)
	}
}
