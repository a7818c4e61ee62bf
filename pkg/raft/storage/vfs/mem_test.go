package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whitewater/pkg/raft/storage/vfs"
)

var errDisk = errors.New("the disk says no")

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newFile makes a file with a durable name.
func newFile(t testing.TB, m *vfs.Mem, path string) vfs.File {
	t.Helper()
	f, err := m.Create(path)
	must(t, err)
	must(t, m.SyncDir("/"))
	return f
}

func write(t testing.TB, f vfs.File, text string, offset int64) {
	t.Helper()
	n, err := f.WriteAt([]byte(text), offset)
	must(t, err)
	if n != len(text) {
		t.Fatalf("wrote %d bytes of %d", n, len(text))
	}
}

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// TestMem_Losses: what each crash leaves of bytes and names that were synced, and of those that were not.
func TestMem_Losses(t *testing.T) {
	m := vfs.NewMem()
	a := newFile(t, m, "/a")
	write(t, a, "synced", 0)
	must(t, a.Sync())
	write(t, a, "X", 0)
	write(t, a, ", and not", 6)
	must(t, m.Mkdir("/d"))
	_, err := m.Create("/b")
	must(t, err)
	must(t, m.Rename("/b", "/c"))
	for how, want := range map[vfs.Loss]map[string]string{
		vfs.KeepAll: {"/a": "Xynced, and not", "/c": ""},
		vfs.LoseAll: {"/a": "synced"},
	} {
		after := m.Crash(how, nil)
		if diff := cmp.Diff(want, after.Contents("/")); diff != "" {
			t.Errorf("%v: %s", how, diff)
		}
		if _, err := after.ReadDir("/d"); errors.Is(err, fs.ErrNotExist) != (how == vfs.LoseAll) {
			t.Errorf("%v: the directory: %v", how, err)
		}
	}
	if diff := cmp.Diff(map[string]string{"/a": "synced"}, m.Crash(vfs.KeepAll, nil).Crash(vfs.LoseAll, nil).Contents("/")); diff != "" {
		t.Errorf("the page cache that lived on was taken for the disk: %s", diff)
	}
	seen := map[string]int{}
	for seed := range uint64(200) {
		got := m.Crash(vfs.LoseNames, rng(seed)).Contents("/")
		if got["/a"] != "Xynced, and not" {
			t.Fatalf("bytes are lost with names: %q", got["/a"])
		}
		seen[fmt.Sprint(len(got))]++
		seen[m.Crash(vfs.LoseSectors, rng(seed)).Contents("/")["/a"]]++
	}
	for _, possible := range []string{"1", "2", "synced", "Xynced", "Xynced, and not", "synced, and not", "synced" + strings.Repeat("\x00", 9), "synced, an"} {
		if seen[possible] == 0 {
			t.Errorf("%q was never left, but %v", possible, seen)
		}
	}
}

// TestMem_FailedSync: what a failed sync did not write, no later one does; reads see it all the same.
func TestMem_FailedSync(t *testing.T) {
	m := vfs.NewMem()
	f := newFile(t, m, "/a")
	write(t, f, "lost", 0)
	m.Fault = func(s vfs.Step) (int, error) {
		if s.Op == vfs.OpSync {
			return 0, errDisk
		}
		return 0, nil
	}
	if err := f.Sync(); !errors.Is(err, errDisk) {
		t.Fatalf("got %v", err)
	}
	m.Fault = nil
	write(t, f, "kept", 4)
	must(t, f.Sync())
	if got := m.Contents("/")["/a"]; got != "lostkept" {
		t.Errorf("read %q", got)
	}
	if got := m.Crash(vfs.KeepAll, nil).Crash(vfs.LoseAll, nil).Contents("/")["/a"]; got != "\x00\x00\x00\x00kept" {
		t.Errorf("the disk has %q", got)
	}
	write(t, f, "lost", 0)
	must(t, f.Sync())
	if got := m.Crash(vfs.LoseAll, nil).Contents("/")["/a"]; got != "lostkept" {
		t.Errorf("written again, the disk has %q", got)
	}
}

// TestMem_Faults: a fault stops a step, of a write all but its first bytes; it may look at the Mem meanwhile.
func TestMem_Faults(t *testing.T) {
	m := vfs.NewMem()
	f := newFile(t, m, "/a")
	var steps []string
	m.Fault = func(s vfs.Step) (int, error) {
		steps = append(steps, s.Op+" "+s.Name)
		m.Crash(vfs.LoseAll, nil)
		if _, err := m.ReadDir("/"); err != nil {
			return 0, err
		}
		return 2, errDisk
	}
	n, err := f.WriteAt([]byte("bytes"), 0)
	if n != 2 || !errors.Is(err, errDisk) {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
	for name, step := range map[string]func() error{
		"truncate": func() error { return f.Truncate(9) },
		"mkdir":    func() error { return m.Mkdir("/d") },
		"create": func() error {
			_, err := m.Create("/b")
			return err
		},
		"rename":  func() error { return m.Rename("/a", "/b") },
		"remove":  func() error { return m.Remove("/a") },
		"syncdir": func() error { return m.SyncDir("/") },
	} {
		if err := step(); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(steps) != 7 {
		t.Errorf("asked for %v", steps)
	}
	m.Fault = func(vfs.Step) (int, error) { return 1, io.ErrShortWrite }
	if n, err := f.WriteAt([]byte("xyz"), 0); n != 1 || err != nil {
		t.Errorf("a short write: %d bytes, %v", n, err)
	}
	if diff := cmp.Diff(map[string]string{"/a": "xy"}, m.Contents("/")); diff != "" {
		t.Error(diff)
	}
	m.ReadFault = func(string, int64) error { return errDisk }
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, errDisk) {
		t.Errorf("read: %v", err)
	}
}

// TestMem_SayNo: each call that cannot be done says so as a disk does.
func TestMem_SayNo(t *testing.T) {
	m := vfs.NewMem()
	newFile(t, m, "/a")
	must(t, m.Mkdir("/d"))
	_, create := m.Create("/a")
	_, open := m.Open("/b")
	_, orphan := m.Create("/x/y")
	_, lock := m.Lock("/b")
	for err, want := range map[error]error{
		create: fs.ErrExist, open: fs.ErrNotExist, orphan: fs.ErrNotExist, lock: fs.ErrNotExist,
		m.Mkdir("/d"): fs.ErrExist, m.Mkdir("/x/y"): fs.ErrNotExist, m.Remove("/b"): fs.ErrNotExist,
		m.Rename("/b", "/c"): fs.ErrNotExist, m.SyncDir("/x"): fs.ErrNotExist,
	} {
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	held, err := m.Lock("/a")
	must(t, err)
	if _, err := m.Lock("/a"); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	if _, err := m.Crash(vfs.KeepAll, nil).Lock("/a"); err != nil {
		t.Errorf("a crash left the lock: %v", err)
	}
	must(t, held.Close())
	_, err = m.Lock("/a")
	must(t, err)
}

// TestMem_CrashesAreRepeatable: equal histories and random numbers leave equal things.
func TestMem_CrashesAreRepeatable(t *testing.T) {
	history := func() *vfs.Mem {
		m := vfs.NewMem()
		r := rng(3)
		for i := range 30 {
			f, err := m.Create(fmt.Sprint("/", i))
			must(t, err)
			for range 5 {
				write(t, f, strings.Repeat("x", 1+r.IntN(2000)), int64(r.IntN(2000)))
			}
			if i%10 == 9 {
				must(t, m.SyncDir("/"))
			}
		}
		return m
	}
	for how := range vfs.Losses {
		one, other := history().Crash(how, rng(4)), history().Crash(how, rng(4))
		if diff := cmp.Diff(one.Contents("/"), other.Contents("/")); diff != "" {
			t.Errorf("%v: %s", how, diff)
		}
	}
}

// TestMem_RemembersTheLastWritesAtOnePlace: a file that is never synced does not grow without end, and a loss of
// sectors still leaves one of its last states.
func TestMem_RemembersTheLastWritesAtOnePlace(t *testing.T) {
	m := vfs.NewMem()
	f := newFile(t, m, "/mark")
	text := func(i int) string { return fmt.Sprintf("%04d", i) }
	for i := range 1000 {
		write(t, f, text(i), 0)
	}
	last, earlier := 0, 0
	for seed := range uint64(300) {
		switch got := m.Crash(vfs.LoseSectors, rng(seed)).Contents("/")["/mark"]; {
		case got == text(999):
			last++
		case got >= text(990):
			earlier++
		}
	}
	if last < 50 || earlier < 50 {
		t.Errorf("the last is left %d times, one shortly before %d times", last, earlier)
	}
	if got := m.Crash(vfs.LoseAll, nil).Contents("/")["/mark"]; got != "" {
		t.Errorf("%q was synced by itself", got)
	}
	write(t, f, text(7), 0)
	must(t, f.Sync())
	if got := m.Crash(vfs.LoseAll, nil).Contents("/")["/mark"]; got != text(7) {
		t.Errorf("synced %q", got)
	}
}

// TestMem_PutAndDrop change what no program would, durably.
func TestMem_PutAndDrop(t *testing.T) {
	m := vfs.NewMem()
	f := newFile(t, m, "/a")
	write(t, f, "once", 0)
	m.Put("/a", []byte("rotten"))
	m.Put("/b", []byte("new"))
	b := make([]byte, 6)
	if n, err := f.ReadAt(b, 0); n != 6 || err != nil || string(b) != "rotten" {
		t.Errorf("an open file has %q, %v", b[:n], err)
	}
	newFile(t, m, "/c")
	m.Drop("/c")
	m.Drop("/none")
	for how := range vfs.Losses {
		if diff := cmp.Diff(map[string]string{"/a": "rotten", "/b": "new"}, m.Crash(how, rng(1)).Contents("/")); diff != "" {
			t.Errorf("%v: %s", how, diff)
		}
	}
}
