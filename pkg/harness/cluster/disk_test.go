package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// diskCase is a doctored event log and what was on disk at the kill.
type diskCase struct {
	name  string
	ops   []FileOp
	files map[string]string // by name: contents at the kill
	want  map[string]string // afterwards
	bytes int64
	err   error
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
			name: "a removal that is not synced cannot be undone, and says so", ops: with(FileOp{Op: "remove", File: "log/1"}),
			files: map[string]string{}, err: errCannotUndo,
		},
		{
			name: "a removal of what was never durable needs no undoing", ops: with(FileOp{Op: "create", File: "tmp"}, FileOp{Op: "remove", File: "tmp"}),
			files: map[string]string{"log/1": "abcd"}, want: map[string]string{"log/1": "abcd"},
		},
		{
			name: "a file that the log never names stays", ops: segment,
			files: map[string]string{"log/1": "abcd", "lock": "123"}, want: map[string]string{"log/1": "abcd", "lock": "123"},
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
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			if cut.Bytes != c.bytes {
				t.Errorf("%d bytes lost, want %d", cut.Bytes, c.bytes)
			}
			sameFiles(t, dir, c.want)
			if again, err := d.cut(dir); err != nil || again.Bytes != 0 || len(again.Names) != 0 {
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
