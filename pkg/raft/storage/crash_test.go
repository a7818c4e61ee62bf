package storage

import (
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

var errCrashed = errors.New("the machine is off")

// crasher stops a file system after a number of steps: the step itself may still take effect in part.
type crasher struct {
	left int // steps before the crash
	rng  *rand.Rand
	dead bool
}

func (c *crasher) fault(s vfs.Step) (int, error) {
	if c.dead {
		return 0, errCrashed
	}
	if c.left--; c.left >= 0 {
		return 0, nil
	}
	c.dead = true
	if s.Op == vfs.OpWrite {
		return c.rng.IntN(len(s.Data) + 1), errCrashed
	}
	return 0, errCrashed
}

// survivor checks that what a crash left is what may be left, that recovering it survives a crash, and
// that the log goes on from there.
type survivor struct {
	t      *testing.T
	rng    *rand.Rand
	images int
	torn   int // images whose log had to be cut
	gaps   int // images with a removed segment that came back, and one behind it that did not
	redone int // recoveries that were crashed
}

func (s *survivor) check(d *driver, files *vfs.Mem, where string) {
	s.t.Helper()
	s.images++
	if hasGap(files) {
		s.gaps++
	}
	c := &crasher{left: s.rng.IntN(15), rng: s.rng}
	files.Fault = c.fault
	log, _, err := Open(testOptions(files))
	if err == nil {
		_ = log.Close()
	}
	if c.dead {
		s.redone++
		files = files.Crash(vfs.Loss(s.rng.IntN(int(vfs.Losses))), s.rng)
	}
	files.Fault = nil
	log, found, err := Open(testOptions(files))
	if err != nil {
		s.t.Fatalf("%s: open: %v", where, err)
	}
	if found.TornBytes > 0 {
		s.torn++
	}
	if err := d.check(found.State); err != nil {
		s.t.Fatalf("%s: %v", where, err)
	}
	if meta := found.State.Snapshot; !meta.IsZero() && s.rng.IntN(2) == 0 { // reading ends in tidying up
		readBack(s.t, log, meta)
	}
	s.goOn(log, found.State, files, where)
}

// goOn writes a little behind what was recovered, and finds it again.
func (s *survivor) goOn(log *Log, found protocol.State, files *vfs.Mem, where string) {
	s.t.Helper()
	next := newDriver(s.rng.Uint64())
	next.acked = model{found}
	next.saved = []protocol.SnapshotMeta{found.Snapshot}
	if err := next.adopt(log, found); err != nil {
		s.t.Fatalf("%s: %v", where, err)
	}
	for range 3 {
		if err := next.step(); err != nil {
			s.t.Fatalf("%s: after the recovery: %v", where, err)
		}
	}
	log, again := mustOpen(s.t, testOptions(files.Crash(vfs.Loss(s.rng.IntN(int(vfs.Losses))), s.rng)))
	if err := next.check(again.State); err != nil {
		s.t.Fatalf("%s: after the recovery: %v", where, err)
	}
	if again.TornBytes > 0 {
		s.t.Fatalf("%s: %d bytes torn behind an acknowledged batch", where, again.TornBytes)
	}
	mustClose(s.t, log)
}

// readBack checks a snapshot's data; its file has been checked to be of that position and configuration.
func readBack(t *testing.T, log *Log, meta protocol.SnapshotMeta) {
	t.Helper()
	r, err := log.OpenSnapshot(meta)
	if err != nil {
		t.Fatalf("open snapshot: %v", err)
	}
	data, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	got := metaOf(meta.Position, data)
	got.Configuration = meta.Configuration
	if got != meta || err != nil {
		t.Fatalf("read %+v (%v), want %+v", got, err, meta)
	}
	must(t, r.Close())
}

// TestCrash_AtEveryStep works a log for some hundred operations: batches, snapshots, compactions,
// installs, reopenings. Before every write, sync, creation, rename, removal, and in the midst of every
// write, the machine is crashed in every way, and what is left must be what was acknowledged.
func TestCrash_AtEveryStep(t *testing.T) {
	operations := 250
	if testing.Short() {
		operations = 60
	}
	files, d, steps := vfs.NewMem(), newDriver(7), 0
	s := &survivor{t: t, rng: rand.New(rand.NewPCG(7, 7))}
	files.Fault = func(step vfs.Step) (int, error) {
		steps++
		where := step.Op + " " + step.Name
		for how := range vfs.Losses {
			s.check(d, files.Crash(how, s.rng), "before "+where)
		}
		if step.Op == vfs.OpWrite {
			for _, how := range []vfs.Loss{vfs.KeepAll, vfs.LoseSectors} {
				image := files.Crash(vfs.KeepAll, s.rng)
				writeTo(t, image, step.Name, step.Data[:s.rng.IntN(len(step.Data)+1)], step.Offset)
				s.check(d, image.Crash(how, s.rng), "within "+where)
			}
		}
		return 0, nil
	}
	open := func() {
		log, found, err := Open(testOptions(files))
		must(t, err)
		must(t, d.adopt(log, found.State))
	}
	open()
	for i := range operations {
		must(t, d.step())
		if i%40 == 39 {
			mustClose(t, d.log)
			open()
		}
	}
	mustClose(t, d.log)
	t.Logf("%d steps, %d crashes, %d recoveries crashed, %d logs torn, %d with gaps, done %v", steps, s.images, s.redone, s.torn, s.gaps, d.done)
	for _, name := range []string{"persist", "save", "compact", "receive", "install"} {
		if d.done[name] == 0 {
			t.Errorf("no %s was tried", name)
		}
	}
	if s.torn == 0 || s.gaps == 0 || s.redone < s.images/4 {
		t.Error("the crashes are vacuous")
	}
}

// TestCrash_ManyLives crashes one disk again and again with operations in between: what was written
// behind a tear must be there the next time.
func TestCrash_ManyLives(t *testing.T) {
	done := map[string]int{}
	for seed := range uint64(20) {
		d, err := lives(seed, 30, testOptions, func(rng *rand.Rand) trouble {
			c := &crasher{left: rng.IntN(80), rng: rng}
			return trouble{c.fault, vfs.Loss(rng.IntN(int(vfs.Losses)))}
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if d.acked.last() < 10 {
			t.Fatalf("seed %d: index %d: the test is vacuous", seed, d.acked.last())
		}
		for name, n := range d.done {
			done[name] += n
		}
	}
	if done["save"] < 100 || done["compact"] < 100 || done["install"] < 50 {
		t.Errorf("%v: the test is vacuous", done)
	}
}
