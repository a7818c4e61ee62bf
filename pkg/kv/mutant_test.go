//go:build mutants

package kv

import (
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/sim"
)

// TestMutants: each mutant does what its name says, and the sound machine does not.
func TestMutants(t *testing.T) {
	for _, c := range []struct {
		name  string
		story func(n *simulatedNode) (broken bool)
	}{
		{"retry-twice", func(n *simulatedNode) bool {
			session := n.open()
			n.do(change(sim.Append, session, 1, "x"))
			n.do(change(sim.Append, session, 1, "x"))
			return n.machine.Effects()[0].TookPlace && n.machine.Read("k").Data == "xx"
		}},
		{"dedup-in-leader", func(n *simulatedNode) bool {
			session := n.open()
			n.do(change(sim.Append, session, 1, "x"))
			repeat := n.write(change(sim.Append, session, 1, "x")) // known to this leader
			n.apply()
			n.answered(repeat)
			other := n.restarted()
			other.do(change(sim.Append, session, 1, "x"))
			return n.machine.Read("k").Data == "x" && other.machine.Read("k").Data == "xx"
		}},
		{"snap-no-sessions", func(n *simulatedNode) bool {
			session := n.open()
			n.do(change(sim.Append, session, 1, "x"))
			other := n.restarted()
			a := other.do(change(sim.Append, session, 1, "x"))
			return a.Outcome == sim.Refused && other.machine.Read("k").Data == "x"
		}},
		{"wrong-waiter", func(n *simulatedNode) bool {
			answer := n.write(change(sim.Put, n.open(), 1, "x"))
			n.machine.LeadershipChanged(2, false, 1)
			n.log[1] = protocol.Entry{Index: 2, Term: 2, Kind: protocol.EntryNoop}
			n.apply()
			return n.answered(answer).Outcome == sim.Done && !n.machine.Read("k").Present
		}},
		{"waiter-lost", func(n *simulatedNode) bool {
			leader := newSimulatedNode(n.t, protocol.Mutation{})
			leader.open()
			leader.open()
			answer := n.write(change(sim.Put, n.open(), 1, "x"))
			n.receive(leader)
			_, ok := answer()
			return !ok
		}},
		{"dedup-forgets-answer", func(n *simulatedNode) bool {
			session := n.open()
			n.do(change(sim.Create, session, 1, "x"))
			again := n.do(change(sim.Create, session, 1, "x"))
			return again.Outcome == sim.NotFound && !n.machine.Effects()[0].TookPlace
		}},
		{"snap-merges", func(n *simulatedNode) bool {
			session := n.open()
			n.do(change(sim.Put, session, 1, "x"))
			leader := newSimulatedNode(n.t, protocol.Mutation{})
			leader.log = n.log
			leader.apply()
			leader.do(change(sim.Delete, session, 2, ""))
			n.receive(leader)
			return n.machine.Read("k").Present && n.machine.Digest() != leader.machine.Digest()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.story(newSimulatedNode(t, protocol.Mutation{})) {
				t.Error("the sound machine does it too")
			}
			if !c.story(newSimulatedNode(t, protocol.Mutation{Name: c.name})) {
				t.Error("it breaks nothing")
			}
		})
	}
}
