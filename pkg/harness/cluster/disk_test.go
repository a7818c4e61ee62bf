package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// diskCase is a doctored event log and what was on disk at the kill.
type diskCase struct {
	name  string
	ops   []FileOp
	files map[string]string // by name: contents at the kill
	want  map[string]string // afterwards
	bytes int64
	spare string // why nothing is lost: a part of the text
}

func diskCases() []diskCase {
	segment := []FileOp{
		{Op: "create", File: "log"},
		{Op: "syncdir", File: "."},
		{Op: "create", File: "log/1"},
		{Op: "sync", File: "log/1", Length: 4},
		{Op: "syncdir", File: "log"},
	}
	with := func(more ...FileOp) []FileOp { return append(slices.Clone(segment), more...) }
	return []diskCase{
		{
			name: "bytes behind the last sync go", ops: segment,
			files: map[string]string{"log/1": "abcdEFG"}, want: map[string]string{"log/1": "abcd"}, bytes: 3,
		},
		{
			name: "the last sync of a file counts", ops: with(FileOp{Op: "sync", File: "log/1", Length: 6}),
			files: map[string]string{"log/1": "abcdEFG"}, want: map[string]string{"log/1": "abcdEF"}, bytes: 1,
		},
		{
			name: "a file created and never synced is empty", ops: with(FileOp{Op: "create", File: "log/2"}, FileOp{Op: "syncdir", File: "log"}),
			files: map[string]string{"log/1": "abcd", "log/2": "xyz"}, want: map[string]string{"log/1": "abcd", "log/2": ""}, bytes: 3,
		},
		{
			name: "a name without a sync of its directory goes, its bytes synced or not", ops: with(FileOp{Op: "create", File: "log/2"}, FileOp{Op: "sync", File: "log/2", Length: 3}),
			files: map[string]string{"log/1": "abcd", "log/2": "xyz"}, want: map[string]string{"log/1": "abcd"},
		},
		{
			name: "another directory's sync does not help", ops: with(FileOp{Op: "create", File: "log/2"}, FileOp{Op: "sync", File: "log/2", Length: 3}, FileOp{Op: "syncdir", File: "."}),
			files: map[string]string{"log/1": "abcd", "log/2": "xyz"}, want: map[string]string{"log/1": "abcd"},
		},
		{
			name: "a rename without a sync is undone", ops: with(FileOp{Op: "create", File: "meta.new"}, FileOp{Op: "sync", File: "meta.new", Length: 2}, FileOp{Op: "syncdir", File: "."}, FileOp{Op: "rename", File: "meta.new", To: "meta"}),
			files: map[string]string{"log/1": "abcd", "meta": "id"}, want: map[string]string{"log/1": "abcd", "meta.new": "id"},
		},
		{
			name: "a synced rename stays", ops: with(FileOp{Op: "create", File: "meta.new"}, FileOp{Op: "sync", File: "meta.new", Length: 2}, FileOp{Op: "rename", File: "meta.new", To: "meta"}, FileOp{Op: "syncdir", File: "."}),
			files: map[string]string{"log/1": "abcd", "meta": "id"}, want: map[string]string{"log/1": "abcd", "meta": "id"},
		},
		{
			name: "created and renamed, neither synced: both go", ops: with(FileOp{Op: "create", File: "meta.new"}, FileOp{Op: "rename", File: "meta.new", To: "meta"}),
			files: map[string]string{"log/1": "abcd", "meta": "id"}, want: map[string]string{"log/1": "abcd"},
		},
		{
			name: "a whole directory goes with its name", ops: []FileOp{{Op: "create", File: "log"}, {Op: "create", File: "log/1"}, {Op: "sync", File: "log/1", Length: 4}, {Op: "syncdir", File: "log"}},
			files: map[string]string{"log/1": "abcd"}, want: map[string]string{},
		},
		{
			name: "a removal stays, its directory synced or not", ops: with(
				FileOp{Op: "create", File: "log/2"}, FileOp{Op: "sync", File: "log/2", Length: 3}, FileOp{Op: "syncdir", File: "log"}, FileOp{Op: "remove", File: "log/1"}),
			files: map[string]string{"log/2": "xyz"}, want: map[string]string{"log/2": "xyz"},
		},
		{
			name: "a removal undoes none of the names that came before or behind", ops: with(
				FileOp{Op: "create", File: "log/2"}, FileOp{Op: "sync", File: "log/2", Length: 3}, FileOp{Op: "syncdir", File: "log"},
				FileOp{Op: "remove", File: "log/1"}, FileOp{Op: "create", File: "log/3"}, FileOp{Op: "sync", File: "log/3", Length: 1}),
			files: map[string]string{"log/2": "xyzz", "log/3": "u"}, want: map[string]string{"log/2": "xyz"}, bytes: 1,
		},
		{
			name: "a name is removed and made again", ops: with(
				FileOp{Op: "create", File: "snap/saving"}, FileOp{Op: "sync", File: "snap/saving", Length: 2}, FileOp{Op: "remove", File: "snap/saving"},
				FileOp{Op: "syncdir", File: "snap"}, FileOp{Op: "create", File: "snap/saving"}),
			files: map[string]string{"log/1": "abcd", "snap/saving": "zz"}, want: map[string]string{"log/1": "abcd"},
		},
		{
			name: "a renamed file is removed: nothing of it comes back", ops: with(
				FileOp{Op: "create", File: "snap/saving"}, FileOp{Op: "rename", File: "snap/saving", To: "snap/1"}, FileOp{Op: "remove", File: "snap/1"}),
			files: map[string]string{"log/1": "abcd"}, want: map[string]string{"log/1": "abcd"},
		},
		{
			name: "a removal that no event tells of: what made it possible must not be undone", ops: with(
				FileOp{Op: "create", File: "log/2"}), // synced, and log/1 removed; the kill took the events
			files: map[string]string{"log/2": "base"}, want: map[string]string{"log/2": "base"}, spare: "log/1 is gone",
		},
		{
			name: "a name that no event tells of: what it continues must not be cut", ops: segment, // log/1 grew, was synced, and log/2 begun
			files: map[string]string{"log/1": "abcdEFG", "log/2": "hij"}, want: map[string]string{"log/1": "abcdEFG", "log/2": "hij"}, spare: "log/2 is there",
		},
		{
			name: "a removal of what was never durable needs no undoing", ops: with(FileOp{Op: "create", File: "tmp"}, FileOp{Op: "remove", File: "tmp"}),
			files: map[string]string{"log/1": "abcd"}, want: map[string]string{"log/1": "abcd"},
		},
	}
}

func TestDisk_Cut(t *testing.T) {
	for _, c := range diskCases() {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFiles(t, dir, c.files)
			d := newDisk()
			d.observe(c.ops)
			cut, err := d.cut(dir)
			if err != nil {
				t.Fatal(err)
			}
			if (c.spare == "") != (cut.Spare == "") || !strings.Contains(cut.Spare, c.spare) {
				t.Errorf("spared because %q, want %q", cut.Spare, c.spare)
			}
			if cut.Bytes != c.bytes {
				t.Errorf("%d bytes lost, want %d", cut.Bytes, c.bytes)
			}
			sameFiles(t, dir, c.want)
			if again, err := d.cut(dir); err != nil || again.Bytes != 0 || len(again.Names) != 0 || again.Spare != "" {
				t.Errorf("a second loss took %+v (%v): all that was left was durable", again, err)
			}
		})
	}
}

func TestDisk_OutlivesIncarnations(t *testing.T) {
	dir := t.TempDir()
	d := newDisk()
	d.observe([]FileOp{{Op: "create", File: "a"}, {Op: "syncdir", File: "."}, {Op: "sync", File: "a", Length: 2}})
	// A plain kill, and the next incarnation syncs another file only: a's tail stays undurable.
	d.observe([]FileOp{{Op: "create", File: "b"}, {Op: "sync", File: "b", Length: 1}, {Op: "syncdir", File: "."}})
	writeFiles(t, dir, map[string]string{"a": "12345", "b": "1"})
	if _, err := d.cut(dir); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, dir, map[string]string{"a": "12", "b": "1"})
}

// A plain kill may take events too. What the next incarnation begins with is then taken for durable, so that a later loss
// of power does not cut what its log rests on.
func TestDisk_SettlesAfterAPlainKill(t *testing.T) {
	dir := t.TempDir()
	d := newDisk()
	d.observe([]FileOp{{Op: "create", File: "1"}, {Op: "syncdir", File: "."}, {Op: "sync", File: "1", Length: 2}})
	writeFiles(t, dir, map[string]string{"1": "1234", "2": "5"}) // 1 was synced once more, 2 begun and synced
	if ahead, err := d.settle(dir); err != nil || ahead == "" {
		t.Fatalf("ahead %q (%v)", ahead, err)
	}
	d.observe([]FileOp{{Op: "sync", File: "2", Length: 1}})
	writeFiles(t, dir, map[string]string{"2": "56"})
	if cut, err := d.cut(dir); err != nil || cut.Spare != "" {
		t.Fatalf("cut %+v (%v)", cut, err)
	}
	sameFiles(t, dir, map[string]string{"1": "1234", "2": "5"})
}

func TestDisk_NothingThereYet(t *testing.T) {
	if ahead, err := newDisk().settle(filepath.Join(t.TempDir(), "data")); err != nil || ahead != "" {
		t.Errorf("ahead %q (%v)", ahead, err)
	}
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func sameFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, relErr := filepath.Rel(dir, path)
		got[rel] = string(text)
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		if g, ok := got[name]; !ok || g != text {
			t.Errorf("%s holds %q (there: %v), want %q", name, g, ok, text)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is still there", name)
	}
}
