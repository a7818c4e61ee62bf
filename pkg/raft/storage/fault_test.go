package storage

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// failOnce fails the n-th step of a kind on the log's segments, after keep bytes of a write.
func failOnce(op string, n, keep int, err error) func(vfs.Step) (int, error) {
	return func(s vfs.Step) (int, error) {
		if s.Op == op && strings.Contains(s.Name, "/log/") {
			if n--; n == 0 {
				return keep, err
			}
		}
		return 0, nil
	}
}

// TestFault_EndsTheLog: after one failed step nothing is written or synced again, every call returns
// the same error, and the next Open finds what was acknowledged.
func TestFault_EndsTheLog(t *testing.T) {
	for name, fault := range map[string]func(vfs.Step) (int, error){
		"EIO on write":     failOnce("write", 4, 0, syscall.EIO),
		"short write":      failOnce("write", 4, 9, io.ErrShortWrite),
		"ENOSPC":           failOnce("write", 4, 40, syscall.ENOSPC),
		"EIO on fsync":     failOnce("sync", 4, 0, syscall.EIO),
		"ENOSPC on fsync":  failOnce("sync", 4, 0, syscall.ENOSPC),
		"EIO on roll":      failOnce("create", 1, 0, syscall.EIO),
		"EIO on directory": func(s vfs.Step) (int, error) { return 0, failIf(s.Op == vfs.OpSyncDir) },
		"EIO on mark":      func(s vfs.Step) (int, error) { return 0, failIf(strings.HasSuffix(s.Name, "/mark")) },
	} {
		t.Run(name, func(t *testing.T) {
			files := vfs.NewMem()
			log, _ := mustOpen(t, testOptions(files))
			files.Fault = fault
			var acked, maybe model
			var failed error
			for i := protocol.Index(1); failed == nil && i < 200; i++ {
				b := persist(1, "n1", entriesFrom(i, 1, 1)...)
				maybe.persist(b)
				if failed = log.Persist(b); failed == nil {
					acked = maybe.clone()
				}
			}
			if !errors.Is(failed, ErrFailed) || !isErrno(failed) {
				t.Fatalf("got %v, want ErrFailed with its cause", failed)
			}
			files.Fault = func(s vfs.Step) (int, error) {
				t.Errorf("%s %s after the failure", s.Op, s.Name)
				return 0, nil
			}
			for range 3 {
				if again := log.Persist(persist(9, "n9")); again == nil || again.Error() != failed.Error() {
					t.Errorf("then %v, want %v", again, failed)
				}
			}
			if err := log.Close(); !errors.Is(err, ErrFailed) {
				t.Errorf("close: %v, want the failure", err)
			}
			files.Fault = nil
			for how := vfs.KeepAll; how <= vfs.LoseSectors; how++ {
				after := files.Crash(how, rand.New(rand.NewPCG(1, 1)))
				log, found := mustOpen(t, testOptions(after))
				if diff := acked.diff(found.State); diff != "" && !maybe.holds(found.State) {
					t.Errorf("loss %d: %s", how, diff)
				}
				mustClose(t, log)
			}
		})
	}
}

// TestFault_AtEveryStep fails one step after another of a workload with snapshots, in every way. A
// failure of the log ends it; a failure of a snapshot ends that snapshot alone; nothing acknowledged is lost.
func TestFault_AtEveryStep(t *testing.T) {
	for name, fault := range map[string]struct {
		err    error
		sticky bool // from then on
	}{
		"EIO": {err: syscall.EIO}, "ENOSPC": {err: syscall.ENOSPC}, "short write": {err: io.ErrShortWrite},
		"disk full": {syscall.ENOSPC, true},
	} {
		t.Run(name, func(t *testing.T) {
			ends := map[string]int{}
			for n := 0; ; n++ {
				rng := rand.New(rand.NewPCG(uint64(n), 3))
				left, hit := n, false
				files := vfs.NewMem()
				files.Fault = func(s vfs.Step) (int, error) {
					if left--; left > 0 || left < 0 && !(fault.sticky && hit) || fault.err == io.ErrShortWrite && s.Op != "write" {
						return 0, nil
					}
					hit = true
					return rng.IntN(len(s.Data) + 1), fault.err
				}
				end := failOne(t, files, rng)
				ends[end]++
				if end == "untouched" && left > 0 {
					break
				}
			}
			t.Log(ends)
			if ends["log"] < 20 || ends["snapshot"] < 10 {
				t.Error("the faults are vacuous")
			}
		})
	}
}

// failOne works a log over files that fail, and tells what the failure ended.
func failOne(t *testing.T, files *vfs.Mem, rng *rand.Rand) (end string) {
	d := newDriver(9)
	log, found, err := Open(testOptions(files))
	if err == nil {
		must(t, d.adopt(log, found.State))
		for i := 0; i < 60 && err == nil; i++ {
			err = d.step()
		}
		end = endOf(t, d, files, err)
		_ = log.Close()
	} else {
		end = "open"
	}
	files.Fault = nil
	for how := range vfs.Losses {
		image := files.Crash(how, rng)
		log, found, err := Open(testOptions(image))
		if err == nil {
			err = d.check(found.State)
		}
		if err != nil {
			t.Fatalf("loss %d after a failure of the %s: %v", how, end, err)
		}
		mustClose(t, log)
		// What was found is relied upon, whatever the failed sync left in the page cache.
		relied := model{found.State}
		log, found = mustOpen(t, testOptions(image.Crash(vfs.LoseAll, rng)))
		if diff := relied.diff(found.State); diff != "" {
			t.Fatalf("loss %d after a failure of the %s: recovered, relied on and lost:\n%s", how, end, diff)
		}
		mustClose(t, log)
	}
	return end
}

// endOf says what an error ended, and holds the log to it.
func endOf(t *testing.T, d *driver, files *vfs.Mem, err error) string {
	switch {
	case err == nil:
		return "untouched"
	case !isErrno(err):
		t.Fatalf("got %v, want an errno", err)
	case errors.Is(err, ErrFailed):
		files.Fault = func(s vfs.Step) (int, error) {
			if !strings.Contains(s.Name, "/snap") {
				t.Errorf("%s %s after the failure", s.Op, s.Name)
			}
			return 0, nil
		}
		if again := d.log.Persist(persist(99, "n9")); again == nil || again.Error() != err.Error() {
			t.Errorf("then %v, want %v", again, err)
		}
		return "log"
	}
	files.Fault = nil
	for range 5 {
		if err := d.step(); err != nil {
			t.Fatalf("a failed snapshot ended the log: %v", err)
		}
	}
	return "snapshot"
}

func failIf(fails bool) error {
	if fails {
		return syscall.EIO
	}
	return nil
}

func isErrno(err error) bool {
	_, ok := errors.AsType[syscall.Errno](err)
	return ok || errors.Is(err, io.ErrShortWrite)
}

// TestFault_SyncThatLied: a failed fsync leaves pages that look clean. A restarted process reads them
// and relies on them, so it must have written them once more before a loss of power.
func TestFault_SyncThatLied(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustPersist(t, log, persist(1, "n1", entriesFrom(1, 1, 3)...))
	files.Fault = failOnce("sync", 1, 0, syscall.EIO)
	if err := log.Persist(persist(2, "n2", entriesFrom(4, 2, 3)...)); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v, want EIO", err)
	}
	_ = log.Close()
	files.Fault = nil
	log, found := mustOpen(t, testOptions(files)) // the same kernel
	mustClose(t, log)
	relied := model{found.State}
	log, found = mustOpen(t, testOptions(files.Crash(vfs.LoseAll, nil)))
	mustClose(t, log)
	if diff := relied.diff(found.State); diff != "" {
		t.Errorf("recovered, relied on and lost:\n%s", diff)
	}
}

// TestFault_ReadErrorIsNotTheEnd: a log that cannot be read is not an empty one.
func TestFault_ReadErrorIsNotTheEnd(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	for i := range protocol.Index(100) {
		mustPersist(t, log, persist(1, "", entriesFrom(i+1, 1, 1)...))
	}
	mustSave(t, log, position(1, 100))
	mustClose(t, log)
	before := files.Contents(testDir)
	for _, name := range []string{"0000000000000001.log", "0000000000000003.log", "mark", "meta", ".snap"} {
		files.ReadFault = func(file string, _ int64) error { return failIf(strings.HasSuffix(file, name)) }
		_, _, err := Open(testOptions(files))
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: got %v, want EIO", name, err)
		}
		if _, corrupt := errors.AsType[*CorruptError](err); corrupt {
			t.Errorf("%s: a read error was taken for damage", name)
		}
	}
	for file, data := range files.Contents(testDir) {
		if before[file] != data {
			t.Errorf("%s changed", file)
		}
	}
}
