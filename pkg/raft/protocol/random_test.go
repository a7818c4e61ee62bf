package protocol

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"time"
)

// TestRandomRuns holds clusters of three and five, whose members change, under every fault that the test network has and
// with disks that are lost, to the properties of Figure 3, to fresh reads, and to agreement once the faults end.
func TestRandomRuns(t *testing.T) {
	runs := uint64(150)
	if testing.Short() {
		runs = 30
	}
	restores := 0
	for seed := range runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { restores += randomRun(t, seed, nil) })
	}
	t.Logf("%d snapshots restored", restores)
	if restores == 0 {
		t.Error("no run ever restored a snapshot")
	}
}

// TestRandomRuns_Replay: a seed is all that a run depends on, to the last message and event and their order.
func TestRandomRuns_Replay(t *testing.T) {
	for seed := range uint64(2) {
		first, again := sha256.New(), sha256.New()
		tracedRun(t, seed, nil, first)
		tracedRun(t, seed, nil, again)
		if !bytes.Equal(first.Sum(nil), again.Sum(nil)) {
			t.Errorf("two runs of seed %d differ", seed)
		}
	}
}

// randomRun is one run; it returns how many snapshots were restored.
func randomRun(t testing.TB, seed uint64, change func(*Options)) int {
	return tracedRun(t, seed, change, nil)
}

func tracedRun(t testing.TB, seed uint64, change func(*Options), trace io.Writer) int {
	small := func(o *Options) {
		o.SnapshotKeep = []int{-1, 2}[seed/2%2] // logs are short: keep next to nothing
		if change != nil {
			change(o)
		}
	}
	c := newGrowingCluster(t, seed, 3+2*int(seed%2), 2, small)
	c.trace = trace
	c.faults.loss = []float64{0, 0.05, 0.2}[c.rand.IntN(3)]
	c.faults.dup = []float64{0, 0.1}[c.rand.IntN(2)]
	c.faults.delay = []time.Duration{time.Millisecond, 30 * time.Millisecond, 300 * time.Millisecond}[c.rand.IntN(3)]
	c.faults.disk = []time.Duration{time.Millisecond, 100 * time.Millisecond}[c.rand.IntN(2)]
	for step := range 60 {
		c.run(c.upTo(400 * time.Millisecond))
		id := c.ids[c.rand.IntN(len(c.ids))]
		other := c.ids[c.rand.IntN(len(c.ids))]
		switch c.rand.IntN(13) {
		case 0:
			if c.nodes[id].up {
				c.crash(id)
			}
		case 1, 2:
			if !c.nodes[id].up {
				c.start(id, small)
			}
		case 3:
			c.faults.cut[[2]NodeID{id, other}] = true
		case 4, 5:
			clear(c.faults.cut)
		case 6, 7:
			c.takeSnapshot(id)
		case 8:
			c.input(id, func(n *Node) Output {
				out, _ := n.Transfer(c.now, "")
				return out
			})
		case 9, 10, 11:
			c.changeMembers()
		case 12:
			c.wipe(id, small)
		}
		for _, id := range c.ids {
			c.propose(id, fmt.Sprintf("%d by %s", step, id))
			if c.nodes[id].up {
				c.read(id)
			}
		}
	}
	clear(c.faults.cut)
	c.faults.loss, c.faults.dup, c.faults.delay = 0, 0, time.Millisecond
	for _, id := range c.ids {
		if !c.nodes[id].up {
			c.start(id, small)
		}
	}
	c.replaceWiped(10 * time.Second)
	c.awaitCommit(20 * time.Second)
	for _, id := range c.nodes[c.leader()].config().IDs() {
		c.read(id)
	}
	if !c.runUntil(5*time.Second, func() bool { return len(c.reads) == 0 }) {
		c.fail("%d reads never ended: %v", len(c.reads), c.reads)
	}
	if c.readsDone == 0 {
		c.fail("no read was served")
	}
	return c.restores
}
