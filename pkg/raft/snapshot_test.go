package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"whitewater/pkg/raft/protocol"
)

// small makes snapshots frequent, and sent in many chunks.
func small(o *Options) { o.SnapshotEntries, o.SnapshotKeep, o.SnapshotChunkBytes = 10, -1, 100 }

// TestSnapshot_CompactsAndRecovers: the log stays short, and a restart has the whole state.
func TestSnapshot_CompactsAndRecovers(t *testing.T) {
	run(t, 3, small, func(c *cluster) {
		for i := range 100 {
			c.propose(fmt.Sprint("x", i))
		}
		want := c.machines["n1"].commands()
		for _, id := range c.ids {
			s := c.replicas[id].Status()
			if s.Snapshot.Index < 80 || s.LastIndex-s.FirstIndex > 25 {
				t.Errorf("%s: snapshot at %d, log from %d to %d", id, s.Snapshot.Index, s.FirstIndex, s.LastIndex)
			}
		}
		for _, id := range c.ids {
			c.crash(id)
		}
		for _, id := range c.ids {
			c.start(id)
		}
		c.propose("after")
		for _, id := range c.ids {
			if got := c.machines[id].commands(); !slices.Equal(got, append(slices.Clone(want), "after")) {
				t.Errorf("%s has %d commands after the restart, want %d", id, len(got), len(want)+1)
			}
			if c.machines[id].restored != 1 {
				t.Errorf("%s restored %d snapshots", id, c.machines[id].restored)
			}
		}
	})
}

// TestSnapshot_CatchesALaggardUp: what it needs is gone from every log.
func TestSnapshot_CatchesALaggardUp(t *testing.T) {
	run(t, 3, small, func(c *cluster) {
		leader := c.leader()
		c.propose("first")
		laggard := c.ids[(slices.Index(c.ids, leader)+1)%3]
		c.net.isolate(laggard, true)
		var last protocol.Index
		for i := range 100 {
			last, _, _ = c.replicas[leader].Start([]byte(fmt.Sprint("x", i)))
			c.await("commit", time.Second, func() bool { return c.machines[leader].last() >= last })
		}
		c.net.isolate(laggard, false)
		c.awaitApplied(last)
		if got, want := c.machines[laggard].commands(), c.machines[leader].commands(); !slices.Equal(got, want) {
			t.Errorf("the laggard has %d commands, the leader %d", len(got), len(want))
		}
		if c.machines[laggard].restored == 0 {
			t.Error("no snapshot was installed")
		}
		chunks := 0
		for _, s := range c.net.calls() {
			if _, ok := s.body.(protocol.InstallSnapshotRequest); ok {
				chunks++
			}
		}
		if chunks < 10 {
			t.Errorf("the snapshot went in %d chunks", chunks)
		}
	})
}

// TestSnapshot_ByTheService is the lab's form: the program that applies takes the snapshot, in mid-batch.
func TestSnapshot_ByTheService(t *testing.T) {
	run(t, 1, func(o *Options) { o.SnapshotEntries, o.SnapshotKeep = -1, -1 }, func(c *cluster) {
		r := c.replicas[c.leader()]
		last := c.propose("x")
		if err := r.Snapshot(last+1, nil); !errors.Is(err, ErrSnapshot) {
			t.Errorf("a snapshot of what is not committed: %v", err)
		}
		if err := r.Snapshot(last, []byte("state")); err != nil {
			t.Fatal(err)
		}
		if s := r.Status(); s.Snapshot.Index != last || s.FirstIndex != last+1 {
			t.Errorf("snapshot at %d, log from %d, want %d", s.Snapshot.Index, s.FirstIndex, last)
		}
		if err := r.Snapshot(last, []byte("state")); !errors.Is(err, ErrSnapshot) {
			t.Errorf("a snapshot that is not newer: %v", err)
		}
	})
}

// held is a state machine that applies nothing until it is let.
type held struct {
	*machine
	let chan struct{}
}

func (h held) Apply(ctx context.Context, entries []protocol.Entry) error {
	<-h.let
	return h.machine.Apply(ctx, entries)
}

// TestSnapshot_NotBeforeItIsDelivered: what is committed, and was not given to the state machine yet, is in no snapshot.
func TestSnapshot_NotBeforeItIsDelivered(t *testing.T) {
	var let chan struct{}
	run(t, 1, func(o *Options) {
		o.SnapshotEntries, o.SnapshotKeep = -1, -1
		let = make(chan struct{})
		o.StateMachine = held{o.StateMachine.(*machine), let}
	}, func(c *cluster) {
		r := c.replicas[c.leader()]
		c.await("the first entry to be committed", time.Second, func() bool { return r.Status().CommitIndex == 1 })
		index, _, _ := r.Start([]byte("x"))
		c.await("the second to be", time.Second, func() bool { return r.Status().CommitIndex == index })
		if err := r.Snapshot(index, nil); !errors.Is(err, ErrSnapshot) {
			t.Errorf("a snapshot of what was not delivered: %v", err)
		}
		close(let)
		c.awaitApplied(index)
		if err := r.Snapshot(index, []byte("state")); err != nil {
			t.Error(err)
		}
	})
}

// TestSnapshot_SeveralAtOnce: none is refused because another is being saved, so that the newest wins.
func TestSnapshot_SeveralAtOnce(t *testing.T) {
	run(t, 1, func(o *Options) { o.SnapshotEntries, o.SnapshotKeep = -1, -1 }, func(c *cluster) {
		r := c.replicas[c.leader()]
		first := c.propose("x")
		last := first
		for range 4 {
			last = c.propose("x")
		}
		var wg sync.WaitGroup
		for index := first; index <= last; index++ {
			wg.Go(func() {
				if err := r.Snapshot(index, []byte("state")); err != nil && (index == last || !errors.Is(err, ErrSnapshot)) {
					t.Errorf("Snapshot(%d): %v", index, err)
				}
			})
			synctest.Wait() // the first is being saved
		}
		wg.Wait()
		if s := r.Status(); s.Snapshot.Index != last || s.FirstIndex != last+1 {
			t.Errorf("snapshot at %d, log from %d, want %d", s.Snapshot.Index, s.FirstIndex, last)
		}
	})
}

// TestSnapshot_KillWaits: nothing is saved any more once Kill has returned.
func TestSnapshot_KillWaits(t *testing.T) {
	run(t, 1, func(o *Options) { o.SnapshotEntries, o.SnapshotKeep = -1, -1 }, func(c *cluster) {
		r := c.replicas[c.leader()]
		last := c.propose("x")
		var wg sync.WaitGroup
		for range 2 { // the second waits for the first
			wg.Go(func() {
				if err := r.Snapshot(last, []byte("state")); !errors.Is(err, ErrStopped) {
					t.Errorf("Snapshot of a killed replica: %v", err)
				}
			})
		}
		synctest.Wait()
		if got := c.disks["n1"].state().Snapshot; !got.IsZero() {
			t.Fatalf("saved already: %+v", got)
		}
		r.Kill()
		if got := c.disks["n1"].state().Snapshot; got.Index != last {
			t.Errorf("Kill returned while a snapshot was being saved: %+v", got)
		}
		wg.Wait()
	})
}

// fading loses a snapshot just before it is read.
type fading struct {
	*disk
	lost    protocol.SnapshotMeta
	proceed chan struct{}
}

func (f fading) OpenSnapshot(meta protocol.SnapshotMeta) (SnapshotReader, error) {
	if meta == f.lost {
		<-f.proceed
		return nil, ErrNoSnapshot
	}
	return f.disk.OpenSnapshot(meta)
}

// TestSnapshot_ReplacedBeforeItIsRestored: the leader's next snapshot is installed while one waits to be restored.
func TestSnapshot_ReplacedBeforeItIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(index protocol.Index) protocol.Position { return protocol.Position{Term: 1, Index: index} }
		machine, d := &machine{}, fading{&disk{}, protocol.SnapshotMeta{Position: at(10)}, make(chan struct{})}
		r, err := New(Options{
			ID: "n1", Members: []protocol.NodeID{"n1", "n2", "n3"}, Transport: endpoint{newNetwork(), "n1"},
			State:   protocol.State{HardState: protocol.HardState{Term: 1}, Snapshot: d.lost, Compacted: at(10)},
			Storage: d, Snapshots: d, StateMachine: machine, Rand: newRand(1),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Kill()
		data, err := json.Marshal([]protocol.Entry{{Index: 20, Term: 1, Data: []byte("x")}})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := r.Receive("n2", protocol.InstallSnapshotRequest{
			Term: 1, LeaderID: "n2", LastIncludedIndex: 20, LastIncludedTerm: 1,
			Size: int64(len(data)), Checksum: crc32.ChecksumIEEE(data), Data: data, Done: true,
		}).Wait(context.Background())
		if installed, ok := reply.(protocol.InstallSnapshotReply); !ok || !installed.Installed {
			t.Fatalf("the snapshot was answered by %+v, %v", reply, err)
		}
		close(d.proceed)
		synctest.Wait()
		if r.Killed() || machine.last() != 20 || machine.restored != 1 {
			t.Errorf("restored %d snapshots up to %d, stopped by %v", machine.restored, machine.last(), r.Err())
		}
	})
}

// TestSnapshot_OnDemand: taken although nothing calls for one, one at a time, and not twice of the same state.
func TestSnapshot_OnDemand(t *testing.T) {
	run(t, 1, func(o *Options) { o.SnapshotEntries, o.SnapshotKeep = -1, -1 }, func(c *cluster) {
		r := c.replicas[c.leader()]
		last := c.propose("x")
		for range 2 {
			if err := r.TakeSnapshot(); err != nil {
				t.Fatal(err)
			}
			c.await("the snapshot", time.Second, func() bool { return r.Status().Snapshot.Index == last })
			if s := r.Status(); s.FirstIndex != last+1 {
				t.Errorf("log from %d, want %d", s.FirstIndex, last+1)
			}
		}
		r.mu.Lock()
		r.saving = true
		r.mu.Unlock()
		if err := r.TakeSnapshot(); !errors.Is(err, ErrSnapshot) {
			t.Errorf("a second one at a time: %v", err)
		}
		r.Kill()
		if err := r.TakeSnapshot(); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestTransfer_UnderLoad hands leadership round; nothing that was committed is lost.
func TestTransfer_UnderLoad(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		for range 6 {
			old := c.leader()
			for range 20 {
				c.replicas[old].Start([]byte("x"))
			}
			target := c.ids[(slices.Index(c.ids, old)+1)%3]
			began := time.Now()
			if err := c.replicas[old].TransferLeadership(context.Background(), target); err != nil {
				t.Fatal(err)
			}
			if next := c.leader(); next != target {
				t.Errorf("%s leads, %s was to", next, target)
			}
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("the transfer took %v of virtual time", took)
			}
		}
		c.propose("end")
		want := c.machines["n1"].commands()
		for _, id := range c.ids {
			if got := c.machines[id].commands(); !slices.Equal(got, want) {
				t.Errorf("%s applied %d commands, n1 %d", id, len(got), len(want))
			}
		}
	})
}

// TestTransfer_GivesUp: a target that cannot be reached costs an election time-out of refused proposals.
func TestTransfer_GivesUp(t *testing.T) {
	run(t, 3, nil, func(c *cluster) {
		leader := c.leader()
		c.propose("x")
		target := c.ids[(slices.Index(c.ids, leader)+1)%3]
		c.net.isolate(target, true)
		c.replicas[leader].Start([]byte("the target lacks this"))
		done := make(chan error)
		go func() { done <- c.replicas[leader].TransferLeadership(context.Background(), target) }()
		c.await("the transfer to begin", time.Second, func() bool {
			_, err := c.replicas[leader].Propose([]byte("y"))
			return errors.Is(err, ErrTransferring)
		})
		if err := <-done; !errors.Is(err, ErrTransferFailed) {
			t.Errorf("TransferLeadership = %v", err)
		}
		if _, err := c.replicas[leader].Propose([]byte("z")); err != nil {
			t.Errorf("after a failed transfer the leader refuses: %v", err)
		}
		if err := c.replicas[leader].TransferLeadership(context.Background(), "n9"); !errors.Is(err, ErrTransferTarget) {
			t.Errorf("a transfer to nobody: %v", err)
		}
	})
}
