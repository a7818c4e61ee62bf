package raft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"whitewater/pkg/raft/protocol"
)

func TestReplica_ElectsOneLeaderAndAppliesEverywhere(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		for i := range 10 {
			c.propose(fmt.Sprint("x", i))
		}
		want := c.machines["n1"].commands()
		if len(want) != 10 {
			t.Errorf("n1 applied %q", want)
		}
		for _, id := range c.ids {
			if got := c.machines[id].commands(); !slices.Equal(got, want) {
				t.Errorf("%s applied %q, n1 %q", id, got, want)
			}
		}
	})
}

// TestReplica_ConcurrentStarts is lab note 18: distinct, gap-free indices, each with its own command.
func TestReplica_ConcurrentStarts(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		leader := c.replicas[c.leader()]
		var mu sync.Mutex
		byIndex := map[protocol.Index]string{}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				command := fmt.Sprint("x", i)
				index, _, ok := leader.Start([]byte(command))
				mu.Lock()
				defer mu.Unlock()
				if other, twice := byIndex[index]; !ok || twice {
					t.Errorf("Start(%s) = %d, %v; the index is %q's", command, index, ok, other)
				}
				byIndex[index] = command
			})
		}
		wg.Wait()
		first := slices.Min(slices.Collect(mapKeys(byIndex)))
		c.awaitApplied(first + 49)
		for _, e := range leader.Entries(first, 50) {
			if byIndex[e.Index] != string(e.Data) {
				t.Errorf("index %d holds %q, Start said %q", e.Index, e.Data, byIndex[e.Index])
			}
		}
	})
}

func mapKeys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestReplica_CrashOfTheLeader: a closed connection is noticed long before an election time-out.
func TestReplica_CrashOfTheLeader(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		c.propose("before")
		old := c.leader()
		crashed := time.Now()
		c.crash(old)
		next := c.leader()
		if took := time.Since(crashed); took > 600*time.Millisecond {
			t.Errorf("fail-over took %v of virtual time, an election time-out or more", took)
		}
		if next == old {
			t.Fatalf("%s leads and is dead", old)
		}
		c.propose("after")
		c.start(old)
		c.awaitApplied(c.replicas[next].Status().CommitIndex)
		if got := c.machines[old].commands(); !slices.Equal(got, []string{"before", "after"}) {
			t.Errorf("the old leader applied %q", got)
		}
	})
}

// TestReplica_OldLeaderRejoins: an isolated leader steps down, its private entries are overwritten.
func TestReplica_OldLeaderRejoins(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		c.propose("both")
		old := c.leader()
		c.net.isolate(old, true)
		if _, _, ok := c.replicas[old].Start([]byte("private")); !ok {
			t.Fatal("an isolated leader refused a command before it could know")
		}
		c.await("the old leader to miss its quorum", 5*time.Second, func() bool {
			_, leads := c.replicas[old].GetState()
			return !leads
		})
		next := c.leader()
		index, _, ok := c.replicas[next].Start([]byte("public"))
		if !ok {
			t.Fatal("the new leader refused a command")
		}
		c.net.isolate(old, false)
		c.awaitApplied(index)
		if got := c.machines[old].commands(); !slices.Equal(got, []string{"both", "public"}) {
			t.Errorf("the old leader applied %q", got)
		}
	})
}

// TestReplica_DeadPeerSlowsNoOther is lab note 13.
func TestReplica_DeadPeerSlowsNoOther(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		leader := c.leader()
		c.propose("warm")
		dead := c.ids[(slices.Index(c.ids, leader)+1)%3]
		c.net.isolate(dead, true)
		began := time.Now()
		for range 100 {
			index, _, _ := c.replicas[leader].Start([]byte("x"))
			c.await("commit", time.Second, func() bool { return c.machines[leader].last() >= index })
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("100 commits beside a dead peer took %v of virtual time", took)
		}
	})
}

// TestReplica_HeartbeatsAreAtMostTenASecond is lab note 5, idle and loaded, across leaders.
func TestReplica_HeartbeatsAreAtMostTenASecond(t *testing.T) {
	run(t, 3, func(o *Options) { o.HeartbeatInterval = 100 * time.Millisecond }, func(c *cluster) {
		for range 5 {
			c.propose("x")
			time.Sleep(2 * time.Second)
			for range 30 {
				c.propose("y")
			}
			c.crashAndRestart(c.leader())
		}
		times := map[[2]protocol.NodeID][]time.Time{}
		for _, s := range c.net.calls() {
			if isHeartbeat(s.body) {
				link := [2]protocol.NodeID{s.from, s.to}
				times[link] = append(times[link], s.at)
			}
		}
		beats := 0
		for link, at := range times {
			beats += len(at)
			for i := 10; i < len(at); i++ {
				if at[i].Sub(at[i-10]) < time.Second {
					t.Errorf("%v: 11 heartbeats within %v", link, at[i].Sub(at[i-10]))
				}
			}
		}
		if beats < 100 {
			t.Errorf("only %d heartbeats in ten seconds", beats)
		}
	})
}

func (c *cluster) crashAndRestart(id protocol.NodeID) {
	c.crash(id)
	c.leader()
	c.start(id)
}

// TestReplica_NothingIsAcknowledgedBeforeItIsDurable: while the followers' disks hang nothing commits.
func TestReplica_NothingIsAcknowledgedBeforeItIsDurable(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		leader := c.leader()
		committed := c.propose("x")
		stuck := make(chan struct{})
		for _, id := range c.ids {
			if id != leader {
				c.disks[id].set(func(d *disk) { d.stuck = stuck })
			}
		}
		index, _, ok := c.replicas[leader].Start([]byte("y"))
		if !ok {
			t.Fatal("the leader refused a command")
		}
		time.Sleep(300 * time.Millisecond)
		if got := c.replicas[leader].Status().CommitIndex; got != committed {
			t.Errorf("committed %d though no follower has saved anything behind %d", got, committed)
		}
		for _, id := range c.ids {
			c.disks[id].set(func(d *disk) { d.stuck = nil })
		}
		close(stuck)
		c.awaitApplied(index)
	})
}

// TestReplica_GroupCommit: what gathers during a save is saved together.
func TestReplica_GroupCommit(t *testing.T) {
	run(t, 1, nil, func(c *cluster) {
		leader := c.leader()
		c.propose("x")
		c.disks[leader].set(func(d *disk) { d.batches = nil })
		var last protocol.Index
		for range 100 {
			last, _, _ = c.replicas[leader].Start([]byte("y"))
		}
		c.awaitApplied(last)
		c.disks[leader].set(func(d *disk) {
			if len(d.batches) > 3 {
				t.Errorf("100 commands took %d saves, of %v batches", len(d.batches), d.batches)
			}
		})
	})
}

func TestReplica_FailedPersistStopsTheNode(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		leader := c.leader()
		broken := errors.New("input/output error")
		c.disks[leader].set(func(d *disk) { d.err = broken })
		c.replicas[leader].Start([]byte("x"))
		<-c.replicas[leader].Done()
		if err := c.replicas[leader].Err(); !errors.Is(err, broken) {
			t.Errorf("Err() = %v, want %v", err, broken)
		}
		if _, err := c.replicas[leader].Propose([]byte("y")); !errors.Is(err, ErrStopped) {
			t.Errorf("Propose on a stopped replica = %v", err)
		}
		if _, err := c.replicas[leader].ReadIndex(context.Background()); !errors.Is(err, ErrStopped) {
			t.Errorf("ReadIndex on a stopped replica = %v", err)
		}
	})
}

func TestReplica_FailedApplyStopsTheNode(t *testing.T) {
	run(t, 1, nil, func(c *cluster) {
		c.leader()
		broken := errors.New("unknown command")
		c.machines["n1"].mu.Lock()
		c.machines["n1"].err = broken
		c.machines["n1"].mu.Unlock()
		c.replicas["n1"].Start([]byte("x"))
		<-c.replicas["n1"].Done()
		if err := c.replicas["n1"].Err(); !errors.Is(err, broken) {
			t.Errorf("Err() = %v, want %v", err, broken)
		}
	})
}

// TestReplica_ReadIndex: every node serves reads, without a heartbeat and no later than one round trip and a half.
func TestReplica_ReadIndex(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		committed := c.propose("x")
		for _, id := range c.ids {
			began := time.Now()
			index, err := c.replicas[id].ReadIndex(context.Background())
			if err != nil || index < committed {
				t.Errorf("%s: ReadIndex = %d, %v; %d is committed", id, index, err, committed)
			}
			if took := time.Since(began); took > 5*time.Millisecond {
				t.Errorf("%s: ReadIndex took %v of virtual time", id, took)
			}
		}
	})
}

// TestReplica_ReadIndexNeedsAMajority: an isolated leader serves none.
func TestReplica_ReadIndexNeedsAMajority(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		leader := c.leader()
		c.propose("x")
		c.net.isolate(leader, true)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		if index, err := c.replicas[leader].ReadIndex(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ReadIndex of an isolated leader = %d, %v", index, err)
		}
		if _, err := c.replicas[leader].ReadIndex(context.Background()); !errors.Is(err, ErrNotLeader) {
			t.Errorf("ReadIndex while it loses office = %v, want %v", err, ErrNotLeader)
		}
	})
}

// TestReplica_ConfirmsOnlyForReads is the budget: none while no read waits, one per read and peer at most.
func TestReplica_ConfirmsOnlyForReads(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		leader := c.leader()
		c.propose("x")
		time.Sleep(5 * time.Second)
		const reads = 20
		for range reads {
			if _, err := c.replicas[leader].ReadIndex(context.Background()); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(5 * time.Second)
		confirms := 0
		for _, s := range c.net.calls() {
			if _, ok := s.body.(protocol.ConfirmLeaderRequest); ok {
				confirms++
			}
		}
		if confirms == 0 || confirms > reads*2 {
			t.Errorf("%d reads took %d confirmations", reads, confirms)
		}
	})
}

func TestReplica_LeadershipIsPublished(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		leader := c.leader()
		for _, id := range c.ids {
			change := <-c.replicas[id].Leadership()
			if change.Leader != leader || change.Self != (id == leader) {
				t.Errorf("%s was told %+v, %s leads", id, change, leader)
			}
		}
	})
}

func TestReplica_RefusesWhatIsTooMuch(t *testing.T) {
	run(t, 3, func(o *Options) { o.MaxPending, o.MaxCommandBytes = 10, 100 }, func(c *cluster) {
		leader := c.leader()
		c.propose("x")
		if _, err := c.replicas[leader].Propose(make([]byte, 101)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a command of 101 bytes: %v", err)
		}
		c.net.isolate(leader, true)
		var err error
		accepted := 0
		for err == nil && accepted < 100 {
			if _, err = c.replicas[leader].Propose([]byte("y")); err == nil {
				accepted++
			}
		}
		if !errors.Is(err, ErrOverloaded) || accepted != 10 {
			t.Errorf("a leader without quorum took %d proposals, then %v", accepted, err)
		}
	})
}

// TestSignal_Coalesces is lab note 19: a burst of signals wakes the reader once.
func TestSignal_Coalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, wakes, stop := newSignal(), 0, make(chan struct{})
		var wg sync.WaitGroup
		for range 100 {
			s.raise()
		}
		wg.Go(func() {
			for {
				select {
				case <-s:
					wakes++
				case <-stop:
					return
				}
			}
		})
		synctest.Wait()
		close(stop)
		wg.Wait()
		if wakes != 1 {
			t.Errorf("a burst of 100 woke the reader %d times", wakes)
		}
	})
}

func TestOptions_ReportEveryFault(t *testing.T) {
	err := Options{ID: "n1", Members: []protocol.NodeID{"n2", "n2"}, HeartbeatInterval: time.Second}.Validate()
	for _, want := range []string{"lack ID", "twice", "Rand is nil", "ElectionTimeout 600ms", "Storage", "StateMachine", "Transport"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault about %q in:\n%v", want, err)
		}
	}
}
