package check

import (
	"context"
	"fmt"

	"whitewater/pkg/harness/observe"
)

// electionSafety: at most one leader is elected in a term (Figure 3, Election Safety), over all incarnations.
//
// Two leaders at once in different terms are legal, also a cut-off one that still believes. The metric
// raft_last_won_term catches winners whose event is missing.
func electionSafety(_ context.Context, run *Run) Finding {
	d := newDocket(run, "election-safety")
	d.needEvents()
	winners := map[uint64]winner{}
	for _, e := range run.byTime() {
		if e.Event == observe.EventRole && e.Role == observe.RoleLeader {
			d.won(winners, e.Term, winner{node: e.Node, inc: e.Inc, mono: e.Mono, source: fmt.Sprintf("event %d of incarnation %s", e.Seq, e.Inc)})
		}
	}
	for _, node := range run.Nodes {
		for _, s := range run.Samples[node] {
			if term := s.Series["raft_last_won_term"]; term > 0 {
				d.won(winners, uint64(term), winner{node: node, mono: s.Mono, source: "raft_last_won_term"})
			}
		}
	}
	return d.conclude("no leader was elected", "%d terms had one leader each", len(winners))
}

// winner of an election, and how we know. inc is "" if a sample told it.
type winner struct {
	node, inc, source string
	mono              int64
}

func (d *docket) won(winners map[uint64]winner, term uint64, w winner) {
	d.saw(1)
	first, ok := winners[term]
	switch {
	case !ok:
		winners[term] = w
	case first.node != w.node:
		d.breach(w.mono, w.node, "%s won term %d (%s), which %s had won at %s (%s)",
			w.node, term, w.source, first.node, d.run.at(first.mono), first.source)
	case w.inc != "" && first.inc != "" && first.inc != w.inc:
		d.breach(w.mono, w.node, "%s won term %d again after a restart (%s; before: %s): it forgot its vote", w.node, term, w.source, first.source)
	}
}
