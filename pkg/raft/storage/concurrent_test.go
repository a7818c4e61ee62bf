package storage

import (
	"errors"
	"io"
	"sync"
	"testing"

	"whitewater/pkg/raft/protocol"
)

// TestLog_AllAtOnce persists, saves, compacts, receives, reads and looks at the same time, on real files.
func TestLog_AllAtOnce(t *testing.T) {
	options := testOptions(nil)
	options.Dir = t.TempDir()
	log, _ := mustOpen(t, options)
	const entries = 300
	var (
		wait    sync.WaitGroup
		durable = make(chan protocol.Index, entries)
		saved   = make(chan protocol.SnapshotMeta, entries)
		done    = make(chan struct{})
	)
	wait.Go(func() { // the disk writer
		defer close(durable)
		compact := protocol.Position{}
		for i := protocol.Index(1); i <= entries; i++ {
			select {
			case meta := <-saved:
				compact = meta.Position
			default:
			}
			b := persist(1, "n1", entriesFrom(i, 1, 1)...)
			b.Compact = compact
			if err := log.Persist(b); err != nil {
				t.Error(err)
				return
			}
			durable <- i
		}
	})
	wait.Go(func() { // the one who takes snapshots
		defer close(done)
		for i := range durable {
			if i%10 != 0 {
				continue
			}
			at := position(1, i)
			meta, err := log.SaveSnapshot(metaAt(at), writeData(at))
			if err != nil {
				t.Error(err)
			}
			saved <- meta
			r, err := log.OpenSnapshot(meta)
			if err != nil {
				t.Error(err)
				continue
			}
			wait.Go(func() { // a sender
				if n, err := io.Copy(io.Discard, io.NewSectionReader(r, 0, r.Size())); n != meta.Size || err != nil {
					t.Errorf("read %d of %d bytes: %v", n, meta.Size, err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	})
	wait.Go(func() { // a leader that sends what comes too late
		for i := protocol.Index(1); ; i++ {
			select {
			case <-done:
				return
			default:
			}
			data := []byte("state of another leader")
			if _, _, err := log.ReceiveSnapshot(metaOf(position(2, i%400+1), data), 0, data); err != nil {
				t.Error(err)
			}
			_ = log.Stats()
		}
	})
	wait.Wait()
	if stats := log.Stats(); stats.LastIndex != entries || stats.Compacted.Index == 0 {
		t.Errorf("%+v", stats)
	}
	last := position(1, entries)
	if _, err := log.OpenSnapshot(metaOf(last, snapshotData(last))); err != nil && !errors.Is(err, ErrNoSnapshot) {
		t.Error(err)
	}
	mustClose(t, log)
	log, found := mustOpen(t, options)
	if got := found.State; got.Snapshot.Index != entries || got.Compacted.Index+protocol.Index(len(got.Entries)) != entries {
		t.Errorf("found snapshot %v, compacted %v, %d entries", got.Snapshot, got.Compacted, len(got.Entries))
	}
	mustClose(t, log)
}
