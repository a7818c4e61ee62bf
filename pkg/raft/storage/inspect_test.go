package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

func mustInspect(t testing.TB, files *vfs.Mem, visit func(RecordReport)) *Report {
	t.Helper()
	before := files.Contents(testDir)
	report, err := inspect(files, testDir, visit)
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	for path, data := range files.Contents(testDir) {
		if before[path] != data {
			t.Fatalf("inspect changed %s", path)
		}
	}
	return report
}

// TestInspect_SoundDirectory: what is reported is what Open recovers.
func TestInspect_SoundDirectory(t *testing.T) {
	files, want := compacted(t)
	files.Put(filepath.Join(testDir, receivingName), []byte("half"))
	files.Put(filepath.Join(testDir, logDir, "notes"), []byte("mine"))
	var records []string
	report := mustInspect(t, files, func(r RecordReport) { records = append(records, r.Text) })
	if !report.Sound() || report.Running || report.TornFile != "" || report.Node != "n1" || report.Cluster != "c1" {
		t.Errorf("%+v", report)
	}
	entries := 0
	for _, s := range report.Segments {
		if entries += s.Entries; s.Bad >= 0 || s.HardStates == 0 || s.High.Index < s.Low.Index {
			t.Errorf("%+v", s)
		}
	}
	got := report.State
	if got.HardState != want.HardState || got.Snapshot != want.Snapshot || got.Compacted != want.Compacted ||
		len(got.Entries) != len(want.Entries) || entries < len(got.Entries) {
		t.Errorf("state %+v with %d entries in %d records", got, len(got.Entries), entries)
	}
	if terms := fmt.Sprint(report.Terms); terms != "[{1 96 200} {2 201 202}]" {
		t.Errorf("terms %s", terms)
	}
	var uses []string
	for _, s := range report.Snapshots {
		uses = append(uses, s.Use)
	}
	if strings.Join(uses, " ") != "older newest draft" || strings.Join(report.Ignored, " ") != "log/notes" {
		t.Errorf("snapshots %v, ignored %v", uses, report.Ignored)
	}
	all := strings.Join(records, "\n")
	for _, line := range []string{
		`term 2, vote "n2"`, "log compacted through 1.95, newest snapshot at 1.100 (70100 bytes",
		"entry 202 of term 2, command, 11 bytes",
	} {
		if !strings.Contains(all, line) {
			t.Errorf("no record %q", line)
		}
	}
}

// TestInspect_GoesOnBehindDamage: every damaged place is reported, not the first alone.
func TestInspect_GoesOnBehindDamage(t *testing.T) {
	files, want := compacted(t)
	report := mustInspect(t, files, nil)
	segments := report.Segments
	if len(segments) < 3 {
		t.Fatalf("%d segments", len(segments))
	}
	for _, s := range segments[:2] {
		flip(files, filepath.Join(testDir, s.File), s.Bytes/2, 1)
	}
	for _, s := range report.Snapshots {
		flip(files, filepath.Join(testDir, s.File), dataAt(s.Meta)+50, 1)
	}
	report = mustInspect(t, files, nil)
	damaged := map[string]bool{}
	for _, fault := range report.Faults {
		damaged[filepath.Base(fault.File)] = true
	}
	if len(report.Faults) != 4 || len(damaged) != 4 {
		t.Errorf("faults %v", report.Faults)
	}
	for i, s := range report.Segments[:2] {
		if s.Bad <= headerBytes || s.Batches != segments[i].Batches-1 {
			t.Errorf("%+v, whole it was %+v", s, segments[i])
		}
	}
	if got := report.State; len(got.Entries) == 0 || got.Entries[len(got.Entries)-1].Index >= want.last() {
		t.Errorf("read through %v before the damage", got.Entries)
	}
}

// TestInspect_AgreesWithOpen: what Inspect calls sound Open accepts, with the same state; what Open
// refuses Inspect reports at the same place.
func TestInspect_AgreesWithOpen(t *testing.T) {
	files, _ := compacted(t)
	for _, path := range paths(files) {
		size := len(fileIn(files, path))
		for i := 0; i < size; i += 1 + size/60 {
			for _, spoil := range []func(*vfs.Mem){
				func(f *vfs.Mem) { flip(f, path, int64(i), 4) },
				func(f *vfs.Mem) { cut(f, path, int64(i)) },
				func(f *vfs.Mem) { lengthen(f, path, fileIn(f, path)[i:]...) },
			} {
				spoiled := files.Crash(vfs.KeepAll, nil)
				spoil(spoiled)
				report, err := inspect(spoiled, testDir, nil)
				log, found, refusal := Open(testOptions(spoiled))
				where := fmt.Sprintf("%s at %d", path, i)
				switch corrupt, ok := errors.AsType[*CorruptError](refusal); {
				case err != nil:
					if !errors.Is(err, ErrVersion) || !errors.Is(refusal, ErrVersion) {
						t.Fatalf("%s: %v, Open %v", where, err, refusal)
					}
				case ok:
					if first := report.Faults; len(first) == 0 || first[0].Error() != corrupt.Error() {
						t.Fatalf("%s: %v, Open %v", where, first, refusal)
					}
				default:
					must(t, refusal)
					mustClose(t, log)
					sameState(t, where, report, found)
				}
			}
		}
	}
}

// sameState compares what was inspected and what was recovered. Open verifies no snapshot but the newest.
func sameState(t *testing.T, where string, report *Report, found Recovered) {
	t.Helper()
	got, want := report.State, found.State
	for _, fault := range report.Faults {
		if errors.Is(fault, errUnread) {
			continue // is for a node to refuse
		}
		if !strings.Contains(fault.File, "/snap/") || fault.File == filepath.Join(testDir, snapshotName(want.Snapshot)) {
			t.Fatalf("%s: accepted with %v", where, fault)
		}
	}
	if got.HardState != want.HardState || got.Snapshot != want.Snapshot || got.Compacted != want.Compacted ||
		len(got.Entries) != len(want.Entries) || report.TornSize != found.TornBytes {
		t.Fatalf("%s: inspected %+v, recovered %+v", where, got, want)
	}
}

// TestInspect_Configurations: those of the log and of snapshots are shown, and what cannot be read is a fault where a
// node would need it.
func TestInspect_Configurations(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	configuration := func(index protocol.Index, text string) protocol.Entry {
		return protocol.Entry{Index: index, Term: 1, Kind: protocol.EntryConfiguration, Data: []byte(text)}
	}
	changing := protocol.Configuration{Joint: true, Members: []protocol.Member{
		{ID: "n1", Suffrage: protocol.Leaving}, {ID: "n2", Suffrage: protocol.Joining, Address: "127.0.0.1:7102"},
	}}
	mustPersist(t, log, persist(1, "n1", entriesFrom(1, 1, 3)...))
	mustPersist(t, log, persist(1, "n1", configuration(4, "replaced")))
	mustPersist(t, log, persist(1, "n1", configuration(4, "below the snapshot"), configuration(5, exampleConfiguration)))
	mustPersist(t, log, persist(1, "n1", configuration(6, string(changing.Encode()))))
	for _, at := range []protocol.SnapshotMeta{{Position: position(1, 3)}, {Position: position(1, 5), Configuration: exampleConfiguration}} {
		_, err := log.SaveSnapshot(at, writeData(at.Position))
		must(t, err)
	}
	mustPersist(t, log, protocol.Persist{HardState: log.hard, Compact: position(1, 2)})
	mustClose(t, log)

	var records []string
	report := mustInspect(t, files, func(r RecordReport) { records = append(records, r.Text) })
	if !report.Sound() || fmt.Sprint(report.Bootstrap) != "[n1 n2 n3]" {
		t.Errorf("faults %v, bootstrap %v", report.Faults, report.Bootstrap)
	}
	unread := "cannot be read: configuration: invalid character 'b' looking for beginning of value"
	if got, want := fmt.Sprint(report.Configurations), "["+unread+" n1, n2 joint: n1 (leaving), n2 (joining)]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	last := report.Snapshots[len(report.Snapshots)-1]
	if last.Use != "newest" || fmt.Sprint(last.Configuration) != "n1, n2" || last.Configuration.At != position(1, 5) {
		t.Errorf("%+v", last)
	}
	all := strings.Join(records, "\n")
	for _, line := range []string{
		"entry 4 of term 1, configuration, 8 bytes, checksum 1ff49363: cannot be read: ", ": joint: n1 (leaving), n2 (joining)",
		"log compacted through 1.2, newest snapshot at 1.5 (42014 bytes", ", configuration: n1, n2",
	} {
		if !strings.Contains(all, line) {
			t.Errorf("no record %q in\n%s", line, all)
		}
	}

	log, _ = mustOpen(t, testOptions(files))
	mustPersist(t, log, persist(1, "n1", configuration(7, `{"members":[]}`)))
	_, err := log.SaveSnapshot(withConfiguration(metaAt(position(1, 7)), "nobody"), writeData(position(1, 7)))
	must(t, err)
	mustPersist(t, log, persist(1, "n1", configuration(8, `{"members":[]}`)))
	mustClose(t, log)
	report = mustInspect(t, files, nil)
	var faults []string
	for _, fault := range report.Faults {
		faults = append(faults, fmt.Sprintf("%s %v", filepath.Base(fault.File), fault.Err))
	}
	got := strings.Join(faults, "\n")
	if len(faults) != 2 || report.Sound() || !strings.Contains(got, "log the configuration at 1.8 cannot be read: configuration: a half without voters") ||
		!strings.Contains(got, "snap the snapshot's configuration cannot be read: configuration: invalid character") {
		t.Errorf("got %s", got)
	}
	log, _ = mustOpen(t, testOptions(files)) // is for a node to refuse
	mustClose(t, log)
}

// TestInspect_RealDirectory: beside a running node and after it; what is no data directory is an error.
func TestInspect_RealDirectory(t *testing.T) {
	options := testOptions(nil)
	options.Dir = filepath.Join(t.TempDir(), "n1")
	if _, err := Inspect(options.Dir, nil); err == nil || !strings.Contains(err.Error(), "no data directory") {
		t.Errorf("got %v", err)
	}
	log, _ := mustOpen(t, options)
	mustPersist(t, log, persist(1, "n1", entriesFrom(1, 1, 3)...))
	report, err := Inspect(options.Dir, nil)
	if err != nil || !report.Running || !report.Sound() || len(report.State.Entries) != 3 {
		t.Errorf("while it runs: %+v, %v", report, err)
	}
	mustClose(t, log)
	report, err = Inspect(options.Dir, nil)
	if err != nil || report.Running || !report.Sound() {
		t.Errorf("after it: %+v, %v", report, err)
	}
	log, _ = mustOpen(t, options)
	mustClose(t, log)
}
