package storage

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// hasGap reports whether a number is missing among a directory's segments.
func hasGap(files *vfs.Mem) bool {
	var numbers []uint64
	for _, path := range paths(files) {
		if number, ok := segmentNumber(filepath.Base(path)); ok {
			numbers = append(numbers, number)
		}
	}
	return len(numbers) > 0 && numbers[len(numbers)-1]-numbers[0] != uint64(len(numbers)-1)
}

// removals follows a file system and remembers what was removed from it, with its bytes.
type removals struct {
	files *vfs.Mem
	gone  map[string]string
	known map[string]string
}

func newRemovals(files *vfs.Mem) *removals { return &removals{files: files, gone: map[string]string{}} }

// look is to be called often enough that no file is made and removed in between.
func (r *removals) look() {
	now := r.files.Contents(testDir)
	for path, data := range r.known {
		if _, ok := now[path]; !ok && filepath.Ext(path) != draftExt {
			r.gone[path] = data
		}
	}
	r.known = now
}

// TestRemoval_AnySubsetComesBack: a loss of power may undo the removal of old segments and snapshots, of any of them.
// Whatever came back, the same state is recovered, and the log goes on.
func TestRemoval_AnySubsetComesBack(t *testing.T) {
	for name, work := range map[string]func(*removing){
		"compaction":          (*removing).compaction,
		"install":             (*removing).install,
		"compactions, slowly": (*removing).compactions,
		"snapshots":           (*removing).snapshots,
		"start":               (*removing).start,
	} {
		t.Run(name, func(t *testing.T) {
			files := vfs.NewMem()
			s := &removing{removals: newRemovals(files), t: t}
			s.log, _ = mustOpen(t, testOptions(files))
			work(s)
			mustClose(t, s.log)
			s.look()
			gone := slices.Sorted(maps.Keys(s.gone))
			if len(gone) < 3 {
				t.Fatalf("only %v were removed: the test is vacuous", gone)
			}
			t.Logf("removed: %d files", len(gone))
			rng := rand.New(rand.NewPCG(1, 1))
			s.comeBack(gone, 1<<len(gone)-1)
			all := 1 << len(gone)
			for n := range min(all, 64) {
				subset := n
				if all > 64 {
					subset = rng.IntN(all)
				}
				s.comeBack(gone, subset)
			}
			if s.unread == 0 && name != "snapshots" {
				t.Error("no gap was seen: the test is vacuous")
			}
		})
	}
}

// removing works a log so that files are removed.
type removing struct {
	*removals
	t    *testing.T
	log  *Log
	want model

	unread int // segments that came back before a gap
}

// persist persists entries behind the log's last, one by one so that they make several segments.
func (s *removing) persist(term protocol.Term, n int) {
	for _, e := range entriesFrom(s.want.last()+1, term, n) {
		s.batch(persist(term, "n1", e))
	}
}

func (s *removing) batch(b protocol.Persist) {
	mustPersist(s.t, s.log, b)
	s.want.persist(b)
	s.look()
}

func (s *removing) save(term protocol.Term, index protocol.Index) {
	s.want.Snapshot = mustSave(s.t, s.log, position(term, index))
	s.look()
}

func (s *removing) compact(term protocol.Term, index protocol.Index) {
	s.batch(protocol.Persist{HardState: s.want.HardState, Compact: position(term, index)})
}

// compaction: one call of Persist removes four segments.
func (s *removing) compaction() {
	s.persist(1, 250)
	s.save(1, 240)
	s.compact(1, 240)
}

// compactions: all but the last segments go, in several calls, each with a log that goes on.
func (s *removing) compactions() {
	s.persist(1, 100)
	for round := range protocol.Index(4) {
		s.save(1, 90+round*100)
		s.compact(1, 80+round*100)
		s.persist(1, 100)
	}
}

func (s *removing) install() {
	s.persist(1, 400)
	b := persist(3, "n3", entriesFrom(101, 3, 2)...)
	b.Install = mustReceive(s.t, s.log, position(3, 100))
	s.batch(b)
	s.persist(3, 3)
}

// snapshots: the release of a reader removes one that was read, newer ones remove what was received for nothing.
func (s *removing) snapshots() {
	s.persist(1, 40)
	var readers []io.Closer
	for i := range protocol.Index(4) {
		s.save(1, 10+i)
		r, err := s.log.OpenSnapshot(s.want.Snapshot)
		must(s.t, err)
		readers = append(readers, r)
		mustReceive(s.t, s.log, position(2, 17+i))
	}
	s.look()
	for _, r := range readers {
		must(s.t, r.Close())
	}
	s.save(1, 30)
	s.compact(1, 15)
}

// start: Open removes more segments than Persist does at a time.
func (s *removing) start() {
	s.persist(1, 400)
	s.save(1, 399)
	s.compact(1, 395)
	mustClose(s.t, s.log)
	s.log, _ = mustOpen(s.t, testOptions(s.files))
	s.look()
}

// comeBack opens the directory with a subset of what was removed, twice, and lets the log go on.
func (s *removing) comeBack(gone []string, subset int) {
	s.t.Helper()
	files := s.files.Crash(vfs.KeepAll, nil)
	var back []string
	for i, path := range gone {
		if subset>>i&1 == 1 {
			back = append(back, filepath.Base(path))
			files.Put(path, []byte(s.gone[path]))
		}
	}
	where := fmt.Sprintf("with %v back", back)
	for range 2 {
		report := mustInspect(s.t, files, nil)
		log, found, err := Open(testOptions(files))
		if err != nil {
			s.t.Fatalf("%s: %v", where, err)
		}
		if diff := s.want.diff(found.State); diff != "" || found.TornBytes > 0 {
			s.t.Fatalf("%s: %d bytes torn, %s", where, found.TornBytes, diff)
		}
		sameState(s.t, where, report, found)
		for _, segment := range report.Segments {
			if segment.Unused {
				s.unread++
			}
		}
		if !report.Sound() {
			s.t.Fatalf("%s: %v", where, report.Faults)
		}
		for _, path := range paths(files) { // old snapshots go with the next one
			if strings.HasSuffix(path, segmentExt) && slices.Contains(back, filepath.Base(path)) {
				s.t.Fatalf("%s: %s is there still", where, path)
			}
		}
		mustClose(s.t, log)
	}
	next := removing{removals: newRemovals(files), t: s.t, want: s.want.clone()}
	next.log, _ = mustOpen(s.t, testOptions(files))
	next.persist(9, 2)
	next.save(9, next.want.last())
	next.compact(9, next.want.last())
	next.log, _ = reopen(s.t, next.log, next.want)
	mustClose(s.t, next.log)
	if left := names(s.t, files, snapDir); len(left) > keptSnapshots {
		s.t.Fatalf("%s: %v are there still", where, left)
	}
}
