package check

import (
	"context"

	"whitewater/pkg/harness/observe"
)

// appliedBehindCommit: nothing is applied before it is committed, nor committed before it is in the log:
// lastApplied ≤ commitIndex ≤ last index, in every sample (one snapshot of the node) and in the order of events.
func appliedBehindCommit(_ context.Context, run *Run) Finding {
	d := newDocket(run, "applied-behind-commit")
	for _, node := range run.Nodes {
		for _, s := range run.Samples[node] {
			d.ordered(node, s, "raft_applied_index", "raft_commit_index")
			d.ordered(node, s, "raft_commit_index", "raft_last_log_index")
		}
		for _, process := range eventsByProcess(run.Events[node]) {
			d.appliesAfterCommits(node, process)
		}
	}
	return d.conclude("no sample of raft_applied_index and no apply event", "applied ≤ committed ≤ last in %d observations", d.seen)
}

func (d *docket) ordered(node string, s observe.Sample, low, high string) {
	a, okA := s.Series[low]
	b, okB := s.Series[high]
	if !okA || !okB {
		return
	}
	d.saw(1)
	if a > b {
		d.breach(s.Mono, node, "%s shows %s %.0f above %s %.0f", node, low, a, high, b)
	}
}

func (d *docket) appliesAfterCommits(node string, process []observe.Event) {
	committed := uint64(0)
	for _, e := range process {
		switch e.Event {
		case observe.EventCommit:
			committed = max(committed, e.Last)
		case observe.EventApply:
			d.saw(1)
			if e.Last > committed {
				d.breach(e.Mono, node, "%s applied entry %d, committed up to %d (event %d of incarnation %s)", node, e.Last, committed, e.Seq, e.Inc)
			}
		}
	}
}
