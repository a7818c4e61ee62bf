package check

import (
	"testing"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// sightless takes away what would contradict that n1 was never killed: the fault, its second life, its samples.
func sightless(r *Run) {
	r.Faults = nil
	r.Events["n1"] = r.Events["n1"][:13]
	for i := range r.Samples["n1"] {
		s := &r.Samples["n1"][i]
		if s.Mono > 8*second {
			s.Err, s.Start = "", 100
			s.Series = map[string]float64{observe.Key("raft_role", "role", observe.RoleLeader): 1, "raft_term": 1}
		}
	}
}

// cutOff adds a partition of n1 from the others.
func cutOff(r *Run, from, to float64, direction string) {
	f := Fault{Name: "cut", Kind: FaultPartition, From: int64(from * float64(second)), To: int64(to * float64(second)), Direction: direction}
	for _, other := range []string{"n2", "n3"} {
		f.Links = append(f.Links, [2]string{"n1", other}, [2]string{other, "n1"})
	}
	r.Faults = append(r.Faults, f)
}

// TestFalseAlarms holds the checks against what a correct system may do.
func TestFalseAlarms(t *testing.T) {
	for _, tc := range []struct {
		what   string
		checks []string
		change func(*Run)
	}{
		{"a cut-off leader still believes, beside the new one", []string{"election-safety", "stale-leader"}, func(r *Run) {
			sightless(r)
			cutOff(r, 7, 19, DirectionBoth)
		}},
		{"a leader whose calls are answered by nobody stays, one way", []string{"stale-leader"}, func(r *Run) {
			sightless(r)
			r.Faults = append(r.Faults, Fault{
				Name: "mute", Kind: FaultPartition, From: 7 * second, Direction: DirectionPackets,
				Links: [][2]string{{"n2", "n1"}, {"n3", "n1"}}, // replies to n1 vanish
			})
		}},
		{"a paused leader is still leader", []string{"stale-leader"}, func(r *Run) {
			sightless(r)
			r.Faults = append(r.Faults, Fault{Name: "freeze", Kind: FaultPause, Target: "n1", From: 7 * second, To: 19 * second})
		}},
		{"a leader behind lossy links hears late", []string{"stale-leader"}, func(r *Run) {
			sightless(r)
			cutOff(r, 7, 20, "")
			r.Faults[0].Kind = "drop"
		}},
		{"it steps down soon after the healing", []string{"stale-leader"}, func(r *Run) {
			sightless(r)
			cutOff(r, 7, 16, DirectionBoth)
			insert(r, "n1", 18, observe.Event{Event: observe.EventRole, Role: "follower", Term: 2})
		}},
		{"a minority leader appends and loses it again; other tails at equal indices", []string{
			"log-matching", "leader-completeness", "state-machine-safety", "durability", "commit-rule",
		}, func(r *Run) {
			insert(r, "n1", 7, observe.Event{Event: observe.EventAppend, Term: 1, First: 4, Last: 5, Entries: []observe.Mark{m(1, 40), m(1, 50)}})
			edit(r, "n1", observe.EventStart, func(e *observe.Event) {
				if e.Inc == "n1-2" {
					e.Last, e.LastTerm = 5, 1
				}
			})
			insert(r, "n1", 10.15, observe.Event{Event: observe.EventTruncate, Term: 2, From: 4})
		}},
		{"a truncation is told, its append is lost to a kill: the old tail is back", []string{"log-matching", "durability", "leader-completeness"}, func(r *Run) {
			insert(r, "n1", 6.9, observe.Event{Event: observe.EventRole, Term: 1, Role: "follower"})
			insert(r, "n1", 7, observe.Event{Event: observe.EventTruncate, Term: 1, From: 3})
		}},
		{"entries on disk of which the killed process told nothing", []string{"log-matching", "durability", "leader-completeness"}, func(r *Run) {
			edit(r, "n1", observe.EventStart, func(e *observe.Event) {
				if e.Inc == "n1-2" {
					e.Last, e.LastTerm = 7, 1
				}
			})
		}},
		{"an unknown write appears late", []string{"linearizability", "durability", "exactly-once"}, func(r *Run) {
			r.History[0].Outcome, r.History[0].Return = load.Unknown, load.Forever
			r.History[0].Revision, r.History[0].Index = 0, 0
			r.History[6].Outcome, r.History[6].Return = load.Unknown, load.Forever
		}},
		{"an unknown write never appears", []string{"linearizability", "durability", "exactly-once"}, func(r *Run) {
			lost := wrote(ok(20, "c3", load.Append, "a0", 4, 5), "t9;", 0, 0)
			lost.Outcome, lost.Return = load.Unknown, load.Forever
			gone := ok(21, "c3", load.Delete, "r0", 4, 5)
			gone.Outcome, gone.Return = load.Unknown, load.Forever
			put := wrote(ok(22, "c3", load.Put, "r0", 4, 5), "v9", 0, 0)
			put.Outcome, put.Return = load.Unknown, load.Forever
			r.History = append(r.History, lost, gone, put)
		}},
		{"an unknown deletion took effect", []string{"linearizability", "durability"}, func(r *Run) {
			gone := ok(21, "c3", load.Delete, "r0", 13, 14)
			gone.Outcome, gone.Return = load.Unknown, load.Forever
			r.History = append(r.History, gone)
			r.History[7] = readOf(r.History[7], "", 0)
		}},
		{"a read overlaps a newer write and sees the old value", []string{"linearizability"}, func(r *Run) {
			r.History = append(r.History, readOf(ok(20, "c3", load.Get, "r0", 12, 19), "v1", 2))
		}},
		{"a stale read where staleness was asked for", []string{"linearizability", "exactly-once"}, func(r *Run) {
			old := readOf(ok(20, "c3", load.Get, "r0", 15, 15.1), "v1", 2)
			old.Stale = true
			r.History = append(r.History, old)
		}},
		{"refused operations around a leader change", []string{"linearizability", "durability", "exactly-once", "load", "commit-progress"}, func(r *Run) {
			refused := wrote(ok(20, "c3", load.Put, "r0", 8.1, 9.5), "v8", 0, 0)
			refused.Outcome = load.Failed
			refused.Attempts[0].Outcome, refused.Attempts[0].Status = load.Refused, 503
			r.History = append(r.History, refused)
		}},
		{"a vote is granted again to the same candidate", []string{"vote-once", "term-monotonic"}, func(r *Run) { votes(r, "n3", 2, "n2") }},
		{"terms without a leader, and one of a follower above the leader's", []string{"term-monotonic", "election-safety", "vote-once", "commit-rule"}, func(r *Run) {
			insert(r, "n3", 15, observe.Event{Event: observe.EventRole, Role: "candidate", Term: 7})
			votes(r, "n3", 9, "n3")
		}},
		{"a term raised in memory alone is forgotten by a kill", []string{"term-monotonic", "vote-once"}, func(r *Run) {
			insert(r, "n1", 7.9, observe.Event{Event: observe.EventRole, Role: "candidate", Term: 5})
		}},
		{"a vote is told when the term has moved on", []string{"term-monotonic", "vote-once"}, func(r *Run) {
			insert(r, "n3", 12.5, observe.Event{Event: observe.EventRole, Role: "candidate", Term: 3})
			votes(r, "n3", 2, "n2")
		}},
		{"no progress without a majority", []string{"commit-progress"}, func(r *Run) {
			vain(r, 12.3, 19.5, "n2")
			cutOff(r, 12.2, 19.9, DirectionBoth)
			r.Faults = append(r.Faults, Fault{Kind: FaultKill, Target: "n3", From: 12 * second})
		}},
		{"no two nodes of the three call each other, one way", []string{"commit-progress"}, func(r *Run) {
			vain(r, 12.3, 19.5, "n2")
			r.Faults = append(r.Faults, Fault{
				Kind: FaultPartition, Direction: DirectionCall, From: 12 * second,
				Links: [][2]string{{"n1", "n2"}, {"n2", "n3"}, {"n3", "n1"}},
			})
		}},
		{"writes to a cut-off minority alone", []string{"commit-progress"}, func(r *Run) {
			vain(r, 12.3, 19.5, "n1")
			cutOff(r, 12.2, 19.9, DirectionBoth)
		}},
		{"no progress without load", []string{"commit-progress"}, func(*Run) {}},
		{"two short demands with a pause between", []string{"commit-progress"}, func(r *Run) {
			vain(r, 12.3, 14, "n2")
			vain(r, 17.5, 19.5, "n2")
		}},
		{"faults that change all the time", []string{"commit-progress"}, func(r *Run) {
			vain(r, 12.3, 19.5, "n2")
			r.Faults = append(r.Faults, Fault{Kind: FaultPause, Target: "n3", From: 15 * second, To: 16 * second})
		}},
		{"eight heartbeats in one scrape's window, not in one second", []string{"heartbeat-rate"}, func(r *Run) {
			for i, s := range r.Samples["n2"] {
				s.Series[heartbeatsSent+`{peer="n1"}`] = float64(9 * (i / 6)) // nine at once, every 1.2 s
			}
		}},
		{"ten a second exactly, scraped unevenly", []string{"heartbeat-rate"}, func(r *Run) {
			for i, s := range r.Samples["n2"] {
				at := float64(i)*0.2 + 0.03*float64(i%5)
				s.Series["raft_monotonic_seconds"] = at
				s.Series[heartbeatsSent+`{peer="n1"}`] = float64(int(at * 10))
			}
		}},
		{"heartbeats between the last scrape and a kill", []string{"heartbeat-agreement"}, func(r *Run) {
			for i, s := range r.Samples["n1"] {
				if at := s.Mono; at > 7*second && at < 8*second { // the last second was not scraped
					r.Samples["n1"][i] = observe.Sample{Node: "n1", Mono: at, Err: "time-out"}
				}
			}
		}},
		{"frames lost in connections that ended", []string{"heartbeat-agreement"}, func(r *Run) {
			for _, s := range r.Proxy {
				s.Series[observe.Key("chaosproxy_connections_total", "link", "n2->n3", "result", "refused")] = 4
			}
			add(r, "n2", 70, heartbeatsSent+`{peer="n3"}`, 10)
		}},
	} {
		t.Run(tc.what, func(t *testing.T) {
			run := soundRun()
			tc.change(run)
			for _, name := range tc.checks {
				if f := judgeOf(t, name)(t.Context(), run); f.Verdict != Pass {
					t.Errorf("%s: %s", name, show(f))
				}
			}
		})
	}
}

// vain adds a write that is being attempted on a node all that time.
func vain(r *Run, from, to float64, node string) {
	op := ok(100+len(r.History), "c9", load.Put, "r1", from, to)
	op.Input, op.Attempts[0].Node = "v"+op.Client, node
	op.Outcome, op.Return = load.Unknown, load.Forever
	r.History = append(r.History, op)
}
