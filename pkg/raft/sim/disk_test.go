package sim

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/raft/storage/vfs"
)

// newFile makes a file whose name is durable on the disk of a node that is down.
func newFile(t *testing.T, seed uint64) (*disk, vfs.File) {
	t.Helper()
	d := newRun(Options{}, quiet(func(p *Plan) { p.Seed = seed })).servers[0].disk
	f, err := d.fs.Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.fs.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	return d, f
}

func write(t *testing.T, f vfs.File, text string, offset int64) {
	t.Helper()
	if _, err := f.WriteAt([]byte(text), offset); err != nil {
		t.Fatal(err)
	}
}

// TestDisk_KillLeavesPrefix: a process that ends in the middle of its second write leaves the first and some prefix of
// the second, of any length, and does nothing after it.
func TestDisk_KillLeavesPrefix(t *testing.T) {
	lengths := map[int]bool{}
	for seed := range uint64(100) {
		d, f := newFile(t, seed)
		d.crash, d.crashIn = Kill, 2
		write(t, f, "one ", 0)
		if _, err := f.WriteAt([]byte("two"), 4); !errors.Is(err, errDead) {
			t.Fatalf("the second change: %v", err)
		}
		if !d.faulted() {
			t.Error("nobody is to blame")
		}
		if _, err := f.WriteAt([]byte("three"), 7); !errors.Is(err, errDead) {
			t.Errorf("the third change: %v", err)
		}
		d.lose(Kill)
		left := d.fs.Contents("/")["/f"]
		if !strings.HasPrefix("one two", left) || len(left) < len("one ") {
			t.Errorf("%q is left", left)
		}
		lengths[len(left)] = true
		if d.faulted() {
			t.Error("the next process is blamed")
		}
		again, err := d.fs.Open("/f")
		if err != nil {
			t.Fatal(err)
		}
		write(t, again, "more", 0)
	}
	if len(lengths) != len("two")+1 {
		t.Errorf("lengths left: %v", lengths)
	}
}

// TestDisk_KillSparesSyncs: a kernel ends the sync of a process that is killed; power does not wait for it.
func TestDisk_KillSparesSyncs(t *testing.T) {
	d, f := newFile(t, 1)
	d.crash, d.crashIn = Kill, 2
	write(t, f, "one", 0)
	if err := f.Sync(); err != nil {
		t.Errorf("a sync: %v", err)
	}
	if _, err := f.WriteAt([]byte("two"), 3); !errors.Is(err, errDead) {
		t.Errorf("the change after it: %v", err)
	}
	d, f = newFile(t, 1)
	d.crash, d.crashIn = Power, 2
	write(t, f, "one", 0)
	if err := f.Sync(); !errors.Is(err, errDead) {
		t.Errorf("a sync without power: %v", err)
	}
}

// TestDisk_PowerLosesUnsynced: what was synced stays, what was not goes in some of the ways of losing it.
func TestDisk_PowerLosesUnsynced(t *testing.T) {
	var left []string
	for seed := range uint64(60) {
		d, f := newFile(t, seed)
		write(t, f, "kept", 0)
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		write(t, f, " lost", 4)
		d.lose(Power)
		left = append(left, d.fs.Contents("/")["/f"])
	}
	slices.Sort(left)
	left = slices.Compact(left)
	for _, text := range left {
		if !strings.HasPrefix(text, "kept") {
			t.Errorf("%q is left", text)
		}
	}
	if !slices.Contains(left, "kept") || !slices.Contains(left, "kept lost") {
		t.Errorf("only %q is left", left)
	}
}

// TestDisk_FailedSync: a node ends when a sync of its disk fails, and starts again.
func TestDisk_FailedSync(t *testing.T) {
	var told []string
	o := Options{Service: ledgers{}, Trace: func(s Step) {
		if s.Kind == Changed && s.Node == "n1" && (strings.HasPrefix(s.Text, "down") || strings.HasPrefix(s.Text, "up")) {
			text, _, _ := strings.Cut(s.Text, " t")
			told = append(told, text)
		}
	}}
	plan := quiet(suffers(Fault{At: 3 * time.Second, For: 200 * time.Millisecond, Kind: FailSync}))
	plan.Core = 2 // n1 is healed
	report := Run(o, plan)
	if report.Failure != nil {
		t.Fatal(report.Failure.Message)
	}
	if want := []string{"up", "down, its disk failed", "up"}; !slices.Equal(told[:min(3, len(told))], want) {
		t.Errorf("%q, want %q", told, want)
	}
	if report.Counts["syncs failed"] != 1 {
		t.Errorf("%d syncs failed", report.Counts["syncs failed"])
	}
}

// TestDisk_Stall: what a stalled disk is to write takes until it goes on.
func TestDisk_Stall(t *testing.T) {
	r := stage(t, quiet(), time.Second)
	r.faults.strike(Fault{Kind: StallDisk, For: 3 * time.Second})
	if got := r.servers[0].disk.latency(); got < 3*time.Second {
		t.Errorf("a write takes %v", got)
	}
	if got := r.servers[1].disk.latency(); got > time.Millisecond {
		t.Errorf("elsewhere a write takes %v", got)
	}
}
