package raft

import (
	"context"
	"encoding/json"
	"hash/crc32"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"whitewater/pkg/raft/protocol"
)

// gated makes nothing durable until its gate is opened, and notes which snapshots it is given.
type gated struct {
	*disk
	gate chan struct{}

	mu       sync.Mutex // guards received
	received []protocol.Index
}

func (g *gated) Persist(batches ...protocol.Persist) error {
	<-g.gate
	return g.disk.Persist(batches...)
}

func (g *gated) ReceiveSnapshot(meta protocol.SnapshotMeta, offset int64, data []byte) (int64, bool, error) {
	g.mu.Lock()
	g.received = append(g.received, meta.Index)
	g.mu.Unlock() // the disk takes its time
	return g.disk.ReceiveSnapshot(meta, offset, data)
}

func (g *gated) got() []protocol.Index {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.received)
}

// TestInstall_OneAtATime: while a snapshot's install waits for the disk, storage gets no other snapshot for which it might
// drop that one.
func TestInstall_OneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &gated{disk: &disk{}, gate: make(chan struct{})}
		r, err := New(Options{
			ID: "n1", Members: []protocol.NodeID{"n1", "n2", "n3"}, Transport: endpoint{newNetwork(), "n1"},
			Storage: d, Snapshots: d, StateMachine: &machine{}, Rand: newRand(1),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Kill()
		var calls sync.WaitGroup
		for _, index := range []protocol.Index{20, 30, 40} {
			data, err := json.Marshal([]protocol.Entry{{Index: index, Term: 1, Data: []byte("x")}})
			if err != nil {
				t.Fatal(err)
			}
			pending := r.Receive("n2", protocol.InstallSnapshotRequest{
				Term: 1, LeaderID: "n2", LastIncludedIndex: index, LastIncludedTerm: 1,
				Size: int64(len(data)), Checksum: crc32.ChecksumIEEE(data), Data: data, Done: true,
			})
			calls.Go(func() {
				reply, err := pending.Wait(context.Background())
				if installed, ok := reply.(protocol.InstallSnapshotReply); !ok || !installed.Installed {
					t.Errorf("the snapshot at %d was answered by %+v, %v", index, reply, err)
				}
			})
		}
		time.Sleep(time.Second)
		if got := d.got(); !slices.Equal(got, []protocol.Index{20}) {
			t.Fatalf("storage was given the snapshots at %v while the first was being installed", got)
		}
		close(d.gate)
		calls.Wait()
		if got := r.Status().Snapshot.Index; got != 40 || r.Killed() {
			t.Errorf("the newest snapshot is at %d, stopped by %v", got, r.Err())
		}
	})
}
