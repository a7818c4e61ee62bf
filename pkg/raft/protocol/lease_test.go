package protocol

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func leasing(change func(*Options)) func(*Options) {
	return func(o *Options) {
		o.LeaseReads = true
		if change != nil {
			change(o)
		}
	}
}

// TestLease_ServesReadsAtOnce: with a lease a read needs no message; once nobody has answered for as long as it lasts a
// read waits again, and is not served.
func TestLease_ServesReadsAtOnce(t *testing.T) {
	c, leader := elected(t, 1, 3, 0, leasing(nil))
	c.read(leader)
	if c.readsDone != 1 {
		t.Fatal("a read waits although the lease holds")
	}
	c.isolate(leader, true)
	c.run(c.nodes[leader].opts.lease())
	c.read(leader)
	if c.readsDone != 1 || c.nodes[leader].Role() != Leader {
		t.Errorf("%d reads served by a %v whose lease is over", c.readsDone, c.nodes[leader].Role())
	}
}

// TestLease_EndsWithATransfer: who was told to campaign may lead at once, whatever the followers have promised.
func TestLease_EndsWithATransfer(t *testing.T) { leaseAfterTransfer(t, 1, nil) }

// leaseAfterTransfer hands leadership over, and keeps the old leader from hearing of it.
func leaseAfterTransfer(t testing.TB, seed uint64, change func(*Options)) {
	c, leader := elected(t, seed, 3, 0, leasing(change))
	c.faults.deaf = leader
	for _, id := range c.ids {
		c.faults.cut[[2]NodeID{id, leader}] = true
	}
	c.input(leader, func(n *Node) Output {
		out, _ := n.Transfer(c.now, c.ids[(slices.Index(c.ids, leader)+1)%3])
		return out
	})
	next := c.awaitLeader(300*time.Millisecond, leader)
	c.propose(next, "newer")
	c.runUntil(300*time.Millisecond, func() bool { return c.nodes[next].commitIndex == c.nodes[next].log.last().Index })
	c.read(leader)
	c.run(5 * time.Second)
}

// TestLease_EndsInAPause: a leader that stood still looks at the time before it serves a read.
func TestLease_EndsInAPause(t *testing.T) { leaseAfterPause(t, 1, nil) }

// leaseAfterPause lets a leader stand still until another has committed more, then reads from it before anything else
// reaches it.
func leaseAfterPause(t testing.TB, seed uint64, change func(*Options)) {
	c, leader := elected(t, seed, 3, 0, leasing(change))
	c.nodes[leader].up = false
	next := c.awaitLeader(10*time.Second, leader)
	c.propose(next, "newer")
	c.run(time.Second)
	c.nodes[leader].up = true
	c.read(leader)
	c.run(5 * time.Second)
}

// TestLease_KeepsItsWordOverARestart: a follower that was started anew votes for nobody until what it may have promised is
// over.
func TestLease_KeepsItsWordOverARestart(t *testing.T) {
	n := newTestNode(t, "n2", 3, leasing(nil))
	ask := func(at time.Time, term Term) bool {
		out := n.Receive(at, Message{From: "n3", To: "n2", Ticket: 1, Body: RequestVoteRequest{Term: term, CandidateID: "n3"}})
		return slices.ContainsFunc(append(out.Send, out.SendAfterPersist...), func(m Message) bool { return m.Body.(RequestVoteReply).VoteGranted })
	}
	if ask(n.started.Add(2*n.opts.ElectionTimeout-1), 5) {
		t.Error("it voted at once")
	}
	if !ask(n.started.Add(2*n.opts.ElectionTimeout), 6) {
		t.Error("it never votes again")
	}
}

// TestLease_NeedsItsGuards: without them a lease would promise what nobody keeps.
func TestLease_NeedsItsGuards(t *testing.T) {
	for _, disable := range []func(*Options){
		func(o *Options) { o.DisableCheckQuorum = true },
		func(o *Options) { o.DisableStickiness = true },
	} {
		o := newTestNode(t, "n1", 3, leasing(nil)).opts
		disable(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "LeaseReads") {
			t.Errorf("accepted: %v", err)
		}
	}
}

// TestBounds_InBytes: proposals are refused beyond so many bytes, and a peer has no more than so many on their way.
func TestBounds_InBytes(t *testing.T) {
	n := leaderOf(t, 0)
	n.opts.MaxPendingBytes, n.opts.MaxInflightBytes = 100, 25
	now := n.now
	for i := range 12 {
		_, _, err := n.Propose(now, []byte("0123456789"))
		if wantErr := i >= 10; (err != nil) != wantErr {
			t.Fatalf("proposal %d of 10 bytes: %v", i, err)
		}
	}
	ticket, first := appendTo(t, n, now, "n2")
	if got := DataBytes(first.Entries); got > 25 {
		t.Errorf("%d bytes left at once, want at most 25", got)
	}
	n.progress["n2"].flights[0] = flight{ticket: ticket, kind: entriesFlight, last: first.Entries[len(first.Entries)-1].Index, bytes: 25}
	n.progress["n2"].state = Replicate
	for _, m := range n.Replicate(now, "n2").Send {
		if request := m.Body.(AppendEntriesRequest); len(request.Entries) > 0 {
			t.Errorf("%d entries more with 25 bytes on their way", len(request.Entries))
		}
	}
	n.Persisted(now, 2)
	n.Receive(now, Message{From: "n2", Ticket: ticket, Body: AppendEntriesReply{Term: 1, Success: true}})
	if _, _, err := n.Propose(now, []byte("0123456789")); err != nil {
		t.Errorf("%d bytes still wait after a commit of %d: %v", n.pendingBytes, n.commitIndex, err)
	}
}
