package check

import (
	"testing"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// compactedRun is the sound run with another end: n1 is down until 14 s. Meanwhile n2 and n3 take snapshots up to entry 6
// and let their logs begin with entry 6. n1 installs n2's, entry 7 follows, n3 is stopped and starts again from its
// snapshot, and entry 8 comes.
//
//	index   …  6           7           8
//	entry      append t2;  put r0=v3   append t3;
func compactedRun() *Run {
	run := soundRun()
	run.Faults[0].To = 14 * second
	run.Faults = append(run.Faults, Fault{Name: "stop", Kind: FaultRestart, Target: "n3", From: 16 * second, To: 17 * second})
	compactedEvents(run)
	run.Logs["n1"] = logOf(7, m(2, 7), m(2, 8))
	for _, node := range []string{"n2", "n3"} {
		run.Logs[node] = logOf(6, m(2, 6), m(2, 7), m(2, 8))
	}
	for _, node := range run.Nodes {
		for i := range run.Samples[node] {
			compactedSample(run, node, &run.Samples[node][i])
		}
	}
	put, token := wrote(ok(11, "c1", load.Put, "r0", 14.9, 15.1), "v3", 7, 2), wrote(ok(12, "c2", load.Append, "a0", 17.9, 18.1), "t3;", 8, 2)
	run.History[7], run.History[8] = readOf(run.History[7], "v3", 7), readOf(run.History[8], "t1;t2;t3;", 8)
	run.History = append(run.History, put, token)
	return run
}

func compactedEvents(run *Run) {
	tapes := map[string]*tape{}
	for _, node := range run.Nodes {
		inc := map[string]int{"n1": 1}
		t := &tape{node: node, inc: max(inc[node], 1), term: 2}
		for _, e := range run.Events[node] {
			if e.Event != observe.EventStop && (node != "n1" || e.Mono < 8*second) {
				t.events, t.seq = append(t.events, e), e.Seq
			}
		}
		tapes[node] = t
	}
	n1, n2, n3 := tapes["n1"], tapes["n2"], tapes["n3"]
	for _, t := range []*tape{n2, n3} {
		t.add(13, observe.Event{Event: observe.EventSnapshot, First: 5, Last: 6, LastTerm: 2})
	}
	n1.start(14, 1, "n1", 3, 1)
	n1.term = 2
	n1.add(14.2, observe.Event{Event: observe.EventInstall, Last: 6, LastTerm: 2})
	n2.lead(15, 7, m(2, 7))
	n1.follow(15, 7, m(2, 7))
	n3.follow(15, 7, m(2, 7))
	n3.add(16, observe.Event{Event: observe.EventStop, Reason: "told to"})
	n3.start(17, 2, "n2", 7, 2)
	n3.events[len(n3.events)-3].First = 6
	n3.batch(17.2, observe.EventCommit, 7, m(2, 7))
	n3.batch(17.3, observe.EventApply, 7, m(2, 7))
	n2.lead(18, 8, m(2, 8))
	n1.follow(18, 8, m(2, 8))
	n3.follow(18, 8, m(2, 8))
	for node, t := range tapes {
		t.add(20.5, observe.Event{Event: observe.EventStop, Reason: "told to"})
		run.Events[node] = t.events
	}
}

func compactedSample(run *Run, node string, s *observe.Sample) {
	if node == "n1" && s.Mono >= 8*second && s.Mono < 14*second || node == "n3" && s.Mono >= 16*second && s.Mono < 17*second {
		*s = observe.Sample{Node: node, Mono: s.Mono, Err: "connection refused"}
	}
	if s.Err != "" {
		return
	}
	if node == "n3" && s.Mono > 17*second {
		s.Start, s.Series["raft_monotonic_seconds"] = 117, float64(s.Mono)/float64(second)-17
	}
	index := map[bool]float64{true: 6}[node == "n1" && s.Mono > 14200*second/1000 || node != "n1" && s.Mono > 13*second]
	s.Series["raft_snapshot_index"] = index
	for after, last := range map[int64]float64{15: 7, 18: 8} {
		if s.Mono > after*second+second/10 {
			for _, series := range []string{"raft_commit_index", "raft_applied_index", "raft_last_log_index"} {
				s.Series[series] = max(s.Series[series], last)
			}
		}
	}
}

func TestJudge_CompactedRunPasses(t *testing.T) {
	for _, f := range Judge(t.Context(), compactedRun()) {
		if f.Verdict != Pass {
			t.Errorf("%s: %s", f.Check, show(f))
		}
	}
}

// kill takes from a node all that it told since a moment of its first life, the stop that ended it too.
func kill(r *Run, node, inc string, from float64) {
	keep(r, node, func(e observe.Event) bool { return e.Inc != inc || e.Mono < int64(from*float64(second)) })
}

func lives(e observe.Event, inc string) bool { return e.Inc == inc }

// compactedDoctored are compacted runs that break one rule each, by the check that must find it.
func compactedDoctored() map[string]map[string]func(*Run) {
	start3 := func(change func(*observe.Event)) func(*Run) {
		return func(r *Run) {
			edit(r, "n3", observe.EventStart, func(e *observe.Event) {
				if lives(*e, "n3-2") {
					change(e)
				}
			})
		}
	}
	return map[string]map[string]func(*Run){
		"state-machine-safety": {
			"an install of what nobody committed": func(r *Run) {
				edit(r, "n1", observe.EventInstall, func(e *observe.Event) { e.Last = 60 })
			},
			"an install before it was committed": func(r *Run) {
				edit(r, "n1", observe.EventInstall, func(e *observe.Event) { e.Mono = 11 * second })
			},
			"an install of another term's entry": func(r *Run) {
				edit(r, "n1", observe.EventInstall, func(e *observe.Event) { e.LastTerm = 1 })
			},
			"a snapshot of another term's entry": func(r *Run) {
				edit(r, "n3", observe.EventSnapshot, func(e *observe.Event) { e.LastTerm = 1 })
			},
			"a snapshot of what nobody committed": func(r *Run) {
				edit(r, "n3", observe.EventSnapshot, func(e *observe.Event) { e.Last = 9 })
			},
			"entries left out without an install": func(r *Run) { drop(r, "n1", observe.EventInstall) },
			"an entry left out behind an install": func(r *Run) {
				keep(r, "n1", func(e observe.Event) bool { return e.First != 7 })
			},
			"entries left out behind a start": func(r *Run) {
				keep(r, "n3", func(e observe.Event) bool { return !lives(e, "n3-2") || e.First != 7 })
			},
			"a start without a snapshot leaves entries out": func(r *Run) { drop(r, "n3", observe.EventSnapshot) },
			"a killed node shows no snapshot that reaches so far": func(r *Run) {
				kill(r, "n3", "n3-1", 12.9)
				for i := range r.Samples["n3"] {
					if s := &r.Samples["n3"][i]; s.Err == "" {
						s.Series["raft_snapshot_index"] = 0
					}
				}
			},
			"a start forgets its snapshot": func(r *Run) {
				insert(r, "n3", 17.1, observe.Event{Event: observe.EventCommit, First: 6, Last: 6, Entries: []observe.Mark{m(2, 6)}})
			},
			"the first life begins in the middle": func(r *Run) {
				keep(r, "n3", func(e observe.Event) bool { return !lives(e, "n3-1") || e.First != 1 })
			},
		},
		"applied-behind-commit": {
			"a snapshot of what is not applied": func(r *Run) {
				edit(r, "n3", observe.EventSnapshot, func(e *observe.Event) { e.Mono = 11 * second })
				reorder(r, "n3")
			},
			"compacted past the snapshot": func(r *Run) {
				edit(r, "n3", observe.EventSnapshot, func(e *observe.Event) { e.First = 8 })
			},
			"a sample shows it": func(r *Run) { set(r, "n2", 80, "raft_snapshot_index", 9) },
		},
		"commit-monotonic": {
			"an install goes back": func(r *Run) {
				insert(r, "n1", 19, observe.Event{Event: observe.EventInstall, Term: 2, Last: 6, LastTerm: 2})
			},
		},
		"log-matching": {
			"a hole instead of an install": func(r *Run) { drop(r, "n1", observe.EventInstall) },
			"the entry behind the snapshot follows another term": func(r *Run) {
				edit(r, "n1", observe.EventInstall, func(e *observe.Event) { e.LastTerm = 1 })
			},
			"in the final logs":       func(r *Run) { r.Logs["n1"].Entries[0].Checksum++ },
			"a final log with a hole": func(r *Run) { r.Logs["n1"].Entries[1].Index = 9 },
		},
		"leader-completeness": {
			"a leader lacks what a snapshot of another covers": func(r *Run) {
				insert(r, "n1", 14.1, observe.Event{Event: observe.EventRole, Term: 3, Role: observe.RoleLeader})
				insert(r, "n1", 14.15, observe.Event{Event: observe.EventRole, Term: 3, Role: "follower"})
			},
			"a leader's snapshot ends with another term": func(r *Run) {
				edit(r, "n1", observe.EventInstall, func(e *observe.Event) { e.LastTerm = 1 })
				insert(r, "n1", 14.3, observe.Event{Event: observe.EventRole, Term: 3, Role: observe.RoleLeader})
			},
		},
		"term-monotonic": {
			"a snapshot's term is forgotten": func(r *Run) {
				kill(r, "n3", "n3-1", 13.5)
				keep(r, "n3", func(e observe.Event) bool {
					return !lives(e, "n3-1") || e.Event == observe.EventSnapshot || e.Mono < 8*second
				})
				start3(func(e *observe.Event) { e.Term = 1 })(r)
			},
		},
		"durability": {
			"a log that begins later than its last word, after a clean stop": start3(func(e *observe.Event) { e.First = 7 }),
			"a log that begins behind what was applied, where nobody's snapshot ends": func(r *Run) {
				kill(r, "n3", "n3-1", 11.9)
			},
			"a log that begins before its durable beginning": func(r *Run) {
				insert(r, "n3", 16.5, observe.Event{Event: observe.EventStart, Term: 2, VotedFor: "n2", First: 6, Last: 7, LastTerm: 2})
				start3(func(e *observe.Event) { e.First = 2 })(r)
			},
			"a restart finds less": start3(func(e *observe.Event) { e.Last = 6 }),
			"an acknowledged entry is below the snapshots and was never committed": func(r *Run) {
				for _, node := range r.Nodes {
					edit(r, node, observe.EventCommit, func(e *observe.Event) { e.Entries = otherwise(e) })
					edit(r, node, observe.EventApply, func(e *observe.Event) { e.Entries = otherwise(e) })
				}
			},
			"an acknowledged entry is below two snapshots and was another there": func(r *Run) {
				for _, node := range []string{"n2", "n3"} {
					edit(r, node, observe.EventAppend, func(e *observe.Event) { e.Entries = otherwise(e) })
				}
			},
			"final logs that begin where nobody said": func(r *Run) { r.Logs["n2"] = logOf(8, m(2, 8)) },
			"two final logs end before the acknowledged entry": func(r *Run) {
				cutLogs(r, 7, "n1", "n2")
			},
			"a value that a snapshot lost": func(r *Run) { r.History[7] = readOf(r.History[7], "v2", 5) },
		},
		"exactly-once": {
			"a token that a snapshot lost":   func(r *Run) { r.History[8] = readOf(r.History[8], "t1;t3;", 8) },
			"a session that a snapshot lost": func(r *Run) { r.History[8] = readOf(r.History[8], "t1;t2;t3;t2;", 8) },
		},
	}
}

func TestAll_CompactedRunsThatFail(t *testing.T) {
	for name, runs := range compactedDoctored() {
		for what, doctor := range runs {
			t.Run(name+"/"+what, func(t *testing.T) {
				run := compactedRun()
				doctor(run)
				f := judgeOf(t, name)(t.Context(), run)
				if f.Verdict != Fail || f.Summary == "" || len(f.Evidence) == 0 {
					t.Errorf("finding: %s", show(f))
				}
			})
		}
	}
}

// TestFalseAlarms_Compacted holds the checks against what a correct system may do with snapshots.
func TestFalseAlarms_Compacted(t *testing.T) {
	checks := []string{
		"state-machine-safety", "durability", "log-matching", "leader-completeness", "applied-behind-commit", "commit-monotonic", "term-monotonic", "vote-once",
	}
	start := func(r *Run, inc string, change func(*observe.Event)) {
		edit(r, inc[:2], observe.EventStart, func(e *observe.Event) {
			if lives(*e, inc) {
				change(e)
			}
		})
	}
	for what, change := range map[string]func(*Run){
		"a kill takes the event of a snapshot": func(r *Run) { kill(r, "n3", "n3-1", 12.9) },
		"a kill takes the event of a snapshot, and the next life is too short to tell": func(r *Run) {
			kill(r, "n3", "n3-1", 12.9)
			for at, name := range map[float64]string{15: observe.EventStart, 15.1: observe.EventStop} {
				insert(r, "n3", at, observe.Event{Event: name, Term: 2, VotedFor: "n2", First: 6, Last: 6, LastTerm: 2})
			}
			rename(r, "n3", "n3-1", "n3-1b", 14)
		},
		"a kill takes the event of an install": func(r *Run) {
			drop(r, "n1", observe.EventInstall)
			insert(r, "n1", 14.3, observe.Event{Event: observe.EventStart, Term: 2, First: 7, Last: 6, LastTerm: 2})
			rename(r, "n1", "n1-2", "n1-3", 14.25)
		},
		"a compaction was told of and is not on disk": func(r *Run) {
			kill(r, "n3", "n3-1", 15.5)
			start(r, "n3-2", func(e *observe.Event) { e.First = 3 })
		},
		"an install drops a longer tail that was never committed": func(r *Run) {
			start(r, "n1-2", func(e *observe.Event) { e.Last, e.LastTerm = 9, 1 })
		},
		"a kill takes the event of an install that dropped a longer tail": func(r *Run) {
			insert(r, "n1", 7, observe.Event{Event: observe.EventAppend, Term: 1, First: 4, Last: 9, Durable: true, Entries: []observe.Mark{
				m(1, 40), m(1, 50), m(1, 60), m(1, 70), m(1, 80), m(1, 90),
			}})
			start(r, "n1-2", func(e *observe.Event) { e.First, e.Last, e.LastTerm = 7, 6, 2 })
			drop(r, "n1", observe.EventInstall)
			for i := range r.Samples["n1"] {
				if s := &r.Samples["n1"][i]; s.Start == 110 && s.Err == "" {
					s.Series["raft_snapshot_index"] = 6
				}
			}
		},
		"a kill takes the events of a cut and of the entries in its place": func(r *Run) {
			insert(r, "n1", 7, observe.Event{Event: observe.EventAppend, Term: 1, First: 4, Last: 6, Durable: true, Entries: []observe.Mark{
				m(1, 40), m(1, 50), m(1, 60),
			}})
			start(r, "n1-2", func(e *observe.Event) { e.Last, e.LastTerm = 4, 2 })
		},
		"a final log that is compacted whole": func(r *Run) {
			insert(r, "n1", 19, observe.Event{Event: observe.EventSnapshot, Term: 2, First: 8, Last: 8, LastTerm: 2})
			r.Logs["n1"] = logOf(9)
		},
		"a final log fetched before the last compaction": func(r *Run) {
			insert(r, "n2", 19, observe.Event{Event: observe.EventSnapshot, Term: 2, First: 7, Last: 8, LastTerm: 2})
		},
	} {
		t.Run(what, func(t *testing.T) {
			run := compactedRun()
			change(run)
			for _, name := range checks {
				if f := judgeOf(t, name)(t.Context(), run); f.Verdict != Pass {
					t.Errorf("%s: %s", name, show(f))
				}
			}
		})
	}
}
