package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

func TestLog_ReturnsWhatWasPersisted(t *testing.T) {
	for seed := range uint64(20) {
		files := vfs.NewMem()
		load, want := newWorkload(seed), model{}
		for range 10 {
			log, found := mustOpen(t, testOptions(files))
			if diff := want.diff(found.State); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
			for range 10 {
				group := load.group()
				mustPersist(t, log, group...)
				want.persist(group...)
			}
			if got := log.Stats().LastIndex; got != protocol.Index(len(want.Entries)) {
				t.Fatalf("seed %d: last index %d, want %d", seed, got, len(want.Entries))
			}
			mustClose(t, log)
		}
	}
}

func TestLog_OnRealFiles(t *testing.T) {
	options := testOptions(nil)
	options.Dir = filepath.Join(t.TempDir(), "deep", "er", "n1")
	load, want := newWorkload(1), model{}
	var id string
	for round := range 4 {
		log, found := mustOpen(t, options)
		if diff := want.diff(found.State); diff != "" {
			t.Fatal(diff)
		}
		if round > 0 && found.DirectoryID != id || len(found.DirectoryID) != 32 || found.ClusterID != "c1" {
			t.Fatalf("directory %q of cluster %q, before %q", found.DirectoryID, found.ClusterID, id)
		}
		id = found.DirectoryID
		for range 20 {
			group := load.group()
			mustPersist(t, log, group...)
			want.persist(group...)
		}
		mustClose(t, log)
	}
	segments, err := filepath.Glob(filepath.Join(options.Dir, "log", "*.log"))
	if err != nil || len(segments) < 3 {
		t.Fatalf("segments %v (%v), want some", segments, err)
	}
	for _, name := range segments[:len(segments)-1] {
		if info, err := os.Stat(name); err != nil || info.Size() > options.SegmentBytes {
			t.Errorf("%s has %d bytes (%v), at most %d are allowed", name, info.Size(), err, options.SegmentBytes)
		}
	}
}

func TestLog_GroupIsOneWriteAndOneSync(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	defer func() { mustClose(t, log) }()
	var steps []string
	files.Fault = func(s vfs.Step) (int, error) {
		steps = append(steps, s.Op+" "+strings.TrimPrefix(s.Name, testDir+"/"))
		return 0, nil
	}
	mustPersist(t, log, persist(1, "n1", entriesFrom(1, 1, 2)...), persist(2, "n2", entriesFrom(3, 2, 1)...), persist(2, "n2"))
	want := "write log/0000000000000001.log, sync log/0000000000000001.log, write mark"
	if got := strings.Join(steps, ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	steps = nil
	mustPersist(t, log, persist(2, "n2"))
	mustPersist(t, log)
	if len(steps) > 0 {
		t.Errorf("nothing had changed, but %v", steps)
	}
}

func TestLog_LargeGroupTakesSeveralBatches(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, Options{Dir: testDir, NodeID: "n1", FS: files})
	want := model{}
	b := protocol.Persist{HardState: protocol.HardState{Term: 1}}
	for i := range 2 {
		b.Entries = append(b.Entries, protocol.Entry{Index: protocol.Index(i + 1), Term: 1, Data: make([]byte, 9<<20)})
	}
	syncs := 0
	files.Fault = func(s vfs.Step) (int, error) {
		if s.Op == vfs.OpSync {
			syncs++
		}
		return 0, nil
	}
	mustPersist(t, log, b)
	want.persist(b)
	if syncs != 2 {
		t.Errorf("%d syncs for 18 MiB, want 2", syncs)
	}
	mustClose(t, log)
	log, found := mustOpen(t, Options{Dir: testDir, NodeID: "n1", FS: files})
	if len(found.State.Entries) != 2 || found.State.HardState != want.HardState {
		t.Errorf("found %d entries and %v", len(found.State.Entries), found.State.HardState)
	}
	mustClose(t, log)
}

func TestPersist_RefusesWhatDoesNotFit(t *testing.T) {
	for name, b := range map[string]protocol.Persist{
		"gap":             persist(1, "", entriesFrom(4, 1, 1)...),
		"index zero":      persist(1, "", protocol.Entry{}),
		"gap in batch":    persist(1, "", append(entriesFrom(3, 1, 1), entriesFrom(5, 1, 1)...)...),
		"step back":       persist(1, "", append(entriesFrom(3, 1, 1), entriesFrom(3, 1, 1)...)...),
		"unknown kind":    persist(1, "", protocol.Entry{Index: 3, Kind: 77}),
		"name too long":   persist(1, protocol.NodeID(strings.Repeat("n", maxNameBytes+1))),
		"entry too large": persist(1, "", protocol.Entry{Index: 3, Data: make([]byte, maxEntryBytes+1)}),
	} {
		files := vfs.NewMem()
		log, _ := mustOpen(t, testOptions(files))
		mustPersist(t, log, persist(1, "", entriesFrom(1, 1, 2)...))
		before := files.Contents(testDir)
		err := log.Persist(b)
		if !errors.Is(err, ErrBatch) || !errors.Is(err, ErrFailed) {
			t.Errorf("%s: got %v, want ErrBatch", name, err)
		}
		if again := log.Persist(); !errors.Is(again, err) {
			t.Errorf("%s: then %v, want the same error", name, again)
		}
		for file, data := range files.Contents(testDir) {
			if before[file] != data {
				t.Errorf("%s: %s changed", name, file)
			}
		}
		_ = log.Close()
	}
}

func TestOpen_LocksTheDirectory(t *testing.T) {
	options := testOptions(nil)
	options.Dir = t.TempDir()
	log, _ := mustOpen(t, options)
	_, _, err := Open(options)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), options.Dir) || !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Errorf("got %v, want ErrLocked with the directory and process %d", err, os.Getpid())
	}
	mustClose(t, log)
	log, _ = mustOpen(t, options)
	mustClose(t, log)
}

func TestOpen_RefusesAnotherOwner(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustClose(t, log)
	for _, owner := range [][2]string{{"c1", "n2"}, {"c2", "n1"}} {
		options := testOptions(files)
		options.ClusterID, options.NodeID = owner[0], protocol.NodeID(owner[1])
		_, _, err := Open(options)
		if !errors.Is(err, ErrForeign) {
			t.Fatalf("%v: got %v, want ErrForeign", owner, err)
		}
		for _, want := range []string{testDir, `"c1"`, `"n1"`, owner[0], owner[1], "an empty one"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %q does not name %s", owner, err, want)
			}
		}
	}
	options := testOptions(files)
	options.ClusterID = ""
	log, found := mustOpen(t, options)
	if found.ClusterID != "c1" {
		t.Errorf("cluster %q, want the stored c1", found.ClusterID)
	}
	mustClose(t, log)
}

func TestOpen_NamesEveryBadOption(t *testing.T) {
	_, _, err := Open(Options{ClusterID: strings.Repeat("c", 2000), SegmentBytes: 7})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Dir", "NodeID", "ClusterID", "SegmentBytes 7"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestClose_WhilePersisting(t *testing.T) {
	options := testOptions(nil)
	options.Dir = t.TempDir()
	log, _ := mustOpen(t, options)
	var (
		wait  sync.WaitGroup
		acked int
		began = make(chan struct{})
	)
	wait.Go(func() {
		for i := protocol.Index(1); ; i++ {
			if err := log.Persist(persist(1, "", entriesFrom(i, 1, 1)...)); err != nil {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("got %v, want ErrClosed", err)
				}
				return
			}
			if acked++; acked == 3 {
				close(began)
			}
		}
	})
	<-began
	mustClose(t, log)
	mustClose(t, log)
	wait.Wait()
	log, found := mustOpen(t, options)
	if len(found.State.Entries) != acked {
		t.Errorf("%d entries, %d were acknowledged", len(found.State.Entries), acked)
	}
	mustClose(t, log)
}

// TestLog_LargeGroupCompactsLast: of a group that takes several batches, the compaction is in the last,
// since it names an entry of the group.
func TestLog_LargeGroupCompactsLast(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	entries := persist(1, "n1")
	for i := range protocol.Index(2) {
		entries.Entries = append(entries.Entries, protocol.Entry{Index: i + 1, Term: 1, Data: make([]byte, 9<<20)})
	}
	meta := mustSave(t, log, position(1, 2)) // ahead of the log, as a leader's may be
	compact := protocol.Persist{HardState: entries.HardState, Compact: meta.Position}
	syncs := 0
	files.Fault = func(s vfs.Step) (int, error) {
		if s.Op != vfs.OpSync {
			return 0, nil
		}
		if syncs++; syncs == 2 {
			crashed, found := mustOpen(t, testOptions(files.Crash(vfs.LoseAll, nil)))
			if len(found.State.Entries) != 1 || found.State.Compacted.Index != 0 || !found.State.Snapshot.IsZero() {
				t.Errorf("after the first batch: %d entries behind %v", len(found.State.Entries), found.State.Compacted)
			}
			mustClose(t, crashed)
		}
		return 0, nil
	}
	mustPersist(t, log, entries, compact)
	files.Fault = nil
	var want model
	want.persist(entries, compact)
	want.Snapshot = meta
	log, _ = reopen(t, log, want)
	mustClose(t, log)
	if syncs != 2 {
		t.Errorf("%d syncs, want 2", syncs)
	}
}
