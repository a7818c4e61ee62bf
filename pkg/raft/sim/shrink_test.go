package sim

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// fails is a report of a failure at a time.
func fails(check string, at time.Duration) Report {
	return Report{Failure: &Failure{Check: check, At: at}}
}

func has(p Plan, kind FaultKind) int {
	return slices.IndexFunc(p.Faults, func(f Fault) bool { return f.Kind == kind })
}

func TestShrink_TwoFaultsAndARequest(t *testing.T) {
	run := func(p Plan) Report {
		cut, power := has(p, Cut), has(p, Power)
		switch {
		case len(p.Faults) > 20:
			return fails("Fragile", 9*time.Second)
		case cut >= 0 && power >= 0 && len(p.Requests) > 0:
			return fails("Fragile", max(p.Faults[cut].At, p.Faults[power].At, p.Requests[0].At)+time.Second)
		case cut >= 0:
			return fails("Another", 0)
		}
		return Report{}
	}
	var told []string
	p, report := shrink(run, bigPlan(3), 3000, func(line string) { told = append(told, line) })
	if report.Failure == nil || report.Failure.Check != "Fragile" {
		t.Fatalf("shrunk to %+v", report.Failure)
	}
	if len(p.Faults) != 2 || len(p.Requests) != 1 || p.Nodes != 3 || p.Spares != 0 || p.Clients != 1 {
		t.Errorf("shrunk to\n%v", p)
	}
	if p.Disk != (Disk{}) || p.Tuning != (Tuning{}) || p.Network != (Network{Delay: 2 * time.Millisecond}) || p.Broken || p.Core != 0 {
		t.Errorf("left as it was:\n%v", p)
	}
	for _, f := range p.Faults {
		if f.For != 0 || f.Step != 0 || f.Pick != 0 {
			t.Errorf("not eased: %+v", f)
		}
	}
	if p.Duration > 100*time.Millisecond {
		t.Errorf("takes %v", p.Duration)
	}
	if len(told) == 0 {
		t.Error("nothing was told")
	}
	again, _ := shrink(run, bigPlan(3), 3000, nil)
	if !reflect.DeepEqual(p, again) {
		t.Errorf("once\n%v\nthen\n%v", p, again)
	}
}

// TestShrink_OtherSeeds: with less in it the plan fails under other seeds only.
func TestShrink_OtherSeeds(t *testing.T) {
	plan := bigPlan(4)
	run := func(p Plan) Report {
		if has(p, Wipe) >= 0 && (len(p.Faults) == len(plan.Faults) || p.Seed == 2) {
			return fails("Fragile", p.Duration)
		}
		return Report{}
	}
	p, _ := shrink(run, plan, 3000, nil)
	if len(p.Faults) != 1 || p.Seed != 2 || len(p.Requests) != 0 {
		t.Errorf("shrunk to\n%v", p)
	}
}

// TestShrink_Nodes: targets move with the nodes.
func TestShrink_Nodes(t *testing.T) {
	run := func(p Plan) Report {
		if p.Nodes >= 3 && slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Target.Node == p.Nodes-1 }) {
			return fails("Fragile", time.Second)
		}
		return Report{}
	}
	p, _ := shrink(run, bigPlan(5), 3000, nil)
	if p.Nodes != 3 || len(p.Faults) != 1 || p.Faults[0].Target.Node != 2 {
		t.Errorf("shrunk to\n%v", p)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}

func TestShrink_Bounds(t *testing.T) {
	runs := 0
	run := func(Plan) Report { runs++; return fails("Always", 0) }
	p, _ := shrink(run, bigPlan(6), 7, nil)
	if runs > 7 {
		t.Errorf("%d runs, at most 7", runs)
	}
	if reflect.DeepEqual(p, bigPlan(6)) {
		t.Error("seven runs achieved nothing")
	}
	sound := func(Plan) Report { return Report{} }
	if p, report := shrink(sound, bigPlan(6), 100, nil); report.Failure != nil || !reflect.DeepEqual(p, bigPlan(6)) {
		t.Error("a plan that breaks nothing was changed")
	}
}

// TestShrink_KeepsPlans: a plan's own slices are never written to.
func TestShrink_KeepsPlans(t *testing.T) {
	plan := bigPlan(7)
	shrink(func(p Plan) Report {
		if err := p.Validate(); err != nil {
			t.Errorf("tried a bad plan: %v", err)
		}
		if len(p.Faults) > 3 && len(p.Requests) > 3 {
			return fails("Fragile", p.Duration+time.Second)
		}
		return Report{}
	}, plan, 2000, nil)
	if !reflect.DeepEqual(plan, bigPlan(7)) {
		t.Error("the plan was written to")
	}
}
