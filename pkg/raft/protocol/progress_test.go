package protocol

import (
	"fmt"
	"testing"
	"time"
)

// leaderOf returns a leader of three, with batches of at most 16, whose log holds count commands.
func leaderOf(t *testing.T, count int) *Node {
	t.Helper()
	n := newTestNode(t, "n1", 3, func(o *Options) { o.DisablePreVote, o.DisableNoop, o.MaxBatch = true, true, 16 })
	now := elect(t, n)
	for range count {
		if _, _, err := n.Propose(now, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// elect lets a node without pre-vote be elected by all whom it asks, and returns when that was.
func elect(t *testing.T, n *Node) time.Time {
	t.Helper()
	now := n.Deadline()
	requests := n.Tick(now).SendAfterPersist
	n.Persisted(now, 1)
	for _, m := range requests {
		n.Receive(now, Message{From: m.To, To: m.From, Ticket: m.Ticket, Body: RequestVoteReply{Term: n.Term(), VoteGranted: true}})
	}
	if n.Role() != Leader {
		t.Fatalf("%s is a %v", n.opts.ID, n.Role())
	}
	return now
}

// TestProgress_OverALossyNetwork: a lost question is asked again at the same place, not at the start of the log; where
// the logs are known to agree whole batches leave, each half as long as the lost one before.
func TestProgress_OverALossyNetwork(t *testing.T) {
	n := leaderOf(t, 100)
	n.progress["n2"].probe(logsDiffer, 51) // as after a rejection: it is not known whether the logs agree at 50
	now := n.now
	for step, want := range []struct {
		prev  Index
		count int
		lost  bool
	}{
		{50, 1, true},
		{50, 1, true},
		{50, 1, false},
		{51, 16, true},
		{51, 8, true},
		{51, 4, true},
	} {
		now = now.Add(time.Second)
		ticket, request := appendTo(t, n, now, "n2")
		if request.PrevLogIndex != want.prev || len(request.Entries) != want.count {
			t.Fatalf("step %d: sent %d entries behind %d, want %d behind %d", step, len(request.Entries), request.PrevLogIndex, want.count, want.prev)
		}
		if want.lost {
			n.Failed(now, "n2", ticket)
		} else {
			n.Receive(now, Message{From: "n2", To: "n1", Ticket: ticket, Body: AppendEntriesReply{Term: 1, Success: true}})
		}
	}
}

// appendTo is the first request with entries that the leader sends to a peer now.
func appendTo(t *testing.T, n *Node, now time.Time, peer NodeID) (uint64, AppendEntriesRequest) {
	t.Helper()
	for _, m := range n.Replicate(now, peer).Send {
		if request, ok := m.Body.(AppendEntriesRequest); ok && len(request.Entries) > 0 {
			return m.Ticket, request
		}
	}
	t.Fatalf("nothing to append was sent to %s", peer)
	return 0, AppendEntriesRequest{}
}

// TestProgress_HeartbeatRepeatsTheQuestion: while a question's answer is late, the heartbeats ask it again.
func TestProgress_HeartbeatRepeatsTheQuestion(t *testing.T) {
	n := leaderOf(t, 100)
	now := n.now.Add(time.Second)
	n.progress["n2"].probe(logsDiffer, 51)
	appendTo(t, n, now, "n2")
	if early := n.Replicate(now.Add(100*time.Millisecond), "n2").Send; len(early) != 0 {
		t.Errorf("sent %+v within the gap between heartbeats", early)
	}
	sent := n.Replicate(now.Add(120*time.Millisecond), "n2").Send
	if len(sent) != 1 {
		t.Fatalf("sent %+v, want a heartbeat", sent)
	}
	if request := sent[0].Body.(AppendEntriesRequest); len(request.Entries) > 0 || request.PrevLogIndex != 50 {
		t.Errorf("sent %+v, want a heartbeat that checks index 50", request)
	}
}

// TestSnapshot_ADeadPeerKeepsNobodyWaiting: with one sender, a peer that does not answer gives its place to the next.
func TestSnapshot_ADeadPeerKeepsNobodyWaiting(t *testing.T) {
	n := leaderOf(t, 20)
	n.opts.MaxSnapshotSenders, n.opts.SnapshotKeep = 1, -1
	now := n.now
	n.Persisted(now, 21)
	for _, peer := range []NodeID{"n2", "n3"} {
		ticket, _ := appendTo(t, n, now, peer)
		n.Receive(now, Message{From: peer, To: "n1", Ticket: ticket, Body: AppendEntriesReply{Term: 1, Success: true}})
	}
	for _, p := range n.progress {
		p.match, p.next = 2, 3 // as if they had been away since
	}
	at, ok := n.SnapshotAt(n.commitIndex)
	if !ok {
		t.Fatalf("no snapshot can be taken at %d", n.commitIndex)
	}
	n.SnapshotStored(at)
	chunkTo := func(peer NodeID) (ticket uint64, sent bool) {
		for _, m := range n.Replicate(now, peer).Send {
			if _, ok := m.Body.(InstallSnapshotRequest); ok {
				return m.Ticket, true
			}
		}
		return 0, false
	}
	first, sent := chunkTo("n2")
	if _, early := chunkTo("n3"); !sent || early {
		t.Fatalf("a chunk left for n2: %v, for n3 beside it: %v", sent, early)
	}
	n.Failed(now, "n2", first)
	now = now.Add(time.Second)
	if _, sent := chunkTo("n3"); !sent {
		t.Error("n3 waits for n2, which does not answer")
	}
	if _, both := chunkTo("n2"); both {
		t.Error("two are sent snapshots at a time")
	}
}

// TestProgress_LateAnswers: what a follower is known to hold does not become less.
func TestProgress_LateAnswers(t *testing.T) { lateAnswers(t, 1, nil) }

// lateAnswers has answers overtake one another under load.
func lateAnswers(t testing.TB, seed uint64, change func(*Options)) {
	c, leader := elected(t, seed, 3, 0, change)
	c.faults.delay = 50 * time.Millisecond
	match := map[NodeID]Index{}
	for i := range 100 {
		c.propose(leader, fmt.Sprint(i))
		c.runUntil(5*time.Millisecond, func() bool {
			for id, p := range c.nodes[leader].progress {
				if p.match < match[id] {
					c.fail("%s held entry %d, then %d of them", id, match[id], p.match)
				}
				match[id] = p.match
			}
			return false
		})
	}
	c.awaitCommit(5 * time.Second)
}
