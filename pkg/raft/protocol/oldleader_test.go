package protocol

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// TestLeader_StepsDownOnAReply is lab note 12: a leader that comes back learns from replies alone that it is stale.
func TestLeader_StepsDownOnAReply(t *testing.T) { deafLeader(t, 1, nil) }

// TestRead_NeedsAMajority: a leader that is cut off serves no read.
func TestRead_NeedsAMajority(t *testing.T) { cutOffReads(t, 1, nil) }

// cutOffReads reads from a leader that is cut off, after another one has committed more.
func cutOffReads(t testing.TB, seed uint64, change func(*Options)) {
	c := newCluster(t, seed, 3, func(o *Options) {
		o.DisableCheckQuorum, o.DisableStickiness = true, true
		if change != nil {
			change(o)
		}
	})
	old := c.awaitLeader(10*time.Second, "")
	c.run(time.Second)
	c.isolate(old, true)
	next := c.awaitLeader(10*time.Second, old)
	c.propose(next, "x")
	c.run(time.Second)
	c.read(old)
	c.run(time.Second)
	if c.readsDone > 0 {
		c.fail("%s served a read without a majority", old)
	}
}

// TestRead_NeedsAnswersToLaterRequests: what was sent before a read came says nothing about the time of the read.
func TestRead_NeedsAnswersToLaterRequests(t *testing.T) { earlierAnswers(t, 1, nil) }

// earlierAnswers reads from a leader that only hears answers to what it sent before.
func earlierAnswers(t testing.TB, seed uint64, change func(*Options)) {
	c, leader := elected(t, seed, 3, 0, change)
	c.faults.delay = 50 * time.Millisecond
	s := c.nodes[leader]
	sent := s.tickets
	c.runUntil(time.Second, func() bool { return s.tickets >= sent+2 })
	for _, other := range c.ids {
		c.faults.cut[[2]NodeID{leader, other}] = true
	}
	c.read(leader)
	c.run(300 * time.Millisecond)
	if c.readsDone > 0 {
		c.fail("%s served a read that nobody confirmed", leader)
	}
}

// deafLeader cuts a leader off until there is another, then lets its own requests through and none to it.
func deafLeader(t testing.TB, seed uint64, change func(*Options)) {
	c := newCluster(t, seed, 3, func(o *Options) {
		o.DisableCheckQuorum, o.DisableStickiness = true, true // it must not step down for want of answers
		if change != nil {
			change(o)
		}
	})
	old := c.awaitLeader(10*time.Second, "")
	c.isolate(old, true)
	c.awaitLeader(10*time.Second, old)
	c.isolate(old, false)
	c.faults.deaf = old
	c.run(time.Second)
	if c.nodes[old].role == Leader {
		c.fail("%s still leads term %d, and its peers have told it of a later one", old, c.nodes[old].hard.Term)
	}
}

// TestLeader_IsReplacedWhenItDies: nobody protects a leader that is not heard any more.
func TestLeader_IsReplacedWhenItDies(t *testing.T) { deadLeader(t, 1, nil) }

// deadLeader cuts a leader off for good.
func deadLeader(t testing.TB, seed uint64, change func(*Options)) {
	c := newCluster(t, seed, 3, change)
	old := c.awaitLeader(10*time.Second, "")
	c.run(time.Second)
	c.isolate(old, true)
	c.awaitLeader(10*time.Second, old)
}

// TestLeader_KeepsItsPeace: an idle leader sends heartbeats and nothing else.
func TestLeader_KeepsItsPeace(t *testing.T) { idleLeader(t, 1, nil) }

// idleLeader counts what a leader sends while there is nothing to do.
func idleLeader(t testing.TB, seed uint64, change func(*Options)) {
	c, leader := elected(t, seed, 3, 0, change)
	c.run(time.Second)
	before := c.nodes[leader].tickets
	c.run(time.Second)
	if sent := c.nodes[leader].tickets - before; sent > 2*9 { // one in 120 ms to each peer
		c.fail("%s sent %d requests in a second", leader, sent)
	}
}

// TestLeader_TakesProposalsAgain: what was refused takes no room.
func TestLeader_TakesProposalsAgain(t *testing.T) { eagerClients(t, 1, nil) }

// eagerClients propose more than the leader may take, again and again, and once more when all of it is committed.
func eagerClients(t testing.TB, seed uint64, change func(*Options)) {
	c, leader := elected(t, seed, 3, 0, func(o *Options) {
		o.MaxPendingBytes = 100
		if change != nil {
			change(o)
		}
	})
	before := c.nodes[leader].commitIndex
	for range 10 {
		for range 20 {
			c.propose(leader, "ten bytes.")
		}
		c.run(time.Second)
	}
	if c.leader() != leader {
		c.fail("%s leads in place of %s", c.leader(), leader)
	}
	if got := c.nodes[leader].commitIndex - before; got != 10*10 {
		c.fail("%d proposals of 10 bytes were committed, want ten times as many as fit in 100 bytes", got)
	}
}

// TestPreVote_NeedsTheLog: nobody raises the term whose log cannot win.
func TestPreVote_NeedsTheLog(t *testing.T) {
	for seed := range uint64(10) {
		hopelessCandidate(t, seed, nil)
	}
}

// hopelessCandidate lets the leader die just as a follower is back that lacks what was committed.
func hopelessCandidate(t testing.TB, seed uint64, change func(*Options)) {
	c, leader := elected(t, seed, 3, 0, change)
	late := c.ids[(slices.Index(c.ids, leader)+1)%3]
	c.isolate(late, true)
	c.propose(leader, "x")
	c.run(time.Second)
	c.crash(leader)
	c.isolate(late, false)
	before := maps.Clone(c.votes)
	next := c.awaitLeader(10*time.Second, leader)
	c.run(time.Second)
	for vote, candidate := range c.votes {
		if candidate == late && before[vote] == "" {
			c.fail("%s raised the term, without a log to win with: its vote %s; %s leads", late, vote, next)
		}
	}
}
