package check

import (
	"context"
	"fmt"

	"whitewater/pkg/harness/observe"
)

// stateMachineSafety: no two nodes, and no two lives of one, apply (or commit) different entries at an
// index (Figure 3, State Machine Safety); each process applies from entry 1 on, one after the other.
func stateMachineSafety(_ context.Context, run *Run) Finding {
	d := newDocket(run, "state-machine-safety")
	d.needEvents()
	first := map[uint64]application{}
	for _, node := range run.Nodes {
		for _, process := range eventsByProcess(run.Events[node]) {
			applied := uint64(0)
			for _, e := range process {
				if e.Event == observe.EventApply && e.First != applied+1 {
					d.breach(e.Mono, node, "%s applied entry %d after entry %d (event %d of incarnation %s)", node, e.First, applied, e.Seq, e.Inc)
				}
				if e.Event == observe.EventApply {
					applied = e.Last
				}
				if e.Event == observe.EventApply || e.Event == observe.EventCommit {
					d.sameEverywhere(first, e)
				}
			}
		}
	}
	return d.conclude("nothing was applied", "%d entries, each the same wherever it was committed or applied", len(first))
}

// application is the first entry seen at an index.
type application struct {
	mark   observe.Mark
	node   string
	source string
}

func (d *docket) sameEverywhere(first map[uint64]application, e observe.Event) {
	for i, mark := range e.Entries {
		index := e.First + uint64(i)
		if e.Event == observe.EventApply {
			d.saw(1)
		}
		f, seen := first[index]
		if !seen {
			first[index] = application{mark: mark, node: e.Node, source: fmt.Sprintf("%s, event %d of incarnation %s", e.Event, e.Seq, e.Inc)}
			continue
		}
		if f.mark != mark {
			d.breach(e.Mono, e.Node, "entry %d is %v on %s (%s, event %d of incarnation %s) and %v on %s (%s)",
				index, mark, e.Node, e.Event, e.Seq, e.Inc, f.mark, f.node, f.source)
		}
	}
}
