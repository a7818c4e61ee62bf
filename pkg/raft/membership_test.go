package raft

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/raft/protocol"
)

// spare lets n4 and n5 wait to be added.
func spare(o *Options) {
	o.Members = slices.DeleteFunc(slices.Clone(o.Members), func(id protocol.NodeID) bool { return id > "n3" })
	if o.ID > "n3" {
		o.Members = nil
	}
	o.Identity = protocol.Identity{Directory: "disk of " + string(o.ID), Address: string(o.ID) + ":1"}
}

// founded awaits a leader of the three founders.
func (c *cluster) founded() (leader protocol.NodeID) {
	c.await("a leader of the founders", 10*time.Second, func() bool {
		for _, id := range c.ids {
			if s := c.replicas[id].Status(); s.Role == protocol.Leader && s.CommitIndex > 0 {
				leader = id
			}
		}
		return leader != ""
	})
	return leader
}

// membersTold is what each node's Options.Configured was told last.
type membersTold struct {
	mu   sync.Mutex
	last map[protocol.NodeID]string
}

func (m *membersTold) to(id protocol.NodeID) func(protocol.Configuration) {
	return func(c protocol.Configuration) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.last[id] = c.String()
	}
}

func (m *membersTold) by(id protocol.NodeID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last[id]
}

func adds(ids ...protocol.NodeID) (change protocol.Change) {
	for _, id := range ids {
		change.Add = append(change.Add, protocol.Member{ID: id})
	}
	return change
}

// TestChangeMembers_Grows: two nodes that waited to be added apply all that there is, serve reads, and count.
func TestChangeMembers_Grows(t *testing.T) {
	told := membersTold{last: map[protocol.NodeID]string{}}
	run(t, 5, func(o *Options) {
		spare(o)
		o.Configured = told.to(o.ID)
	}, func(c *cluster) {
		leader := c.founded()
		for range 50 {
			c.replicas[leader].Start([]byte("x"))
		}
		if err := c.replicas[leader].ChangeMembers(context.Background(), adds("n4", "n5")); err != nil {
			t.Fatal(err)
		}
		c.propose("y")
		if _, err := c.replicas["n4"].ReadIndex(context.Background()); err != nil {
			t.Errorf("a read on n4: %v", err)
		}
		for _, id := range c.ids {
			if got := told.by(id); got != "n1, n2, n3, n4, n5" {
				t.Errorf("%s was told of the members %s", id, got)
			}
		}
		for _, id := range []protocol.NodeID{"n1", "n2", "n3"} {
			if id != leader {
				c.crash(id)
				break
			}
		}
		c.crash(leader)
		c.propose("three of five go on")
	})
}

// TestChangeMembers_RemovesTheLeader: the call returns when the leader is no member any more; another leads at once, and
// nothing of the removed one's is left: no goroutine, no series.
func TestChangeMembers_RemovesTheLeader(t *testing.T) {
	registries := map[protocol.NodeID]*prometheus.Registry{}
	run(t, 3, func(o *Options) {
		spare(o)
		registries[o.ID] = prometheus.NewPedanticRegistry()
		o.Metrics = registries[o.ID]
	}, func(c *cluster) {
		old := c.leader()
		c.propose("x")
		if err := c.replicas[old].ChangeMembers(context.Background(), protocol.Change{Remove: []protocol.NodeID{old}}); err != nil {
			t.Fatal(err)
		}
		var next protocol.NodeID
		c.await("another leader", 300*time.Millisecond, func() bool {
			for _, id := range c.ids {
				if s := c.replicas[id].Status(); s.Role == protocol.Leader && id != old {
					next = id
				}
			}
			return next != ""
		})
		if _, err := c.replicas[next].Propose([]byte("y")); err != nil {
			t.Error(err)
		}
		c.pass(3 * time.Second)
		if got := seriesOf(t, registries[next])["raft_heartbeats_sent_total"]; got != 1 {
			t.Errorf("%s has series of %d peers", next, got)
		}
		s := c.replicas[old].Status()
		if _, member := s.Configuration.Member(old); s.Role != protocol.Follower || member {
			t.Errorf("the removed leader is a %v of the members %v", s.Role, s.Configuration)
		}
	})
}

// TestChangeMembers_TakesAsLongAsItTakes: a change that cannot go on waits, refuses others, can be left alone and can be
// taken back.
func TestChangeMembers_TakesAsLongAsItTakes(t *testing.T) {
	run(t, 4, spare, func(c *cluster) {
		leader := c.founded()
		r := c.replicas[leader]
		c.net.isolate("n4", true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		first := make(chan error, 1)
		go func() { first <- r.ChangeMembers(context.Background(), adds("n4")) }()
		c.await("n4 to be joining", time.Second, func() bool { return r.Status().Configuration.Changing() })
		if err := r.ChangeMembers(ctx, adds("n5")); !errors.Is(err, ErrChanging) {
			t.Errorf("a second change: %v", err)
		}
		if err := r.ChangeMembers(context.Background(), protocol.Change{Remove: []protocol.NodeID{"n4"}}); err != nil {
			t.Errorf("taking it back: %v", err)
		}
		if err := <-first; !errors.Is(err, ErrCanceled) {
			t.Errorf("the change that was taken back: %v", err)
		}
		if err := r.ChangeMembers(ctx, adds("n4")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a change that takes too long: %v", err)
		}
		c.net.isolate("n4", false)
		c.await("the change to be over all the same", 5*time.Second, func() bool {
			s := r.Status()
			return s.ConfigurationCommitted && !s.Configuration.Changing()
		})
		for _, id := range c.ids {
			if id != leader {
				if err := c.replicas[id].ChangeMembers(ctx, adds("n5")); !errors.Is(err, ErrNotLeader) {
					t.Errorf("a follower's change: %v", err)
				}
			}
		}
		if err := r.ChangeMembers(ctx, adds(leader)); !errors.Is(err, ErrChange) {
			t.Errorf("adding a member: %v", err)
		}
	})
}

// TestChangeMembers_LeadershipLost: who waits for a change learns that its leader leads no more.
func TestChangeMembers_LeadershipLost(t *testing.T) {
	run(t, 4, spare, func(c *cluster) {
		leader := c.founded()
		c.net.isolate("n4", true)
		first := make(chan error, 1)
		go func() { first <- c.replicas[leader].ChangeMembers(context.Background(), adds("n4")) }()
		c.await("n4 to be joining", time.Second, func() bool { return c.replicas[leader].Status().Configuration.Changing() })
		c.net.isolate(leader, true)
		if err := <-first; !errors.Is(err, ErrLeadershipLost) {
			t.Errorf("ChangeMembers = %v", err)
		}
	})
}

// TestLeaseReads: reads under a lease are served without a message, and counted as such.
func TestLeaseReads(t *testing.T) {
	registries := map[protocol.NodeID]*prometheus.Registry{}
	run(t, 3, func(o *Options) {
		o.LeaseReads = true
		registries[o.ID] = prometheus.NewPedanticRegistry()
		o.Metrics = registries[o.ID]
	}, func(c *cluster) {
		leader := c.leader()
		c.propose("x")
		for range 20 {
			if _, err := c.replicas[leader].ReadIndex(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		for _, call := range c.net.calls() {
			if _, confirm := call.body.(protocol.ConfirmLeaderRequest); confirm {
				t.Fatal("a confirmation was asked for")
			}
		}
		c.replicas[leader].mu.Lock()
		defer c.replicas[leader].mu.Unlock()
		if got := c.replicas[leader].stats.reads[pair{"lease", "ok"}]; got != 20 {
			t.Errorf("%d reads counted under a lease, want 20", got)
		}
	})
}

// TestConfigured_AfterASnapshot: a node that learns of the members from a leader's snapshot tells whoever dials them.
func TestConfigured_AfterASnapshot(t *testing.T) {
	told := membersTold{last: map[protocol.NodeID]string{}}
	run(t, 4, func(o *Options) {
		spare(o)
		o.SnapshotEntries, o.SnapshotKeep = 10, -1
		o.Configured = told.to(o.ID)
	}, func(c *cluster) {
		leader := c.founded()
		away := c.ids[(slices.Index(c.ids, leader)+1)%3]
		c.pass(time.Second)
		c.net.isolate(away, true)
		if err := c.replicas[leader].ChangeMembers(context.Background(), adds("n4")); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			c.replicas[leader].Start([]byte("x"))
			c.pass(10 * time.Millisecond)
		}
		if first := c.replicas[leader].Status().FirstIndex; first <= c.replicas[away].Status().LastIndex+1 {
			t.Fatalf("the leader's log begins at %d: %s needs no snapshot", first, away)
		}
		c.net.isolate(away, false)
		c.await("all told", 5*time.Second, func() bool { return told.by(away) == "n1, n2, n3, n4" })
		if got := c.replicas[away].Status().ConfigurationIndex; got == 0 {
			t.Error("the configuration did not come with a snapshot")
		}
	})
}
