package protocol

import (
	"testing"
	"time"
)

// TestElection_HasteEnds: whoever suspects the leader campaigns in short turns; one that got no answers in time gives the
// next the whole election time-out, since the network or the disks are slow after all.
func TestElection_HasteEnds(t *testing.T) {
	n := newTestNode(t, "n1", 3, nil)
	n.Receive(n.now, Message{From: "n2", To: "n1", Ticket: 1, Body: AppendEntriesRequest{Term: 1, LeaderID: "n2"}})
	n.ConnectionLost(n.now, "n2")
	began := n.Deadline()
	n.Tick(began)
	if n.Role() != PreCandidate || n.Deadline().Sub(began) > n.opts.ElectionTimeout/2 {
		t.Fatalf("a %v whose ballot lasts %v", n.Role(), n.Deadline().Sub(began))
	}
	again := n.Deadline()
	n.Tick(again)
	if n.Role() != PreCandidate || n.Deadline().Sub(again) < n.opts.ElectionTimeout {
		t.Errorf("a %v whose second ballot lasts %v", n.Role(), n.Deadline().Sub(again))
	}
}

// TestSnapshot_WhoIsHeardComesFirst: of several that need a snapshot one that answers is not kept waiting by those that do
// not, whichever is looked at first.
func TestSnapshot_WhoIsHeardComesFirst(t *testing.T) {
	n := leaderOf(t, 20)
	n.opts.MaxSnapshotSenders, n.opts.SnapshotKeep = 1, -1
	n.Persisted(n.now, 21)
	for _, peer := range []NodeID{"n2", "n3"} {
		ticket, _ := appendTo(t, n, n.now, peer)
		n.Receive(n.now, Message{From: peer, To: "n1", Ticket: ticket, Body: AppendEntriesReply{Term: 1, Success: true}})
	}
	for _, p := range n.progress {
		p.match, p.next = 2, 3 // as if they had been away since
	}
	n.progress["n3"].contact = n.now.Add(time.Millisecond)
	at, ok := n.SnapshotAt(n.commitIndex)
	if !ok {
		t.Fatalf("no snapshot can be taken at %d", n.commitIndex)
	}
	n.SnapshotStored(at)
	for _, c := range []struct {
		peer NodeID
		sent bool
	}{{"n2", false}, {"n3", true}} {
		n.Replicate(n.now, c.peer)
		if n.SendsSnapshot(c.peer) != c.sent {
			t.Errorf("%s is sent a snapshot: %t", c.peer, !c.sent)
		}
	}
}
