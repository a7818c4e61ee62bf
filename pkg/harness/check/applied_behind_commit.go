package check

import (
	"context"

	"whitewater/pkg/harness/observe"
)

// appliedBehindCommit: nothing is applied before it is committed, nor committed before it is in the log:
// lastApplied ≤ commitIndex ≤ last index, in every sample (one snapshot of the node) and in the order of events.
// Nor does a snapshot reach what is not applied (not committed, in samples: a leader's snapshot is installed before it
// is restored), or the log begin behind what its snapshot covers.
func appliedBehindCommit(_ context.Context, run *Run) Finding {
	d := newDocket(run, "applied-behind-commit")
	for _, node := range run.Nodes {
		for _, s := range run.Samples[node] {
			d.ordered(node, s, "raft_applied_index", "raft_commit_index")
			d.ordered(node, s, "raft_commit_index", "raft_last_log_index")
			d.ordered(node, s, "raft_snapshot_index", "raft_commit_index")
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
	committed, applied := uint64(0), uint64(0)
	for _, e := range process {
		switch e.Event {
		case observe.EventCommit:
			committed = max(committed, e.Last)
		case observe.EventApply:
			d.saw(1)
			if e.Last > committed {
				d.breach(e.Mono, node, "%s applied entry %d, committed up to %d (event %d of incarnation %s)", node, e.Last, committed, e.Seq, e.Inc)
			}
			applied = max(applied, e.Last)
		case observe.EventInstall:
			committed, applied = max(committed, e.Last), max(applied, e.Last)
		case observe.EventSnapshot:
			d.saw(1)
			if e.Last > applied {
				d.breach(e.Mono, node, "%s took a snapshot up to entry %d, applied up to %d (event %d of incarnation %s)", node, e.Last, applied, e.Seq, e.Inc)
			}
			if e.First > e.Last {
				d.breach(e.Mono, node, "%s let its log begin behind entry %d, its snapshot ends at %d (event %d of incarnation %s)", node, e.First, e.Last, e.Seq, e.Inc)
			}
		}
	}
}
