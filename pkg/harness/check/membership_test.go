package check

import (
	"fmt"
	"slices"
	"testing"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// changedRun is the sound run with another end: from 13 s on, n4 takes the place of n1, whose disk is then wiped and which
// is added again, and n3 leads term 3.
//
//	index   7        8               9         10          11       12       13        14
//	entry   members  members, joint  members   put r0=v3   members  …        members   noop
func changedRun() *Run {
	run := soundRun()
	run.Nodes = append(run.Nodes, "n4")
	run.Faults = append(run.Faults, Fault{Name: "disk", Kind: FaultKill, Target: "n1", From: 14500 * second / 1000, To: 16 * second})
	tapes := map[string]*tape{}
	for _, node := range []string{"n1", "n2", "n3"} {
		drop(run, node, observe.EventStop)
		tapes[node] = &tape{node: node, inc: 1, term: 2, events: run.Events[node]}
	}
	n1, n2, n3, n4 := tapes["n1"], tapes["n2"], tapes["n3"], &tape{node: "n4"}
	n1.inc = 2
	n4.start(12.9, 0, "", 0, 0)
	n4.events[2].Members = nil // it waits to be added
	n4.term = 2
	n4.batch(13, observe.EventAppend, 1, m(1, 1), m(1, 2), m(1, 3), m(2, 4), m(2, 5), m(2, 6))
	n4.events[len(n4.events)-1].Durable = true
	n4.batch(13.01, observe.EventCommit, 1, m(1, 1), m(1, 2), m(1, 3), m(2, 4), m(2, 5), m(2, 6))
	reconfigure(13.1, 7, "-n1 n2 n3 +n4", n2, n1, n3, n4)
	reconfigure(13.2, 8, "joint -n1 n2 n3 +n4", n2, n1, n3, n4)
	reconfigure(13.3, 9, "n2 n3 n4", n2, n3, n4)
	n2.lead(14, 10, m(2, 10))
	n3.follow(14, 10, m(2, 10))
	n4.follow(14, 10, m(2, 10))
	n1.events = append(n1.events, observe.Event{Seq: 1, Inc: "wipe-1", Node: "n1", Mono: 15 * second, Event: observe.EventWipe, Directory: "d1"})
	n1.start(16, 0, "", 0, 0)
	n1.events[len(n1.events)-1].Members = nil
	n1.term = 2
	whole := []observe.Mark{m(1, 1), m(1, 2), m(1, 3), m(2, 4), m(2, 5), m(2, 6), m(2, 7), m(2, 8), m(2, 9), m(2, 10)}
	n1.batch(16.05, observe.EventAppend, 1, whole...)
	n1.events[len(n1.events)-1].Durable = true
	n1.batch(16.06, observe.EventCommit, 1, whole...)
	reconfigure(16.1, 11, "+n1 n2 n3 n4", n2, n1, n3, n4)
	reconfigure(16.2, 12, "joint +n1 n2 n3 n4", n2, n1, n3, n4)
	reconfigure(16.3, 13, "n1 n2 n3 n4", n2, n1, n3, n4)
	n3.term = 3
	n3.role(17, "candidate")
	for _, n := range []*tape{n3, n1, n4} {
		n.vote(17.1, 3, "n3")
	}
	n3.role(17.2, observe.RoleLeader)
	n3.lead(17.3, 14, m(3, 14))
	for _, n := range []*tape{n1, n4} {
		n.follow(17.295, 14, m(3, 14))
	}
	n2.term = 3
	n2.role(17.4, "follower")
	n2.follow(17.5, 14, m(3, 14))
	for node, t := range tapes {
		run.Events[node] = t.events
		run.Logs[node] = logOf(1, append(slices.Clone(whole), m(2, 11), m(2, 12), m(2, 13), m(3, 14))...)
	}
	run.Events["n4"], run.Logs["n4"] = n4.events, run.Logs["n1"]
	run.History[7] = readOf(run.History[7], "v3", 10)
	run.History = append(run.History, wrote(ok(11, "c1", load.Put, "r0", 13.9, 14.1), "v3", 10, 2))
	return run
}

// reconfigure lets an entry with members go from a leader to followers, and tells of it as nodes do.
func reconfigure(at float64, index uint64, members string, leader *tape, followers ...*tape) {
	mark := m(2, index)
	leader.batch(at, observe.EventAppend, index, mark)
	leader.conf(at, index, false, members)
	leader.add(at+0.001, observe.Event{Event: observe.EventDurable, First: index, Last: index})
	for _, f := range followers {
		f.conf(at+0.001, index, false, members)
		f.batch(at+0.002, observe.EventAppend, index, mark)
		f.events[len(f.events)-1].Durable = true
	}
	for _, n := range append([]*tape{leader}, followers...) {
		n.batch(at+0.01, observe.EventCommit, index, mark)
		if n == leader {
			n.events[len(n.events)-1].Role = observe.RoleLeader
		}
		n.conf(at+0.01, index, true, members)
	}
}

// byEvents are the checks that rest on events and history alone.
var byEvents = []string{
	"membership", "election-safety", "vote-once", "term-monotonic", "commit-rule", "log-matching", "leader-completeness", "durability",
	"stale-leader", "commit-monotonic", "applied-behind-commit",
}

func TestJudge_ChangedRunPasses(t *testing.T) {
	for _, name := range byEvents {
		if f := judgeOf(t, name)(t.Context(), changedRun()); f.Verdict != Pass {
			t.Errorf("%s: %s", name, show(f))
		}
	}
}

// changedDoctored are changed runs that break one rule each, by the check that must find it.
func changedDoctored() map[string]map[string]func(*Run) {
	without := func(event string, index uint64, nodes ...string) func(*Run) {
		return func(r *Run) {
			for _, node := range nodes {
				keep(r, node, func(e observe.Event) bool { return e.Event != event || e.First != index && e.Index != index })
			}
		}
	}
	unwiped := func(r *Run) { drop(r, "n1", observe.EventWipe) }
	return map[string]map[string]func(*Run){
		"membership": {
			"no joint configuration": without(observe.EventConfiguration, 8, "n1", "n2", "n3", "n4"),
			"nobody catches up":      without(observe.EventConfiguration, 7, "n1", "n2", "n3", "n4"),
			"other members on one node": func(r *Run) {
				edit(r, "n3", observe.EventConfiguration, func(e *observe.Event) { e.Members = parseMembers("n2 n3").members })
			},
			"elected by half of them":    without(observe.EventVote, 0, "n4"),
			"in a joint one, old votes":  without(observe.EventAppend, 8, "n3", "n4"),
			"in a joint one, new votes":  without(observe.EventAppend, 8, "n1", "n3"),
			"a removed node's copy":      without(observe.EventAppend, 10, "n3", "n4"),
			"a joining node's copy":      without(observe.EventAppend, 11, "n3", "n4"),
			"a stranger's vote and copy": func(r *Run) { insert(r, "n4", 16.5, observe.Event{Event: observe.EventWipe, Directory: "d4"}) },
			"a step before its turn": func(r *Run) {
				keep(r, "n2", func(e observe.Event) bool {
					return (e.Event != observe.EventCommit || e.First != 7) && (e.Event != observe.EventConfiguration || e.Index != 7 || !e.Committed)
				})
			},
		},
		"vote-once": {
			"a second vote without a wipe": func(r *Run) {
				unwiped(r)
				insert(r, "n1", 14.2, observe.Event{Event: observe.EventVote, Term: 3, Candidate: "n1", Granted: true})
			},
			"a second vote since the wipe": func(r *Run) {
				insert(r, "n1", 16.9, observe.Event{Event: observe.EventVote, Term: 3, Candidate: "n1", Granted: true})
			},
		},
		"term-monotonic": {"an empty disk without a wipe": unwiped},
		"durability": {
			"an empty disk without a wipe": unwiped,
			"half of the members lack it":  func(r *Run) { cutLogs(r, 9, "n1", "n2") },
			"only who is gone has it": func(r *Run) {
				r.Nodes = append(r.Nodes, "n5", "n6")
				r.Logs["n5"], r.Logs["n6"] = r.Logs["n3"], r.Logs["n3"]
				cutLogs(r, 9, "n1", "n2", "n4")
			},
		},
	}
}

func TestChanged_EveryRuleHasARunThatFailsIt(t *testing.T) {
	for name, runs := range changedDoctored() {
		for what, doctor := range runs {
			t.Run(name+"/"+what, func(t *testing.T) {
				run := changedRun()
				doctor(run)
				if f := judgeOf(t, name)(t.Context(), run); f.Verdict != Fail || f.Summary == "" {
					t.Errorf("finding: %s", show(f))
				}
			})
		}
	}
}

// TestChanged_FalseAlarms holds the checks against what is legal when members come and go.
func TestChanged_FalseAlarms(t *testing.T) {
	for what, change := range map[string]func(*Run){
		"a vote on the old disk": func(r *Run) {
			insert(r, "n1", 14.2, observe.Event{Event: observe.EventVote, Term: 3, Candidate: "n1", Granted: true})
		},
		"two steps are found committed at once": func(r *Run) {
			for _, node := range r.Nodes {
				keep(r, node, func(e observe.Event) bool {
					return e.Event != observe.EventConfiguration || e.Index != 7 || !e.Committed
				})
			}
		},
		"a disk wiped before the members knew it": func(r *Run) { insert(r, "n4", 16.5, observe.Event{Event: observe.EventWipe}) },
		"members as of a snapshot": func(r *Run) {
			insert(r, "n4", 16.05, observe.Event{Event: observe.EventConfiguration, Index: 10, Committed: true, Members: parseMembers("n2 n3 n4").members})
		},
		"a change that was taken back at once": func(r *Run) {
			insert(r, "n2", 13.05, observe.Event{Event: observe.EventConfiguration, Term: 2, Index: 7, Members: parseMembers("n1 n2 n3 +n9").members})
			insert(r, "n2", 13.06, observe.Event{Event: observe.EventConfiguration, Term: 2, Index: 8, Members: parseMembers("n1 n2 n3").members})
			insert(r, "n2", 13.07, observe.Event{Event: observe.EventConfiguration, Term: 2, Index: 0, Committed: true, Members: parseMembers("n1 n2 n3").members})
		},
	} {
		run := changedRun()
		change(run)
		for _, name := range []string{"membership", "vote-once", "election-safety"} {
			if f := judgeOf(t, name)(t.Context(), run); f.Verdict != Pass {
				t.Errorf("%s: %s: %s", what, name, show(f))
			}
		}
	}
}

func TestConfiguration_LeadsTo(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		legal    bool
	}{
		{"n1 n2 n3", "n1 n2 n3", true},
		{"n1 n2 n3", "n1 n2 n3 +n4 +n5", true},
		{"n1 n2 n3", "n1 -n2 n3 +n4", true},
		{"n1 n2 n3", "joint n1 -n2 n3", true},
		{"n1 n2 n3", "n1 n2 n3 ?n4", true},
		{"n1 n2 ?n3", "n1 n2", true},
		{"n1 n2 ?n3", "n1 n2 +n3", true},
		{"n1 n2 +n3", "joint n1 n2 +n3", true},
		{"n1 -n2 +n3", "n1 n2", true},
		{"joint -n1 n2 +n3", "n2 n3", true},
		{"n1 n2 n3", "n1 n2", false},
		{"n1 n2 n3", "n1 n2 n3 n4", false},
		{"n1 n2 n3", "n1 -n2 n3", false},
		{"n1 n2 n3", "joint n1 n2 n3 +n4", false},
		{"n1 n2 n3", "n1 n2 ?n3", false},
		{"n1 n2 +n3", "n1 n2 n3", false},
		{"n1 n2 +n3", "joint -n1 n2 +n3", false},
		{"joint -n1 n2 +n3", "n1 n2", false},
		{"joint -n1 n2 +n3", "n1 n2 n3", false},
		{"joint -n1 n2 +n3", "n2 n3 +n4", false},
	} {
		if got := parseMembers(tc.from).leadsTo(parseMembers(tc.to)); got != tc.legal {
			t.Errorf("%q leads to %q: %v", tc.from, tc.to, got)
		}
	}
}

func TestCore_OfTheMembersInForce(t *testing.T) {
	run := changedRun()
	run.Faults = nil
	core := map[string]string{}
	for _, s := range run.spans() {
		core[fmt.Sprint(s.from/second)] = fmt.Sprint(sortedKeys(run.core(s, false)))
	}
	if got := core["0"]; got != "[n1 n2 n3]" {
		t.Errorf("before the change the majorities are of %s", got)
	}
	if got := core["16"]; got != "[n1 n2 n3 n4]" {
		t.Errorf("after the change the majorities are of %s", got)
	}
	run.Faults = []Fault{{Kind: FaultKill, Nodes: []string{"n3", "n4"}, From: 14 * second, To: 15 * second}}
	for _, s := range run.spans() {
		if s.from == 14*second && len(run.core(s, true)) > 0 {
			t.Errorf("n2 alone, and n1 that was removed, are a majority: %v", run.core(s, true))
		}
	}
}

// A counter goes when its peer is removed, and begins anew if the peer comes back.
func TestHeartbeats_OfPeersThatComeAndGo(t *testing.T) {
	key := observe.Key(heartbeatsSent, "peer", "n4")
	for _, tc := range []struct {
		pages           []float64 // a fifth of a second apart; -1: the page lacks the counter
		counted, unsure float64
		has             bool
	}{
		{[]float64{1, 2, 3}, 3, 0, true},
		{[]float64{-1, -1, 2}, 2, 0, true},
		{[]float64{1, 2, -1, -1}, 2, 3, true},
		{[]float64{4, 5, -1, 1}, 6, 3, true},
		{[]float64{4, 5, 1}, 6, 3, true},
		{[]float64{-1, -1}, 0, 0, false},
	} {
		run := soundRun()
		var process []observe.Sample
		for i, value := range tc.pages {
			s := observe.Sample{Mono: int64(i) * second / 5, Series: map[string]float64{}}
			if value >= 0 {
				s.Series[key] = value
			}
			process = append(process, s)
		}
		if counted, unsure, has := run.countOf(process, key); counted != tc.counted || unsure != tc.unsure || has != tc.has {
			t.Errorf("%v: counted %v, unsure %v, has %v", tc.pages, counted, unsure, has)
		}
	}
}

func TestHeartbeatRate_OfANodeThatWaitsToBeAdded(t *testing.T) {
	for members, want := range map[string]Verdict{"": Pass, "n1 n2 n3 +n4": Unknown} {
		run := soundRun()
		run.Nodes = append(run.Nodes, "n4")
		run.Events["n4"] = []observe.Event{{Event: observe.EventConfiguration, Members: parseMembers(members).members}}
		if f := heartbeatRate(t.Context(), run); f.Verdict != want {
			t.Errorf("n4 has the members %q and shows no counter: %s", members, show(f))
		}
	}
}
