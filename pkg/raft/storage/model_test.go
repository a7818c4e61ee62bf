package storage

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// TestModel compares a Log with a plain slice under any order of appends, overwrites, votes,
// reopenings and crashes.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := testOptions(vfs.NewMem())
		options.SegmentBytes = rapid.Int64Range(minSegmentBytes, 4096).Draw(t, "segment bytes")
		var want model
		log, _, err := Open(options)
		if err != nil {
			t.Fatal(err)
		}
		reopen := func(files *vfs.Mem) {
			options.FS = files
			var found Recovered
			if log, found, err = Open(options); err != nil {
				t.Fatal(err)
			}
			if diff := want.diff(found.State); diff != "" {
				t.Fatal(diff)
			}
			if found.TornBytes != 0 {
				t.Fatalf("%d bytes torn after whole writes", found.TornBytes)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"persist": func(t *rapid.T) {
				var group []protocol.Persist
				for range rapid.IntRange(1, 3).Draw(t, "batches") {
					b := drawBatch(t, want)
					want.persist(b)
					group = append(group, b)
				}
				if err := log.Persist(group...); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := log.Close(); err != nil {
					t.Fatal(err)
				}
				reopen(options.FS.(*vfs.Mem))
			},
			"crash": func(t *rapid.T) {
				how := vfs.Loss(rapid.IntRange(0, int(vfs.LoseSectors)).Draw(t, "loss"))
				rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				reopen(options.FS.(*vfs.Mem).Crash(how, rng))
			},
		})
	})
}

func drawBatch(t *rapid.T, m model) protocol.Persist {
	b := protocol.Persist{HardState: protocol.HardState{
		Term:     m.Term + protocol.Term(rapid.IntRange(0, 2).Draw(t, "term")),
		VotedFor: rapid.SampledFrom([]protocol.NodeID{"", "n1", "n2"}).Draw(t, "vote"),
	}}
	first := rapid.IntRange(1, len(m.Entries)+1).Draw(t, "first")
	for i := range rapid.IntRange(0, 5).Draw(t, "entries") {
		b.Entries = append(b.Entries, protocol.Entry{
			Index: protocol.Index(first + i), Term: b.HardState.Term,
			Kind: protocol.EntryKind(rapid.IntRange(0, 2).Draw(t, "kind")),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "data"),
		})
	}
	return b
}
