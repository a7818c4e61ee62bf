package storage

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// snapshotData is what the state machine's data at a position is taken to be: several blocks for some.
func snapshotData(at protocol.Position) []byte {
	line := fmt.Appendf(nil, "state at %v; ", at)
	return bytes.Repeat(line, 1+int(at.Index%4)*3000)
}

// metaAt is what SaveSnapshot is told at a position: with members for most, with what is no configuration for none.
func metaAt(at protocol.Position) protocol.SnapshotMeta {
	meta := protocol.SnapshotMeta{Position: at}
	if n := int(at.Index % 5); n > 0 {
		meta.Configuration = string(protocol.Bootstrap([]protocol.NodeID{"n1", "n2", "n3", "n4"}[:n]).Encode())
	}
	return meta
}

func metaOf(at protocol.Position, data []byte) protocol.SnapshotMeta {
	meta := metaAt(at)
	meta.Size, meta.Checksum = int64(len(data)), crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return meta
}

func position(term protocol.Term, index protocol.Index) protocol.Position {
	return protocol.Position{Term: term, Index: index}
}

func writeData(at protocol.Position) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(snapshotData(at))
		return err
	}
}

func mustSave(t testing.TB, log *Log, at protocol.Position) protocol.SnapshotMeta {
	t.Helper()
	meta, err := log.SaveSnapshot(metaAt(at), writeData(at))
	if err != nil {
		t.Fatalf("save: %v", err)
	}
	if want := metaOf(at, snapshotData(at)); meta != want {
		t.Fatalf("saved %+v, want %+v", meta, want)
	}
	return meta
}

// receive hands a whole snapshot over in chunks.
func receive(log *Log, meta protocol.SnapshotMeta, data []byte) error {
	for next, complete := int64(0), false; !complete; {
		var err error
		end := min(int64(len(data)), next+30000)
		if next, complete, err = log.ReceiveSnapshot(meta, next, data[next:end]); err != nil {
			return err
		}
		if next < end {
			return fmt.Errorf("received through %d, wants %d", end, next)
		}
	}
	return nil
}

func mustReceive(t testing.TB, log *Log, at protocol.Position) protocol.SnapshotMeta {
	t.Helper()
	data := snapshotData(at)
	meta := metaOf(at, data)
	if err := receive(log, meta, data); err != nil {
		t.Fatalf("receive: %v", err)
	}
	return meta
}

// checkSnapshot reads a snapshot back.
func checkSnapshot(t testing.TB, log *Log, meta protocol.SnapshotMeta) {
	t.Helper()
	r, err := log.OpenSnapshot(meta)
	if err != nil {
		t.Fatalf("open snapshot: %v", err)
	}
	defer func() { must(t, r.Close()) }()
	got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil || !bytes.Equal(got, snapshotData(meta.Position)) {
		t.Fatalf("snapshot at %v holds %d bytes (%v)", meta.Position, len(got), err)
	}
}

func reopen(t testing.TB, log *Log, want model) (*Log, Recovered) {
	t.Helper()
	mustClose(t, log)
	next, found := mustOpen(t, log.options)
	if diff := want.diff(found.State); diff != "" {
		t.Fatal(diff)
	}
	return next, found
}

func names(t testing.TB, files *vfs.Mem, dir string) []string {
	t.Helper()
	all, err := files.ReadDir(filepath.Join(testDir, dir))
	must(t, err)
	return all
}

// TestSnapshot_CompactsTheLog: what a durable snapshot covers leaves the log, in memory at once and on
// disk by whole segments.
func TestSnapshot_CompactsTheLog(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	var want model
	for i := protocol.Index(1); i <= 300; i++ {
		b := persist(1, "n1", entriesFrom(i, 1, 1)...)
		mustPersist(t, log, b)
		want.persist(b)
	}
	before := log.Stats()
	want.Snapshot = mustSave(t, log, position(1, 250))
	log, _ = reopen(t, log, want)
	compact := protocol.Persist{HardState: want.HardState, Compact: position(1, 240)}
	for range 10 { // a few segments go with each call
		mustPersist(t, log, compact)
		want.persist(compact)
		next := persist(1, "n1", entriesFrom(want.last()+1, 1, 1)...)
		mustPersist(t, log, next)
		want.persist(next)
	}
	after := log.Stats()
	if before.Segments < 5 || after.Segments > 3 || after.LogBytes*3 > before.LogBytes || after.Compacted != compact.Compact {
		t.Errorf("log of %+v, before the compaction %+v", after, before)
	}
	log, _ = reopen(t, log, want)
	checkSnapshot(t, log, want.Snapshot)
	more := persist(2, "n2", entriesFrom(300, 2, 2)...)
	mustPersist(t, log, more)
	want.persist(more)
	want.Snapshot = mustSave(t, log, position(2, 301))
	everything := protocol.Persist{HardState: want.HardState, Compact: position(2, 301)}
	mustPersist(t, log, everything)
	want.persist(everything)
	log, _ = reopen(t, log, want)
	checkSnapshot(t, log, want.Snapshot)
	mustClose(t, log)
}

// TestSnapshot_NotCompactedWithout: nothing leaves the log that no durable snapshot covers.
func TestSnapshot_NotCompactedWithout(t *testing.T) {
	for name, test := range map[string]struct{ snapshot, compact protocol.Position }{
		"no snapshot":        {compact: position(1, 3)},
		"an older snapshot":  {position(1, 2), position(1, 3)},
		"beyond the log":     {position(1, 6), position(1, 6)},
		"another term":       {position(1, 5), position(2, 3)},
		"snapshot not in it": {position(2, 5), position(1, 3)},
	} {
		files := vfs.NewMem()
		log, _ := mustOpen(t, testOptions(files))
		mustPersist(t, log, persist(1, "", entriesFrom(1, 1, 5)...))
		if test.snapshot != (protocol.Position{}) {
			mustSave(t, log, test.snapshot)
		}
		err := log.Persist(protocol.Persist{HardState: protocol.HardState{Term: 1}, Compact: test.compact})
		if !errors.Is(err, ErrBatch) {
			t.Errorf("%s: got %v, want ErrBatch", name, err)
		}
		_ = log.Close()
	}
}

// TestInstall_ReplacesTheLog: whatever the log held, it begins behind an installed snapshot.
func TestInstall_ReplacesTheLog(t *testing.T) {
	for name, before := range map[string][]protocol.Entry{
		"empty":               nil,
		"shorter":             entriesFrom(1, 1, 10),
		"conflicting, longer": entriesFrom(1, 1, 200),
	} {
		t.Run(name, func(t *testing.T) {
			files := vfs.NewMem()
			log, _ := mustOpen(t, testOptions(files))
			var want model
			for _, e := range before {
				b := persist(1, "n1", e)
				mustPersist(t, log, b)
				want.persist(b)
			}
			meta := mustReceive(t, log, position(3, 100))
			log2, _ := reopen(t, log, want) // received is not installed, and does not outlive the process
			if left := names(t, files, snapDir); len(left) > 0 {
				t.Fatalf("left %v", left)
			}
			meta = mustReceive(t, log2, meta.Position)
			install := persist(3, "n3", entriesFrom(101, 3, 2)...)
			install.Install = meta
			mustPersist(t, log2, install)
			want.persist(install)
			again := protocol.Persist{HardState: want.HardState, Install: meta} // changes nothing
			mustPersist(t, log2, again)
			log3, _ := reopen(t, log2, want)
			checkSnapshot(t, log3, meta)
			if got := names(t, files, logDir); len(got) != 1 {
				t.Errorf("segments %v, want the new one alone", got)
			}
			mustPersist(t, log3, again)
			log3, _ = reopen(t, log3, want)
			mustClose(t, log3)
		})
	}
}

// TestInstall_NeverGoesBack: a snapshot that is not newer than the present one is not taken, from
// whatever side it comes.
func TestInstall_NeverGoesBack(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	var want model
	early := mustReceive(t, log, position(2, 50))
	b := persist(2, "", entriesFrom(1, 2, 120)...)
	mustPersist(t, log, b)
	want.persist(b)
	want.Snapshot = mustSave(t, log, position(2, 100))
	install := persist(3, "")
	install.Install = early
	mustPersist(t, log, install)
	want.HardState = install.HardState
	if next, complete, err := log.ReceiveSnapshot(metaOf(position(2, 60), []byte("x")), 0, []byte("x")); next != 0 || complete || err != nil {
		t.Errorf("an old snapshot was taken: %d %v %v", next, complete, err)
	}
	for _, index := range []protocol.Index{99, 100} {
		meta, err := log.SaveSnapshot(metaAt(position(2, index)), func(io.Writer) error { return errors.New("asked to write") })
		if meta != want.Snapshot || err != nil {
			t.Errorf("saving an old snapshot gave %+v, %v", meta, err)
		}
	}
	if err := log.Persist(persist(4, "", entriesFrom(100, 4, 1)...)); !errors.Is(err, ErrBatch) {
		t.Errorf("an entry that the snapshot covers was replaced: %v", err)
	}
	_ = log.Close()
	log, found := mustOpen(t, testOptions(files))
	if diff := want.diff(found.State); diff != "" {
		t.Error(diff)
	}
	mustClose(t, log)
}

func TestInstall_RefusesWhatWasNotReceived(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	b := persist(1, "")
	b.Install = metaOf(position(1, 9), []byte("state"))
	if err := log.Persist(b); !errors.Is(err, ErrBatch) {
		t.Errorf("got %v, want ErrBatch", err)
	}
	_ = log.Close()
}

// TestReceive_ResumesAndChecks: chunks lost, doubled, reordered, wrong.
func TestReceive_ResumesAndChecks(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	defer func() { mustClose(t, log) }()
	data := snapshotData(position(1, 7))
	meta := metaOf(position(1, 7), data)
	size := meta.Size
	chunk := func(meta protocol.SnapshotMeta, from, to int64, want int64, wantComplete bool) {
		t.Helper()
		next, complete, err := log.ReceiveSnapshot(meta, from, data[from:to])
		if err != nil || next != want || complete != wantComplete {
			t.Errorf("bytes %d to %d: next %d, complete %v, %v; want %d, %v", from, to, next, complete, err, want, wantComplete)
		}
	}
	chunk(meta, 100, 200, 0, false) // nothing is held yet
	chunk(meta, 0, 100000, 100000, false)
	chunk(meta, 0, 100000, 100000, false) // twice
	chunk(meta, 100001, 100002, 100000, false)
	chunk(meta, 90000, 110000, 110000, false) // overlaps
	other := meta
	other.Term = 2
	chunk(other, 5, 6, 0, false)               // of another: is not begun in the middle
	chunk(meta, 110000, 110000, 110000, false) // and so the first goes on
	chunk(other, 0, 10, 10, false)
	chunk(meta, 110000, size, 0, false) // dropped for the other
	wrong := meta
	wrong.Checksum++
	chunk(wrong, 0, size-1, size-1, false)
	chunk(wrong, size-1, size, 0, false)
	if n, complete, err := log.ReceiveSnapshot(meta, size-1, []byte("too long")); n != 0 || complete || err != nil {
		t.Errorf("too long a chunk: %d %v %v", n, complete, err)
	}
	chunk(meta, 0, size-1, size-1, false)
	chunk(meta, size-1, size, size, true)
	chunk(meta, 0, 10, size, true)
	empty := metaOf(position(1, 8), nil)
	if next, complete, err := log.ReceiveSnapshot(empty, 0, nil); next != 0 || !complete || err != nil {
		t.Errorf("an empty snapshot: %d %v %v", next, complete, err)
	}
	checkSnapshot(t, log, meta)
}

// TestSnapshot_ReadersKeepTheFile: two snapshots are kept, and what is being read.
func TestSnapshot_ReadersKeepTheFile(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustPersist(t, log, persist(1, "", entriesFrom(1, 1, 10)...))
	first := mustSave(t, log, position(1, 1))
	r, err := log.OpenSnapshot(first)
	must(t, err)
	for i := protocol.Index(2); i <= 5; i++ {
		mustSave(t, log, position(1, i))
	}
	if left := names(t, files, snapDir); len(left) != 3 {
		t.Errorf("files %v, want the one read and the last two", left)
	}
	data, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil || !bytes.Equal(data, snapshotData(first.Position)) {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	must(t, r.Close())
	if left := names(t, files, snapDir); len(left) != 2 || !strings.Contains(left[0], "0004-1-") {
		t.Errorf("files %v, want the last two", left)
	}
	if _, err := log.OpenSnapshot(first); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("got %v, want ErrNoSnapshot", err)
	}
	mustClose(t, log)
}

// TestSnapshot_SavesBesidePersist: a snapshot that is being written holds up neither Persist nor a
// snapshot that is being received.
func TestSnapshot_SavesBesidePersist(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustPersist(t, log, persist(1, "", entriesFrom(1, 1, 5)...))
	meta, err := log.SaveSnapshot(metaAt(position(1, 5)), func(w io.Writer) error {
		for i := range 50 {
			if _, err := w.Write(make([]byte, 30000)); err != nil {
				return err
			}
			mustPersist(t, log, persist(2, "", entriesFrom(protocol.Index(6+i), 2, 1)...))
		}
		received := mustReceive(t, log, position(2, 70))
		b := persist(2, "")
		b.Install = received
		mustPersist(t, log, b)
		return nil
	})
	if want := metaOf(position(2, 70), snapshotData(position(2, 70))); err != nil || meta != want {
		t.Errorf("saved %+v (%v), want the snapshot that was installed meanwhile", meta, err)
	}
	if left := names(t, files, snapDir); len(left) != 1 {
		t.Errorf("files %v", left)
	}
	mustClose(t, log)
}

// TestSnapshot_AheadOfTheLog: a leader may apply, and save, what its own disk does not have yet. Such a
// snapshot replaces none that the log holds until the log has caught up.
func TestSnapshot_AheadOfTheLog(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	var want model
	b := persist(1, "", entriesFrom(1, 1, 5)...)
	mustPersist(t, log, b)
	want.persist(b)
	want.Snapshot = mustSave(t, log, position(1, 5))
	compact := protocol.Persist{HardState: want.HardState, Compact: position(1, 5)}
	mustPersist(t, log, compact)
	want.persist(compact)
	for i := protocol.Index(6); i < 9; i++ {
		mustSave(t, log, position(1, i))
	}
	crashed, found := mustOpen(t, testOptions(files.Crash(vfs.LoseAll, nil)))
	if diff := want.diff(found.State); diff != "" {
		t.Error(diff)
	}
	mustClose(t, crashed)
	group := []protocol.Persist{
		persist(1, "", entriesFrom(6, 1, 3)...),
		{HardState: want.HardState, Compact: position(1, 7)},
		persist(2, "", entriesFrom(9, 2, 1)...),
	}
	mustPersist(t, log, group...)
	want.persist(group...)
	want.Snapshot = metaOf(position(1, 8), snapshotData(position(1, 8)))
	log, _ = reopen(t, log, want)
	mustClose(t, log)
}

// TestClose_EndsASnapshot: Close does not wait for a snapshot to be written to its end.
func TestClose_EndsASnapshot(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustPersist(t, log, persist(1, "", entriesFrom(1, 1, 5)...))
	closed := make(chan error, 1)
	_, err := log.SaveSnapshot(metaAt(position(1, 5)), func(w io.Writer) error {
		go func() { closed <- log.Close() }()
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
	})
	if !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	must(t, <-closed)
	if left := names(t, files, snapDir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if _, _, err := log.ReceiveSnapshot(metaOf(position(1, 9), []byte("x")), 0, []byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if _, err := log.SaveSnapshot(metaAt(position(1, 5)), writeData(position(1, 5))); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

// TestReceive_AnyChunks hands over any chunks of two snapshots in any order, and compares with a plain buffer.
func TestReceive_AnyChunks(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	defer func() { mustClose(t, log) }()
	rng := rand.New(rand.NewPCG(1, 1))
	complete := 0
	for index := protocol.Index(1); complete < 20; index += 2 {
		contents := [][]byte{make([]byte, 200), make([]byte, 300)}
		var metas []protocol.SnapshotMeta
		for i, data := range contents {
			for k := range data {
				data[k] = byte(rng.Uint32())
			}
			metas = append(metas, metaOf(position(1, index+protocol.Index(i)), data))
		}
		held, of := 0, 0 // bytes of which
		for done := false; !done; {
			which := min(rng.IntN(20), 1) // mostly the second
			from := max(0, held-rng.IntN(3)*20+rng.IntN(2)*rng.IntN(20))
			from = min(from, len(contents[which]))
			to := min(len(contents[which]), from+rng.IntN(60))
			next, whole, err := log.ReceiveSnapshot(metas[which], int64(from), contents[which][from:to])
			must(t, err)
			had := 0
			if which == of {
				had = held
			}
			want := had
			if from <= had && to >= had {
				held, of, want = to, which, to
			}
			if done = want == len(contents[which]); next != int64(want) || whole != done {
				t.Fatalf("bytes %d to %d of %d, held %d: next %d, complete %v", from, to, which, had, next, whole)
			}
			if done {
				complete++
			}
		}
	}
}
