package check

import (
	"context"

	"whitewater/pkg/harness/observe"
)

// commitMonotonic: a process's commit index never goes back.
//
// After a restart it begins low again, rightly: it is compared within one process alone. An install moves it up to the
// snapshot's end; a snapshot that ends below it is never installed.
func commitMonotonic(_ context.Context, run *Run) Finding {
	d := newDocket(run, "commit-monotonic")
	for _, node := range run.Nodes {
		for _, process := range samplesByProcess(run.Samples[node]) {
			d.neverFalls(node, process, "raft_commit_index")
			d.neverFalls(node, process, "raft_applied_index")
		}
		for _, process := range eventsByProcess(run.Events[node]) {
			d.commitsClimb(node, process)
		}
	}
	return d.conclude("no commit event and no sample of raft_commit_index", "no commit index went back in %d observations", d.seen)
}

func (d *docket) neverFalls(node string, process []observe.Sample, series string) {
	before := 0.0
	for _, s := range process {
		value, ok := s.Series[series]
		if !ok {
			continue
		}
		d.saw(1)
		if value < before {
			d.breach(s.Mono, node, "%s of %s fell from %.0f to %.0f within one process", series, node, before, value)
		}
		before = value
	}
}

func (d *docket) commitsClimb(node string, process []observe.Event) {
	before := uint64(0)
	for _, e := range process {
		switch {
		case e.Event != observe.EventCommit && e.Event != observe.EventInstall:
			continue
		case e.Event == observe.EventCommit && e.First <= before:
			d.breach(e.Mono, node, "%s committed entry %d again after %d (event %d of incarnation %s)", node, e.First, before, e.Seq, e.Inc)
		case e.Event == observe.EventInstall && e.Last <= before:
			d.breach(e.Mono, node, "%s installed a snapshot up to entry %d after it had committed %d (event %d of incarnation %s)", node, e.Last, before, e.Seq, e.Inc)
		}
		d.saw(1)
		before = e.Last
	}
}
