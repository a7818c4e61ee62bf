package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// plainRead reads a first segment as docs/storage.md describes it and with none of the package's
// code: what every whole batch from the start comes to, and where the last whole batch ends.
func plainRead(b []byte) (state protocol.State, end int) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	u32, u64 := binary.BigEndian.Uint32, binary.BigEndian.Uint64
	if len(b) < 64 || string(b[:8]) != "WWRAFTLG" || crc32.Checksum(b[:60], castagnoli) != u32(b[60:]) {
		return state, 0
	}
	for end = 64; len(b)-end >= 24 && string(b[end:end+4]) == "WWba"; {
		where := binary.BigEndian.AppendUint64(append(slices.Clone(b[16:32]), b[32:40]...), uint64(end))
		rest := b[end:]
		size := int(u32(rest[4:]))
		if crc32.Checksum(append(slices.Clone(where), rest[:12]...), castagnoli) != u32(rest[12:]) || size < 24 || size > len(rest) {
			break
		}
		rest = rest[:size]
		if crc32.Checksum(append(where, rest[:size-4]...), castagnoli) != u32(rest[size-4:]) || string(rest[size-8:size-4]) != "WWco" {
			break
		}
		records := rest[16:]
		for n := u32(rest[8:]); n > 0; n-- {
			p := records[5 : 5+u32(records)]
			switch records[4] {
			case 1:
				state.HardState = protocol.HardState{Term: protocol.Term(u64(p)), VotedFor: protocol.NodeID(p[8:])}
			case 2:
				e := protocol.Entry{Index: protocol.Index(u64(p)), Term: protocol.Term(u64(p[8:])), Kind: protocol.EntryKind(p[16]), Data: p[17:]}
				state.Entries = append(state.Entries[:e.Index-1-state.Compacted.Index], e)
			case 3: // the examples have it last in its batch
				to := protocol.Position{Index: protocol.Index(u64(p[24:])), Term: protocol.Term(u64(p[32:]))}
				if p[44] == 1 {
					state.Entries = nil
				} else {
					state.Entries = state.Entries[to.Index-state.Compacted.Index:]
				}
				state.Compacted = to
				state.Snapshot = protocol.SnapshotMeta{
					Position:      protocol.Position{Index: protocol.Index(u64(p)), Term: protocol.Term(u64(p[8:]))},
					Configuration: string(p[45:]), Size: int64(u64(p[16:])), Checksum: u32(p[40:]),
				}
			}
			records = records[5+len(p):]
		}
		end += size
	}
	return state, end
}

// oneSegment is a directory with one segment of several batches; ends are the batches' ends.
func oneSegment(t testing.TB) (files *vfs.Mem, ends []int64) {
	t.Helper()
	files = vfs.NewMem()
	options := testOptions(files)
	options.SegmentBytes = 1 << 20
	log, _ := mustOpen(t, options)
	ends = append(ends, log.offset)
	load := newWorkload(2)
	for len(ends) < 8 {
		before := log.offset
		mustPersist(t, log, load.group()...)
		if log.offset > before {
			ends = append(ends, log.offset)
		}
	}
	mustClose(t, log)
	return files, ends
}

// FuzzRecover: whatever stands in a segment, Open does not panic, allocates no more than a few times
// the file, and returns exactly the entries whose checksums are right, or an error.
func FuzzRecover(f *testing.F) {
	files, ends := oneSegment(f)
	valid := fileIn(files, segmentPath(1))
	f.Add(valid, false)
	f.Add(valid[:ends[2]+17], false)
	f.Add(append(slices.Clone(valid), make([]byte, 512)...), true)
	f.Add([]byte{}, true)
	f.Add(valid[:64], true)
	f.Fuzz(func(t *testing.T, segment []byte, marked bool) {
		files := files.Crash(vfs.KeepAll, nil)
		files.Put(segmentPath(1), segment)
		if !marked {
			files.Drop(filepath.Join(testDir, markName))
		}
		report, unread := inspect(files, testDir, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		log, found, err := Open(testOptions(files))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 16*uint64(len(segment))+4<<20 {
			t.Fatalf("%d bytes allocated for a segment of %d", used, len(segment))
		}
		if err != nil {
			_, corrupt := errors.AsType[*CorruptError](err)
			if !corrupt && !errors.Is(err, ErrVersion) || corrupt && report.Sound() {
				t.Fatalf("got %v, want a CorruptError that was inspected too", err)
			}
			return
		}
		must(t, unread)
		sameState(t, "segment", report, found)
		mustClose(t, log)
		read, end := plainRead(segment)
		want := model{read}
		want.Snapshot = protocol.SnapshotMeta{} // no file is there
		if diff := want.diff(found.State); diff != "" {
			t.Fatal(diff)
		}
		if found.TornBytes != int64(len(segment)-end) {
			t.Fatalf("%d torn bytes reported, %d do not verify", found.TornBytes, len(segment)-end)
		}
	})
}

// FuzzFlip: a flipped bit is refused, or reported as torn with nothing missing but a suffix that the
// mark did not promise.
func FuzzFlip(f *testing.F) {
	files, ends := oneSegment(f)
	valid := fileIn(files, segmentPath(1))
	id := directoryID(valid[16:32])
	f.Add(uint32(0), uint8(8))
	f.Add(uint32(len(valid)*8-1), uint8(7))
	f.Add(uint32(len(valid)*8-1), uint8(6))
	f.Add(uint32(ends[3]*8+5), uint8(2))
	f.Fuzz(func(t *testing.T, bit uint32, promised uint8) {
		flipAndOpen(t, files.Crash(vfs.KeepAll, nil), id, ends, int64(bit)%int64(len(valid)*8), int(promised)%(len(ends)+1))
	})
}

// TestFlip_EveryByte is FuzzFlip without the fuzzer.
func TestFlip_EveryByte(t *testing.T) {
	files, ends := oneSegment(t)
	valid := fileIn(files, segmentPath(1))
	for i := range len(valid) {
		promised := i % (len(ends) + 1)
		flipAndOpen(t, files.Crash(vfs.KeepAll, nil), directoryID(valid[16:32]), ends, int64(i*8+i%8), promised)
	}
}

// flipAndOpen flips one bit of a valid segment whose mark promises a number of batches.
func flipAndOpen(t *testing.T, files *vfs.Mem, id directoryID, ends []int64, bit int64, promised int) {
	t.Helper()
	files.Drop(filepath.Join(testDir, markName))
	safe := int64(0) // bytes that may not go missing
	if promised > 0 {
		safe = ends[promised-1]
		files.Put(filepath.Join(testDir, markName), encodeMark(id, mark{1, safe}))
	}
	flip(files, segmentPath(1), bit/8, 1<<(bit%8))
	data := fileIn(files, segmentPath(1))
	log, found, err := Open(testOptions(files))
	if err != nil {
		if errors.Is(err, ErrVersion) {
			t.Fatalf("bit %d: a flip was taken for a version: %v", bit, err)
		}
		corruptAt(t, err, segmentName(1))
		return
	}
	mustClose(t, log)
	read, end := plainRead(data)
	if int64(end) < safe || bit/8 < int64(end) || found.TornBytes != int64(len(data)-end) {
		t.Fatalf("bit %d: accepted through %d, promised through %d, %d reported torn", bit, end, safe, found.TornBytes)
	}
	if last := ends[len(ends)-2]; int64(end) != last {
		t.Fatalf("bit %d: cut at %d, only the last batch at %d can be a tear", bit, end, last)
	}
	want := model{read}
	if diff := want.diff(found.State); diff != "" {
		t.Fatalf("bit %d: %s", bit, diff)
	}
}

// FuzzRecords: whatever a whole batch with right checksums holds, Open takes it or names its place.
func FuzzRecords(f *testing.F) {
	files, ends := oneSegment(f)
	valid := fileIn(files, segmentPath(1))
	f.Add(valid[ends[2]+batchHeadBytes:ends[3]-batchTailBytes], uint32(3))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 2}, uint32(1))
	f.Add([]byte{0, 0, 0, 3, 1, 9, 9, 9}, uint32(1))
	f.Add([]byte{}, uint32(1<<31))
	for _, b := range []base{
		{snapshot: metaOf(position(9, 90), nil), compacted: position(9, 90), reset: true},
		{snapshot: metaOf(position(9, 90), nil), compacted: position(1, 2)},
		{compacted: position(1, 2)},
		{snapshot: protocol.SnapshotMeta{Configuration: strings.Repeat("x", protocol.MaxConfigurationBytes)}},
		{snapshot: protocol.SnapshotMeta{Configuration: strings.Repeat("x", protocol.MaxConfigurationBytes+1)}},
		{},
	} {
		f.Add(appendBase(appendRecordHead(nil, recordBase, b.size()), b), uint32(1))
	}
	f.Fuzz(func(t *testing.T, records []byte, count uint32) {
		files := files.Crash(vfs.KeepAll, nil)
		at := place{directoryID(valid[16:32]), 1, ends[len(ends)-1]}
		b := appendBatch(nil, at, batch{})[:batchHeadBytes]
		b = append(b, records...)
		b = append(b, make([]byte, -len(b)&(alignment-1))...)
		binary.BigEndian.PutUint32(b[4:], uint32(len(b)+batchTailBytes))
		binary.BigEndian.PutUint32(b[8:], count)
		binary.BigEndian.PutUint32(b[12:], checksum(at.seed(), b[:12]))
		b = append(b, commitMagic...)
		b = binary.BigEndian.AppendUint32(b, checksum(at.seed(), b))
		lengthen(files, segmentPath(1), b...)
		log, found, err := Open(testOptions(files))
		if corrupt, ok := errors.AsType[*CorruptError](err); ok && strings.HasSuffix(corrupt.File, snapExt) {
			return // the log was made to begin behind a snapshot that is not there
		}
		if err != nil {
			if got := corruptAt(t, err, segmentName(1)); got.Offset != at.offset {
				t.Fatalf("offset %d, want %d", got.Offset, at.offset)
			}
			return
		}
		mustClose(t, log)
		if found.State.Compacted.Index > 0 {
			t.Fatalf("the log begins behind %v without a snapshot", found.State.Compacted)
		}
		for i, e := range found.State.Entries {
			if e.Index != protocol.Index(i+1) || !e.Kind.Valid() {
				t.Fatalf("entry %v of %v at position %d", e.Position(), e.Kind, i+1)
			}
		}
	})
}
