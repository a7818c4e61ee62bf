package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// TestConfiguration_GoesWithTheSnapshot: one's own and a leader's snapshot carry theirs, also the longest, over
// compactions, installs, fresh segments and restarts.
func TestConfiguration_GoesWithTheSnapshot(t *testing.T) {
	for name, configuration := range map[string]string{
		"none": "", "members": exampleConfiguration, "longest": strings.Repeat("c", protocol.MaxConfigurationBytes),
	} {
		t.Run(name, func(t *testing.T) { carry(t, configuration, []byte("state")) })
	}
}

// carry saves a snapshot with a configuration, compacts the log behind it, and installs it on another node.
func carry(t *testing.T, configuration string, data []byte) {
	t.Helper()
	log, _ := mustOpen(t, testOptions(vfs.NewMem()))
	var want model
	b := persist(1, "n1", entriesFrom(1, 1, 5)...)
	mustPersist(t, log, b)
	want.persist(b)
	at := protocol.SnapshotMeta{Position: position(1, 4), Configuration: configuration, Size: 77, Checksum: 77}
	meta, err := log.SaveSnapshot(at, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil || meta != withConfiguration(metaOf(at.Position, data), configuration) {
		t.Fatalf("saved %+v, %v", meta, err)
	}
	want.Snapshot = meta
	log, _ = reopen(t, log, want)
	for _, b := range []protocol.Persist{
		{HardState: want.HardState, Compact: position(1, 3)},
		persist(1, "n1", entriesFrom(6, 1, 100)...), // a fresh segment, that says again where the log begins
	} {
		mustPersist(t, log, b)
		want.persist(b)
	}
	if log.base.snapshot != meta {
		t.Errorf("the log begins behind %+v", log.base)
	}
	log, _ = reopen(t, log, want)
	readBack(t, log, meta)
	mustClose(t, log)

	other, _ := mustOpen(t, testOptions(vfs.NewMem()))
	must(t, receive(other, meta, data))
	install := persist(1, "", entriesFrom(5, 1, 1)...)
	install.Install = meta
	mustPersist(t, other, install)
	var follower model
	follower.persist(install)
	other, _ = reopen(t, other, follower)
	readBack(t, other, meta)
	mustClose(t, other)
}

func withConfiguration(meta protocol.SnapshotMeta, configuration string) protocol.SnapshotMeta {
	meta.Configuration = configuration
	return meta
}

// FuzzConfiguration: whatever a configuration and the data are, both come back.
func FuzzConfiguration(f *testing.F) {
	f.Add("", []byte{})
	f.Add(exampleConfiguration, []byte(`{"x":"1"}`))
	f.Add("\x00\xff", bytes.Repeat([]byte("x"), snapBlockBytes+1))
	f.Fuzz(func(t *testing.T, configuration string, data []byte) {
		if len(configuration) <= protocol.MaxConfigurationBytes {
			carry(t, configuration, data)
		}
	})
}

// TestConfiguration_TooLong: nothing of it is stored, and the log lives on.
func TestConfiguration_TooLong(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustPersist(t, log, persist(1, "", entriesFrom(1, 1, 5)...))
	long := withConfiguration(metaOf(position(1, 5), []byte("x")), strings.Repeat("c", protocol.MaxConfigurationBytes+1))
	if _, err := log.SaveSnapshot(long, writeData(long.Position)); err == nil || !strings.Contains(err.Error(), "131073 bytes") {
		t.Errorf("saved: %v", err)
	}
	if next, complete, err := log.ReceiveSnapshot(long, 0, []byte("x")); next != 0 || complete || err != nil {
		t.Errorf("received: %d %v %v", next, complete, err)
	}
	if left := names(t, files, snapDir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	mustSave(t, log, position(1, 5))
	mustClose(t, log)
}

// TestConfiguration_TellsSnapshotsApart: two that differ in nothing else are two, in memory and on disk.
func TestConfiguration_TellsSnapshotsApart(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	data := []byte("state")
	one := withConfiguration(metaOf(position(2, 9), data), "one")
	two := withConfiguration(one, "two")
	if next, complete, err := log.ReceiveSnapshot(one, 0, data[:3]); next != 3 || complete || err != nil {
		t.Errorf("%d %v %v", next, complete, err)
	}
	if next, complete, err := log.ReceiveSnapshot(two, 3, data[3:]); next != 0 || complete || err != nil {
		t.Errorf("another's bytes were taken: %d %v %v", next, complete, err)
	}
	must(t, receive(log, one, data))
	must(t, receive(log, two, data))
	if left := names(t, files, snapDir); len(left) != 2 {
		t.Errorf("files %v", left)
	}
	wrong := persist(2, "")
	wrong.Install = withConfiguration(one, "three")
	readBack(t, log, one)
	install := persist(2, "")
	install.Install = two
	mustPersist(t, log, install)
	var want model
	want.persist(install)
	log, _ = reopen(t, log, want)
	if err := log.Persist(wrong); err != nil { // is not newer than what is installed, and so ignored
		t.Error(err)
	}
	log, _ = reopen(t, log, want)
	mustClose(t, log)
}

// TestConfiguration_LargestBatch: an entry as large as may be fits into a batch beside every base record.
func TestConfiguration_LargestBatch(t *testing.T) {
	longest := base{snapshot: protocol.SnapshotMeta{Configuration: strings.Repeat("c", protocol.MaxConfigurationBytes)}}
	b := batch{
		hard:    &protocol.HardState{VotedFor: protocol.NodeID(strings.Repeat("n", maxNameBytes))},
		bases:   slices.Repeat([]base{longest}, maxBases),
		entries: []protocol.Entry{{Data: make([]byte, maxEntryBytes)}},
	}
	if size := batchSize(b); size > maxBatchBytes {
		t.Errorf("%d bytes, at most %d may be", size, maxBatchBytes)
	}
	b.entries[0].Data = b.entries[0].Data[:1000]
	got := len(appendBatch(nil, place{}, b))
	if size := batchSize(b); int64(got) > size || int64(got) < size-alignment {
		t.Errorf("%d bytes, foretold %d", got, size)
	}
}

// TestBootstrap_StaysAsItWasWritten: what a new directory was made with is returned by every later start, whatever
// that one's options say.
func TestBootstrap_StaysAsItWasWritten(t *testing.T) {
	for name, test := range map[string]struct {
		bootstrap []protocol.NodeID
		want      string
	}{
		"voters": {[]protocol.NodeID{"n3", "n1", "n2"}, "[n1 n2 n3]"}, "joins": {nil, "[]"},
		"escapes": {[]protocol.NodeID{"\"\x01<ü>\\"}, "[\"\x01<ü>\\]"},
	} {
		options := testOptions(vfs.NewMem())
		options.Bootstrap = test.bootstrap
		for _, later := range [][]protocol.NodeID{test.bootstrap, {"n4"}, nil} {
			log, found := mustOpen(t, options)
			if got := fmt.Sprint(found.Bootstrap); got != test.want {
				t.Errorf("%s: got %v, want %v", name, got, test.want)
			}
			mustClose(t, log)
			options.Bootstrap = later
		}
	}
}

// TestBootstrap_Limits: the largest set can be stored, and what cannot be is refused by name.
func TestBootstrap_Limits(t *testing.T) {
	options := testOptions(vfs.NewMem())
	options.NodeID, options.Bootstrap = protocol.NodeID(strings.Repeat("\x02", maxNameBytes)), nil
	for i := range protocol.MaxMembers {
		options.Bootstrap = append(options.Bootstrap, protocol.NodeID(strings.Repeat("\x01", maxNameBytes-2)+fmt.Sprintf("%02d", i)))
	}
	log, _ := mustOpen(t, options)
	mustClose(t, log)
	log, found := mustOpen(t, options)
	if len(found.Bootstrap) != protocol.MaxMembers {
		t.Errorf("%d of %d", len(found.Bootstrap), protocol.MaxMembers)
	}
	mustClose(t, log)
	for says, set := range map[string][]protocol.NodeID{
		"twice":       {"n1", "n2", "n1"},
		`names ""`:    {"n1", ""},
		"65 names":    append(options.Bootstrap, "n1"),
		"of text":     {"n\xff"},
		"1024 bytes ": {protocol.NodeID(strings.Repeat("n", maxNameBytes+1))},
	} {
		options.Bootstrap, options.FS = set, vfs.NewMem()
		_, _, err := Open(options)
		if err == nil || !strings.Contains(err.Error(), says) || errors.Is(err, ErrForeign) {
			t.Errorf("%.60v: got %.200v, want %q", set, err, says)
		}
	}
}
