package protocol

import (
	"fmt"
	"testing"
	"time"
)

// diverged starts three nodes: n1 and n2 hold one entry of term 1 and some of term 100, n3 that one entry and
// five of each of the terms 2 to k + 1.
func diverged(t *testing.T, k int, change func(*Options)) *cluster {
	c := newCluster(t, uint64(k), 3, change)
	for _, id := range c.ids {
		c.crash(id)
		state := State{HardState: HardState{Term: 100}, Entries: []Entry{{Index: 1, Term: 1}}}
		add := func(term Term) {
			state.Entries = append(state.Entries, Entry{Index: Index(len(state.Entries)) + 1, Term: term})
		}
		if id == "n3" {
			for term := range k {
				for range 5 {
					add(Term(term) + 2)
				}
			}
		} else {
			for range 5*k + 3 {
				add(100)
			}
		}
		c.nodes[id].durable = state
	}
	for _, id := range c.ids {
		c.start(id, change)
	}
	return c
}

// TestRepair_OneRejectionPerTerm is lab notes 3 and 22: a follower that differs over k terms is repaired in at most
// k + 1 rejections.
func TestRepair_OneRejectionPerTerm(t *testing.T) {
	for k := 1; k <= 8; k++ {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			c := diverged(t, k, nil)
			c.awaitCommit(10 * time.Second)
			if c.rejections == 0 || c.rejections > k+1 {
				t.Errorf("%d terms took %d rejections, at most %d", k, c.rejections, k+1)
			}
		})
	}
}

// TestRepair_ByHeartbeatsAlone is lab note 25: without a proposal, not even a new leader's own, the logs become equal.
func TestRepair_ByHeartbeatsAlone(t *testing.T) {
	c := diverged(t, 3, func(o *Options) { o.DisableNoop = true })
	leader := c.awaitLeader(10*time.Second, "")
	if !c.runUntil(10*time.Second, func() bool { return c.nodes["n3"].log.last() == c.nodes[leader].log.last() }) {
		c.fail("n3 still ends at %v, the leader at %v", c.nodes["n3"].log.last(), c.nodes[leader].log.last())
	}
}
