package protocol

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// heldLog is the log that the nodes of this file start with: 1@1 2@2 3@3 4@3.
func heldLog() []Entry {
	return []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 2}, {Index: 3, Term: 3}, {Index: 4, Term: 3}}
}

// checked is n1 of three in term 3, which has voted for n2, committed 2 and applied 1.
func checked(t *testing.T) *Node {
	t.Helper()
	n, err := New(
		Options{ID: "n1", Members: []NodeID{"n1", "n2", "n3"}, Rand: rand.New(rand.NewPCG(1, 1))},
		State{HardState: HardState{Term: 3, VotedFor: "n2"}, Entries: heldLog()}, time.Unix(0, 0),
	)
	if err != nil {
		t.Fatal(err)
	}
	n.commitIndex, n.lastApplied = 2, 1
	return n
}

// lead puts the node into office, without what an election does.
func lead(n *Node) {
	n.role, n.leader = Leader, n.opts.ID
	n.progress = map[NodeID]*progress{"n2": {match: 2, next: 3}, "n3": {match: 0, next: 5}}
}

// hold puts another log in the place of the node's, as if it had been saved too.
func hold(n *Node, entries ...Entry) {
	n.log = raftLog{compacted: n.log.compacted, entries: entries}
	n.disk.durable = n.log.last().Index
}

// TestCheck: each error that Check knows is seen once, with the terms and indices at fault.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		want   string // empty: nothing is wrong
		before func(*Node)
		spoil  func(*Node)
	}{
		// A state by itself.
		{want: "LogMatching: last entry 4.5 is of a later term than 3", spoil: func(n *Node) { n.log.append(Entry{Index: 5, Term: 4}) }},
		{want: "LeaderCompleteness: commit index 5 is behind the end, 3.4", spoil: func(n *Node) { n.commitIndex = 5 }},
		{want: "StateMachineSafety: applied 3 of 2 committed", spoil: func(n *Node) { n.lastApplied = 3 }},
		{want: "LogMatching: durable 5 of a log that ends at 3.4", spoil: func(n *Node) { n.disk.durable = 5 }},
		{
			want:  "LeaderCompleteness: compacted to 2.2, snapshot at 1.1, committed 2",
			spoil: func(n *Node) { n.log.compact(2); n.snapshot.Position = Position{Term: 1, Index: 1} },
		},
		{
			want:  "LeaderCompleteness: compacted to 0.0, snapshot at 3.3, committed 2",
			spoil: func(n *Node) { n.snapshot.Position = Position{Term: 3, Index: 3} },
		},
		{want: `ElectionSafety: leads, and takes "n2" for the leader`, spoil: func(n *Node) { lead(n); n.leader = "n2" }},
		{want: `progress: leads ["n2" "n3"] and does not track n3`, spoil: func(n *Node) { lead(n); delete(n.progress, "n3") }},
		{want: "progress of n2: match 4, next 4, log ends at 3.4", spoil: func(n *Node) { lead(n); n.progress["n2"].match, n.progress["n2"].next = 4, 4 }},
		{want: "progress of n2: match 5, next 6, log ends at 3.4", spoil: func(n *Node) { lead(n); n.progress["n2"].match, n.progress["n2"].next = 5, 6 }},
		{want: "progress of n3: match 0, next 6, log ends at 3.4", spoil: func(n *Node) { lead(n); n.progress["n3"].next = 6 }},

		// What may only move one way.
		{want: "ElectionSafety: term fell from 4 to 3", before: func(n *Node) { n.hard.Term = 4 }, spoil: func(n *Node) { n.hard.Term = 3 }},
		{want: "ElectionSafety: voted for n2 and n3 in term 3", spoil: func(n *Node) { n.hard.VotedFor = "n3" }},
		{want: "ElectionSafety: voted for n2 and ", spoil: func(n *Node) { n.hard.VotedFor = "" }},
		{want: "", spoil: func(n *Node) { n.hard = HardState{Term: 4, VotedFor: "n3"} }},
		{want: "StateMachineSafety: commit index fell from 2 to 1", spoil: func(n *Node) { n.commitIndex = 1 }},
		{want: "StateMachineSafety: applied fell from 1 to 0", spoil: func(n *Node) { n.lastApplied = 0 }},
		{
			want:   "LeaderCompleteness: leader of term 4 committed 4 of term 3 by counting",
			before: func(n *Node) { n.hard.Term = 4; lead(n) }, spoil: func(n *Node) { n.commitIndex = 4 },
		},
		{want: "", before: lead, spoil: func(n *Node) { n.commitIndex = 4 }},

		// The log.
		{want: "LogMatching: 3.6 follows 3.4", spoil: func(n *Node) { n.log.append(Entry{Index: 6, Term: 3}) }},
		{want: "LogMatching: 2.5 follows 3.4", spoil: func(n *Node) { n.log.append(Entry{Index: 5, Term: 2}) }},
		{want: "LogMatching: 1.3 follows 2.2", spoil: func(n *Node) { hold(n, append(heldLog()[:2:2], Entry{Index: 3, Term: 1})...) }},
		{want: "LeaderCompleteness: entry 2.2 is gone", spoil: func(n *Node) { hold(n, Entry{Index: 1, Term: 1}, Entry{Index: 2, Term: 3}) }},
		{want: "LeaderCompleteness: commit index 2 is behind the end, 1.1", spoil: func(n *Node) { hold(n, heldLog()[0]) }},
		{want: "LeaderAppendOnly: entry 3.4 is gone", before: lead, spoil: func(n *Node) { hold(n, heldLog()[:3]...); n.progress["n3"].next = 4 }},
		{want: "", spoil: func(n *Node) { hold(n, heldLog()[:3]...) }}, // nor is a follower's tail for ever
		{want: "", spoil: func(n *Node) { n.log.append(Entry{Index: 5, Term: 3}) }},
		{want: "", spoil: func(n *Node) { n.log.compact(1); n.snapshot.Position = Position{Term: 1, Index: 1} }},
	} {
		n := checked(t)
		if c.before != nil {
			c.before(n)
		}
		if err := n.Check(n.Checkpoint()); err != nil {
			t.Fatalf("%q: wrong from the beginning: %v", c.want, err)
		}
		before := n.Checkpoint()
		if c.spoil(n); c.want == "" {
			if err := n.Check(before); err != nil {
				t.Errorf("false alarm: %v", err)
			}
			continue
		}
		if err := n.Check(before); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestApplied_Panics: the state machine is told of when it runs ahead, or back.
func TestApplied_Panics(t *testing.T) {
	for _, index := range []Index{3, 0} {
		func() {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.HasPrefix(v, "StateMachineSafety: applied ") {
					t.Errorf("applied %d: panics with %q", index, v)
				}
			}()
			checked(t).Applied(index)
			t.Errorf("applied %d, with 2 committed and 1 applied", index)
		}()
	}
}
