package protocol

import (
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
