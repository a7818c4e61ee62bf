package storage

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// compacted is a clean directory whose log begins behind index 80 in a segment that is not the first,
// with snapshots at 90 and 100, the one of two blocks.
func compacted(t testing.TB) (*vfs.Mem, model) {
	t.Helper()
	files := vfs.NewMem()
	var want model
	log, _ := mustOpen(t, testOptions(files))
	for i := protocol.Index(1); i <= 200; i++ {
		b := persist(1, "n1", entriesFrom(i, 1, 1)...)
		mustPersist(t, log, b)
		want.persist(b)
	}
	for _, index := range []protocol.Index{90, 100} {
		meta, err := log.SaveSnapshot(metaAt(position(1, index)), func(w io.Writer) error {
			_, err := w.Write(make([]byte, int(index-90)*7000+100))
			return err
		})
		must(t, err)
		want.Snapshot = meta
	}
	b := persist(2, "n2", entriesFrom(201, 2, 2)...)
	b.Compact = position(1, 95)
	mustPersist(t, log, b)
	want.persist(b)
	log, _ = reopen(t, log, want) // drops what is left of the old segments
	if log.closed[0].number < 2 {
		t.Fatal("the first segment is there still")
	}
	mustClose(t, log)
	return files, want
}

// TestDamage_EveryByte flips a bit of each byte of each file: Open refuses, or returns all there was,
// and a snapshot that it returns can be read whole.
func TestDamage_EveryByte(t *testing.T) {
	files, want := compacted(t)
	refused, accepted := map[string]int{}, map[string]int{}
	for _, path := range paths(files) {
		size := len(fileIn(files, path))
		step := 1 + size/1500
		for i := 0; i < size; i += step {
			spoiled := files.Crash(vfs.KeepAll, nil)
			flip(spoiled, path, int64(i), 1<<(i%8))
			where := fmt.Sprintf("%s at %d", path, i)
			log, found, err := Open(testOptions(spoiled))
			if err != nil {
				_, ok := errors.AsType[*CorruptError](err)
				if !ok && !(errors.Is(err, ErrVersion) && strings.HasSuffix(path, metaName)) { // a flip of its version's digit
					t.Fatalf("%s: got %v, want a CorruptError", where, err)
				}
				refused[filepath.Base(path)]++
				continue
			}
			accepted[filepath.Base(path)]++
			if diff := want.diff(found.State); diff != "" || found.TornBytes > 0 {
				t.Fatalf("%s: %d bytes cut, %s", where, found.TornBytes, diff)
			}
			if fmt.Sprint(found.Bootstrap) != "[n1 n2 n3]" {
				t.Fatalf("%s: began with %v", where, found.Bootstrap)
			}
			readBack(t, log, found.State.Snapshot)
			mustClose(t, log)
		}
	}
	for _, path := range paths(files) {
		name := filepath.Base(path)
		old := strings.HasPrefix(name, "0000000000000090-")     // its data is verified when it is read
		harmless := old || name == markName || name == metaName // blanks and cases of the JSON text
		if !harmless && accepted[name] > 0 || name != markName && refused[name] == 0 {
			t.Errorf("%s: %d flips refused, %d accepted", name, refused[name], accepted[name])
		}
	}
}

// TestDamage_OldSnapshotIsFoundOnReading: the data of the snapshot that is not the newest is verified
// when it is read, block by block.
func TestDamage_OldSnapshotIsFoundOnReading(t *testing.T) {
	files, want := compacted(t)
	log, _ := mustOpen(t, testOptions(files))
	defer func() { mustClose(t, log) }()
	flip(files, filepath.Join(testDir, snapshotName(want.Snapshot)), dataAt(want.Snapshot)+snapBlockBytes+7, 1)
	r, err := log.OpenSnapshot(want.Snapshot)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	if _, err := r.ReadAt(make([]byte, snapBlockBytes), 0); err != nil {
		t.Errorf("the sound block: %v", err)
	}
	n, err := r.ReadAt(make([]byte, 100), snapBlockBytes-50)
	if corrupt := corruptAt(t, err, snapExt); n != 50 || corrupt.Offset != dataAt(want.Snapshot)+snapBlockBytes {
		t.Errorf("%d bytes before the damage at offset %d", n, corrupt.Offset)
	}
}

// TestDamage_Files: missing, extra and exchanged files around a compacted log.
func TestDamage_Files(t *testing.T) {
	files, want := compacted(t)
	log, _ := mustOpen(t, testOptions(files))
	first := log.closed[0].number
	mustClose(t, log)
	newest, older := "", ""
	for _, path := range paths(files) {
		if strings.HasSuffix(path, snapExt) {
			older, newest = newest, path
		}
	}
	fallback := want.clone()
	fallback.Snapshot = protocol.SnapshotMeta{}
	for name, test := range map[string]struct {
		spoil func(*vfs.Mem)
		file  string // where the damage must be found; "" = none
	}{
		"first segment missing":  {func(f *vfs.Mem) { f.Drop(segmentPath(first)) }, segmentName(first)},
		"middle segment missing": {func(f *vfs.Mem) { f.Drop(segmentPath(first + 1)) }, segmentName(first + 1)},
		"removed segment back": {func(f *vfs.Mem) {
			f.Put(segmentPath(first-1), fileIn(f, segmentPath(first)))
		}, segmentName(first - 1)},
		"segment of long ago back":  {func(f *vfs.Mem) { f.Put(segmentPath(1), fileIn(f, segmentPath(first))) }, ""},
		"junk of long ago":          {func(f *vfs.Mem) { f.Put(segmentPath(1), []byte("junk")) }, ""},
		"newest snapshot missing":   {func(f *vfs.Mem) { f.Drop(newest) }, snapshotName(want.Snapshot)},
		"all snapshots missing":     {func(f *vfs.Mem) { f.Drop(newest); f.Drop(older) }, snapshotName(want.Snapshot)},
		"older snapshot missing":    {func(f *vfs.Mem) { f.Drop(older) }, ""},
		"snapshot shortened":        {func(f *vfs.Mem) { cut(f, newest, 1000) }, filepath.Base(newest)},
		"snapshot emptied":          {func(f *vfs.Mem) { cut(f, newest, 0) }, filepath.Base(newest)},
		"snapshot lengthened":       {func(f *vfs.Mem) { lengthen(f, newest, 0) }, filepath.Base(newest)},
		"snapshots exchanged":       {func(f *vfs.Mem) { f.Put(newest, fileIn(f, older)) }, filepath.Base(newest)},
		"snapshot by another name":  {func(f *vfs.Mem) { f.Put(strings.Replace(newest, "-1-", "-7-", 1), fileIn(f, newest)) }, "-7-"},
		"unknown file":              {func(f *vfs.Mem) { f.Put(filepath.Join(testDir, snapDir, "notes"), []byte("x")) }, ""},
		"drafts":                    {func(f *vfs.Mem) { f.Put(filepath.Join(testDir, savingName), []byte("x")) }, ""},
		"meta missing":              {func(f *vfs.Mem) { f.Drop(filepath.Join(testDir, metaName)) }, metaName},
		"meta and segments missing": {func(f *vfs.Mem) { dropLog(f); f.Drop(filepath.Join(testDir, metaName)) }, metaName},
	} {
		t.Run(name, func(t *testing.T) {
			spoiled := files.Crash(vfs.KeepAll, nil)
			test.spoil(spoiled)
			before := maps.Clone(spoiled.Contents(testDir))
			report := &Report{}
			if test.file == "" {
				report = mustInspect(t, spoiled, nil)
			}
			log, found, err := Open(testOptions(spoiled))
			if test.file == "" {
				must(t, err)
				if !report.Sound() {
					t.Errorf("inspected with %v", report.Faults)
				}
				if diff := want.diff(found.State); diff != "" {
					t.Error(diff)
				}
				mustClose(t, log)
				return
			}
			corrupt, ok := errors.AsType[*CorruptError](err)
			if !ok || !strings.Contains(corrupt.File, test.file) {
				t.Fatalf("got %v, want a CorruptError in %s", err, test.file)
			}
			for path, data := range spoiled.Contents(testDir) {
				if before[path] != data {
					t.Errorf("%s changed", path)
				}
			}
		})
	}
}

func dropLog(f *vfs.Mem) {
	for _, path := range paths(f) {
		if strings.HasSuffix(path, segmentExt) {
			f.Drop(path)
		}
	}
}

// TestDamage_JustRolledBehindACompaction: a segment that is begun anew says where the log begins, since
// the segments that said so go at once.
func TestDamage_JustRolledBehindACompaction(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	b := persist(1, "n1", entriesFrom(1, 1, 5)...)
	mustPersist(t, log, b)
	meta := mustSave(t, log, position(1, 5))
	compact := protocol.Persist{HardState: b.HardState, Compact: meta.Position}
	mustPersist(t, log, compact)
	want := model{protocol.State{HardState: b.HardState, Snapshot: meta, Compacted: meta.Position}}
	next := segmentPath(log.number + 1)
	mustClose(t, log)
	files.Put(next, []byte("torn"))
	for range 2 {
		log, found := mustOpen(t, testOptions(files))
		if diff := want.diff(found.State); diff != "" {
			t.Fatal(diff)
		}
		if got := log.Stats(); got.Segments != 1 || got.Compacted != meta.Position || got.LastIndex != 5 {
			t.Errorf("%+v", got)
		}
		mustClose(t, log)
	}
}
