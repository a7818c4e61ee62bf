package check

import (
	"strings"
	"testing"
	"time"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// TestUnknown holds that a check which saw too little does not pass.
func TestUnknown(t *testing.T) {
	for _, tc := range []struct {
		check, what string
		change      func(*Run)
	}{
		{"heartbeat-rate", "one node was never scraped", func(r *Run) { delete(r.Samples, "n3") }},
		{"heartbeat-rate", "a node does not count", func(r *Run) {
			for _, s := range r.Samples["n3"] {
				delete(s.Series, heartbeatsSent+`{peer="n1"}`)
				delete(s.Series, heartbeatsSent+`{peer="n2"}`)
			}
		}},
		{"heartbeat-agreement", "the proxy was never scraped", func(r *Run) { r.Proxy = nil }},
		{"heartbeat-agreement", "the proxy does not watch", func(r *Run) {
			for _, s := range r.Proxy {
				clear(s.Series)
			}
		}},
		{"heartbeat-agreement", "a node was never scraped", func(r *Run) { delete(r.Samples, "n2") }},
		{"election-safety", "a node's events are missing", func(r *Run) { delete(r.Events, "n3") }},
		{"vote-once", "no vote", func(r *Run) {
			for _, node := range r.Nodes {
				drop(r, node, observe.EventVote)
			}
		}},
		{"commit-rule", "no commit by a leader", func(r *Run) {
			drop(r, "n1", observe.EventCommit)
			drop(r, "n2", observe.EventCommit)
		}},
		{"log-matching", "a node's events are missing", func(r *Run) { delete(r.Events, "n3") }},
		{"leader-completeness", "no leader", func(r *Run) {
			drop(r, "n1", observe.EventRole)
			drop(r, "n2", observe.EventRole)
		}},
		{"state-machine-safety", "nothing applied", func(r *Run) {
			for _, node := range r.Nodes {
				drop(r, node, observe.EventApply)
			}
		}},
		{"stale-leader", "a node's events are missing", func(r *Run) { delete(r.Events, "n3") }},
		{"linearizability", "no time", func(r *Run) {
			r.History = puzzle()
			r.Limits.Time = 50 * time.Millisecond
		}},
		{"linearizability", "nothing answered", func(r *Run) { r.History = nil }},
		{"durability", "no final read of a key", func(r *Run) { r.History = r.History[:8] }},
		{"durability", "no final logs", func(r *Run) { r.Logs = nil }},
		{"durability", "too few final logs", func(r *Run) { delete(r.Logs, "n1"); delete(r.Logs, "n3") }},
		{"exactly-once", "no final read", func(r *Run) { r.History = r.History[:8] }},
		{"load", "too few operations", func(r *Run) { r.Expect.MinOKTotal = 50 }},
		{"load", "too few of a kind", func(r *Run) { r.Expect.MinOK[load.Put] = 2 }},
		{"load", "a kind that never succeeded", func(r *Run) {
			r.History[5].Outcome = load.Failed
		}},
		{"load", "a fault without effect", func(r *Run) { r.Faults[0].Effect = nil }},
	} {
		t.Run(tc.check+"/"+tc.what, func(t *testing.T) {
			run := soundRun()
			tc.change(run)
			if f := judgeOf(t, tc.check)(t.Context(), run); f.Verdict != Unknown || f.Summary == "" {
				t.Errorf("finding: %s", show(f))
			}
		})
	}
}

func TestBreach_NamesWhatWhenAndUnderWhichFault(t *testing.T) {
	run := soundRun()
	become(run, "n3", 2, observe.RoleLeader)
	run.Faults = append(run.Faults, Fault{Name: "p1", Kind: FaultPartition, Target: "minority", Nodes: []string{"n3"}, From: 12 * second})
	f := electionSafety(t.Context(), run)
	for _, want := range []string{"+13.000s", "n3 won term 2", "n2 had won at +9.000s", "under partition p1 of minority (n3)"} {
		if !strings.Contains(f.Summary, want) {
			t.Errorf("%q is missing in %q", want, f.Summary)
		}
	}
	if f.Node != "n3" || f.When != 13*second {
		t.Errorf("node %s, when %d", f.Node, f.When)
	}
}
