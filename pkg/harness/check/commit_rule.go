package check

import (
	"context"

	"whitewater/pkg/harness/observe"
)

// commitRule: a leader commits by counting only entries of its current term; older ones follow with them (§5.4.2, Figure 8).
//
// So the last entry of each of a leader's commits is of its own term. What followers commit is not judged.
func commitRule(_ context.Context, run *Run) Finding {
	d := newDocket(run, "commit-rule")
	d.needEvents()
	for _, node := range run.Nodes {
		for _, e := range run.Events[node] {
			if e.Event != observe.EventCommit || e.Role != observe.RoleLeader || len(e.Entries) == 0 {
				continue
			}
			d.saw(1)
			if last := e.Entries[len(e.Entries)-1]; last.Term() != e.Term {
				d.breach(e.Mono, node, "%s, leader of term %d, committed up to entry %d, which is of term %d (event %d of incarnation %s)",
					node, e.Term, e.Last, last.Term(), e.Seq, e.Inc)
			}
		}
	}
	return d.conclude("no leader committed anything", "%d commits by leaders, each up to an entry of its own term", d.seen)
}
