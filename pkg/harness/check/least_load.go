package check

import (
	"context"
	"fmt"

	"whitewater/pkg/harness/load"
)

// leastLoad: the run was worth judging: enough operations succeeded, each kind that was tried at least once, and
// each fault did at least what the scenario says it must. A run below that is unknown, never a fail.
func leastLoad(_ context.Context, run *Run) Finding {
	d := newDocket(run, "load")
	ok, tried, total := map[load.Kind]int{}, map[load.Kind]bool{}, 0
	for _, op := range run.History {
		if op.Final {
			continue
		}
		tried[op.Kind] = true
		if op.Outcome == load.OK {
			ok[op.Kind]++
			total++
		}
	}
	d.saw(total)
	if total < run.Expect.MinOKTotal {
		d.doubt("%d operations succeeded, at least %d must", total, run.Expect.MinOKTotal)
	}
	for _, kind := range load.Kinds() {
		least := run.Expect.MinOK[kind]
		if tried[kind] {
			least = max(least, 1)
		}
		if ok[kind] < least {
			d.doubt("%d operations of kind %s succeeded, at least %d must", ok[kind], kind, least)
		}
	}
	for _, f := range run.Faults {
		for _, name := range sortedKeys(f.MinEffect) {
			if got, least := f.Effect[name], f.MinEffect[name]; got < least {
				d.doubt("%s from %s had too little effect: %s %g, at least %g", f, run.at(f.From), name, got, least)
			}
		}
	}
	return d.conclude("no operation succeeded", "%s", fmt.Sprintf("%d operations succeeded, %d faults took effect", total, len(run.Faults)))
}
