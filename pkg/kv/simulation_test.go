package kv

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"whitewater/pkg/raft/sim"
)

var (
	simSeed   = flag.Uint64("sim.seed", 1, "`seed` of the first simulated cluster")
	simSeeds  = flag.Uint64("sim.seeds", 0, "`number` of simulated clusters, each under a seed of its own; 0: 20, or 5 in short tests")
	simTwice  = flag.Bool("sim.twice", false, "run each seed twice: both runs must be the same")
	simShrink = flag.Bool("sim.shrink", false, "reduce the plan of a failing seed to the least that still fails, and draw it")
	simPlan   = flag.String("sim.plan", "", "run the plan in this `file` and draw it, instead of seeds")
)

// shrinkRuns is how often a failing plan may be run while it is reduced.
const shrinkRuns = 4000

// TestSimulation runs clusters whose state machine is the real one, and holds each to every promise.
func TestSimulation(t *testing.T) {
	options := simulatedOptions()
	if *simPlan != "" {
		simulateFile(t, options, *simPlan)
		return
	}
	count := *simSeeds
	if count == 0 {
		count = 20
		if testing.Short() {
			count = 5
		}
	}
	failed, totals := firstFailure(sim.Campaign{Options: options, First: *simSeed, Seeds: count, Twice: *simTwice})
	t.Log(totals)
	if totals.Counts["undecided"] > 0 {
		t.Errorf("%d histories were too hard to judge: fewer clients, or more keys, make them easier", totals.Counts["undecided"])
	}
	if failed == nil {
		return
	}
	f := failed.Failure
	t.Errorf("seed %d, at %v: %s: %s\nrun it again: %s -sim.seed %d -sim.seeds 1\nreduce and draw it: the same with -sim.shrink",
		failed.Plan.Seed, f.At, f.Check, f.Message, simulationCommand, failed.Plan.Seed)
	if *simShrink {
		plan, report := sim.Shrink(options, failed.Plan, shrinkRuns, func(progress string) { t.Log(progress) })
		t.Log(reduced(t, options, plan, report))
	}
}

// firstFailure runs a campaign up to its first failing seed, which is the lowest of all that fail; nil: none does.
func firstFailure(c sim.Campaign) (first *sim.Report, totals sim.Totals) {
	c.Each = func(r sim.Report) bool {
		if r.Failure != nil && (first == nil || r.Plan.Seed < first.Plan.Seed) {
			first = &r
		}
		return r.Failure == nil
	}
	totals = c.Run()
	return first, totals
}

// reduced shows what is left of a plan, and how to run that again.
func reduced(t *testing.T, options sim.Options, plan sim.Plan, report sim.Report) string {
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\nthe reduced plan breaks %s; to run it again, write this to a file: %s -sim.plan FILE\n%s",
		sim.Replay(options, plan), report.Failure.Check, simulationCommand, text)
}

func simulateFile(t *testing.T, options sim.Options, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := sim.ParsePlan(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if report := sim.Run(options, plan); report.Failure != nil {
		t.Errorf("%s: %s: %s", file, report.Failure.Check, report.Failure.Message)
	}
	t.Log(sim.Replay(options, plan))
}
