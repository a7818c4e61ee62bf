package storage

import (
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// liar fails one sync of a life, of a file or a directory: what the kernel then takes for written is not.
type liar struct {
	left  int    // syncs before that one
	which string // which op fails
	lied  map[string]int
}

func (l *liar) fault(s vfs.Step) (int, error) {
	if s.Op != l.which {
		return 0, nil
	}
	if l.left--; l.left != -1 {
		return 0, nil
	}
	where := s.Op + " of the directory"
	for _, part := range []string{logDir, snapDir, metaName} {
		if strings.Contains(s.Name, "/"+part) {
			where = s.Op + " in " + part
		}
	}
	l.lied[where]++
	return 0, syscall.EIO
}

// lyingSyncs is a life with one sync that fails, of a file or a directory. Most such lives end with their page cache
// intact.
func lyingSyncs(lied map[string]int) func(*rand.Rand) trouble {
	return func(rng *rand.Rand) trouble {
		early := []int{1, 3, 25}[rng.IntN(3)] // often one of the first: a recovery's
		l := &liar{left: rng.IntN(early), which: vfs.OpSync, lied: lied}
		if rng.IntN(3) == 0 {
			l.left, l.which = rng.IntN(10), vfs.OpSyncDir
		}
		how := vfs.KeepAll
		if rng.IntN(3) == 0 {
			how = vfs.Loss(rng.IntN(int(vfs.Losses)))
		}
		return trouble{l.fault, how}
	}
}

// TestFault_SyncsThatLied lets processes follow each other on one machine, each with one sync that fails, at any
// place: of the log, a snapshot, meta, a directory, within a recovery. Now and then the power fails. Nothing that a
// process acknowledged may be lost by then, nor anything that one has found when it began.
func TestFault_SyncsThatLied(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds = 30
	}
	lied, done := map[string]int{}, map[string]int{}
	for seed := range seeds {
		d, err := lives(seed, 40, testOptions, lyingSyncs(lied))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for name, n := range d.done {
			done[name] += n
		}
	}
	t.Log(lied, done)
	for _, where := range []string{"sync in log", "sync in snap", "sync in meta", "syncdir in log", "syncdir in snap", "syncdir of the directory"} {
		if lied[where] == 0 {
			t.Errorf("no %s has failed: the test is vacuous", where)
		}
	}
	if done["save"] == 0 || done["compact"] == 0 || done["install"] == 0 {
		t.Errorf("%v: the test is vacuous", done)
	}
}

// torn is a disk whose last segment ends in a tear, behind what is acknowledged.
func torn(t *testing.T) (*vfs.Mem, model) {
	t.Helper()
	files, want := vfs.NewMem(), model{}
	log, _ := mustOpen(t, testOptions(files))
	acked := persist(1, "n1", entriesFrom(1, 1, 3)...)
	mustPersist(t, log, acked)
	want.persist(acked)
	files.Fault = func(s vfs.Step) (int, error) {
		if s.Op == vfs.OpWrite {
			return 300, errCrashed
		}
		return 0, nil
	}
	big := persist(1, "n1", protocol.Entry{Index: 4, Term: 1, Data: make([]byte, 1200)})
	if err := log.Persist(big); !errors.Is(err, errCrashed) {
		t.Fatalf("got %v", err)
	}
	return files.Crash(vfs.LoseNames, rand.New(rand.NewPCG(1, 1))), want
}

// TestFault_CutThatLied: a recovery cuts a tear and fails to sync that, so that the tear is on disk alone. The next
// process must not begin a segment behind it.
func TestFault_CutThatLied(t *testing.T) {
	files, want := torn(t)
	l := &liar{left: 1, which: vfs.OpSync, lied: map[string]int{}} // the first is of the copy of the tear
	files.Fault = l.fault
	if _, _, err := Open(testOptions(files)); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v, want the failed sync", err)
	}
	files = files.Crash(vfs.KeepAll, nil)
	log, found := mustOpen(t, testOptions(files))
	if diff := want.diff(found.State); diff != "" {
		t.Fatal(diff)
	}
	b := persist(2, "n2", protocol.Entry{Index: 4, Term: 2, Data: make([]byte, 2000)}) // does not fit behind the rest
	mustPersist(t, log, b)
	want.persist(b)
	mustClose(t, log)
	log, found = mustOpen(t, testOptions(files.Crash(vfs.LoseAll, nil)))
	if diff := want.diff(found.State); diff != "" {
		t.Error(diff)
	}
	mustClose(t, log)
}

// TestFault_PagesDroppedWhileRecovering: pages that a failed sync left clean may go at any time, so what is written
// once more is checked once more.
func TestFault_PagesDroppedWhileRecovering(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	acked := persist(1, "n1", entriesFrom(1, 1, 3)...)
	mustPersist(t, log, acked)
	last := log.offset
	l := &liar{which: vfs.OpSync, lied: map[string]int{}}
	files.Fault = l.fault
	if err := log.Persist(persist(2, "n2", entriesFrom(4, 2, 1)...)); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v", err)
	}
	files.Fault = nil
	_ = log.Close()
	onDisk := fileIn(files.Crash(vfs.LoseAll, nil), segmentPath(1))
	files.ReadFault = func(name string, offset int64) error {
		if name == segmentPath(1) && offset == last {
			files.Put(name, append(onDisk, make([]byte, 200)...))
		}
		return nil
	}
	_, _, err := Open(testOptions(files))
	if !errors.Is(err, errDamaged) {
		t.Errorf("got %v, want that the batch is gone", err)
	}
	files.ReadFault = nil
	var want model
	want.persist(acked)
	log, found := mustOpen(t, testOptions(files))
	if diff := want.diff(found.State); diff != "" {
		t.Error(diff)
	}
	mustClose(t, log)
}
