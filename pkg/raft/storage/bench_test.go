package storage

import (
	"fmt"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// BenchmarkPersist is one group commit on the real disk, of entries of 256 bytes.
func BenchmarkPersist(b *testing.B) {
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			log, _ := mustOpen(b, Options{Dir: b.TempDir(), NodeID: "n1"})
			entries := make([]protocol.Entry, n)
			for i := range entries {
				entries[i] = protocol.Entry{Term: 1, Data: make([]byte, 256)}
			}
			next := protocol.Index(1)
			b.SetBytes(int64(n * 256))
			for b.Loop() {
				for i := range entries {
					entries[i].Index = next
					next++
				}
				mustPersist(b, log, persist(1, "n1", entries...))
			}
			mustClose(b, log)
		})
	}
}

// BenchmarkRecover opens a log of 100,000 entries of 256 bytes.
func BenchmarkRecover(b *testing.B) {
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			options := Options{Dir: testDir, NodeID: "n1", FS: vfs.NewMem()}
			log, _ := mustOpen(b, options)
			for first := protocol.Index(1); first <= 100_000; first += protocol.Index(n) {
				entries := entriesFrom(first, 1, n)
				for i := range entries {
					entries[i].Data = make([]byte, 256)
				}
				mustPersist(b, log, persist(1, "n1", entries...))
			}
			mustClose(b, log)
			for b.Loop() {
				log, found := mustOpen(b, options)
				if len(found.State.Entries) != 100_000 {
					b.Fatal(len(found.State.Entries))
				}
				mustClose(b, log)
			}
		})
	}
}

// BenchmarkMem is what a simulator asks for again and again: one small batch, and a start with a small directory.
func BenchmarkMem(b *testing.B) {
	begin := func() (Options, *Log) {
		options := testOptions(vfs.NewMem())
		options.SegmentBytes = 64 << 10
		log, _ := mustOpen(b, options)
		return options, log
	}
	b.Run("persist", func(b *testing.B) {
		_, log := begin()
		next := protocol.Index(1)
		for b.Loop() {
			mustPersist(b, log, persist(1, "n1", protocol.Entry{Index: next, Term: 1, Data: make([]byte, 100)}))
			if next++; next%1000 == 0 {
				b.StopTimer()
				mustClose(b, log)
				_, log = begin()
				next = 1
				b.StartTimer()
			}
		}
		mustClose(b, log)
	})
	b.Run("open", func(b *testing.B) {
		options, log := begin()
		for i := range protocol.Index(100) {
			mustPersist(b, log, persist(1, "n1", entriesFrom(i+1, 1, 1)...))
		}
		mustSave(b, log, position(1, 100))
		mustClose(b, log)
		for b.Loop() {
			log, _ := mustOpen(b, options)
			mustClose(b, log)
		}
	})
	b.Run("crash", func(b *testing.B) {
		options, log := begin()
		for i := range protocol.Index(100) {
			mustPersist(b, log, persist(1, "n1", entriesFrom(i+1, 1, 1)...))
		}
		for b.Loop() {
			options.FS.(*vfs.Mem).Crash(vfs.KeepAll, nil)
		}
		mustClose(b, log)
	})
}
