package sim

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestRun_Sound: clusters without a fault of their own keep every promise, each twice in the same way, while as much
// happens to them as decides something: at least five operations a second, and a fault in twenty.
func TestRun_Sound(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 8
	}
	totals := Campaign{Options: Options{Service: ledgers{}}, Seeds: seeds, Twice: true}.Run()
	t.Log(totals)
	for _, r := range totals.Failures {
		t.Errorf("seed %d at %v: %s: %s\n%v", r.Plan.Seed, r.Failure.At, r.Failure.Check, r.Failure.Message, r.Plan)
	}
	if totals.Counts["undecided"] > 0 {
		t.Errorf("%d histories were too hard to judge", totals.Counts["undecided"])
	}
	seconds := totals.Simulated.Seconds()
	if rate := float64(totals.Counts["operations"]) / seconds; rate < 5 {
		t.Errorf("%.1f operations per simulated second", rate)
	}
	if rate := float64(totals.Counts["faults"]) / seconds; rate < 0.05 {
		t.Errorf("%.2f faults per simulated second", rate)
	}
	for _, name := range []string{"elections", "commits", "reads", "heartbeats", "snapshots", "restores", "starts", "stops", "changes ended", "messages lost"} {
		if totals.Counts[name] == 0 && !testing.Short() {
			t.Errorf("no %s in %d seeds", name, totals.Seeds)
		}
	}
}

// TestRun_Trace: a run is the same whether somebody watches it or not, and its steps come in the order of time.
func TestRun_Trace(t *testing.T) {
	plan := Draw(3)
	var steps []Step
	watched := Run(Options{Service: ledgers{}, Trace: func(s Step) { steps = append(steps, s) }}, plan)
	alone := Run(Options{Service: ledgers{}}, plan)
	if !reflect.DeepEqual(watched, alone) {
		t.Errorf("watched\n%+v\nalone\n%+v", watched, alone)
	}
	kinds := map[StepKind]int{}
	for i, s := range steps {
		kinds[s.Kind]++
		if i > 0 && s.At < steps[i-1].At || s.Sent > s.At {
			t.Fatalf("step %d: %+v after %+v", i, s, steps[max(0, i-1)])
		}
		if s.Text == "" || strings.Contains(s.Text, "\n") {
			t.Fatalf("step %d: %+v", i, s)
		}
	}
	for _, kind := range []StepKind{Delivered, Lost, Changed, Stored, Asked, Answered, Faulted, Phase} {
		if kinds[kind] == 0 {
			t.Errorf("nothing is %s", kind)
		}
	}
	if kinds[Broken] > 0 {
		t.Error("something is broken")
	}
}

// TestRun_FirstFailure: nothing happens after the first broken promise, which is the last step.
func TestRun_FirstFailure(t *testing.T) {
	var steps []Step
	service := doctor(func(made int, m *patient) {
		m.digest = func() uint64 { return m.ledger.Digest() + uint64(made) }
	})
	report := Run(Options{Service: service, Trace: func(s Step) { steps = append(steps, s) }}, quiet())
	if report.Failure == nil || report.Simulated != report.Failure.At {
		t.Fatalf("%v after %v", report.Failure, report.Simulated)
	}
	last := steps[len(steps)-1]
	if last.Kind != Broken || last.At != report.Failure.At || last.Text != StateMachineSafety+": "+report.Failure.Message {
		t.Errorf("the last step is %+v", last)
	}
}

// TestRun_OneNode: a cluster of one serves its clients.
func TestRun_OneNode(t *testing.T) {
	report := Run(Options{Service: ledgers{}}, quiet(func(p *Plan) { p.Nodes = 1 }))
	if report.Failure != nil {
		t.Fatal(report.Failure.Message)
	}
	if asked := len(report.Plan.Requests); report.Counts["operations"] < asked {
		t.Errorf("%d operations ended, %d were asked for", report.Counts["operations"], asked)
	}
	if report.Simulated < 6*time.Second {
		t.Errorf("ended at %v", report.Simulated)
	}
}
