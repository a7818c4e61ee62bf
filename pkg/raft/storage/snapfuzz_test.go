package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

const exampleConfiguration = `{"members":[{"id":"n1","suffrage":"voter"},{"id":"n2","suffrage":"voter"}]}`

// exampleSnapshot is the file that docs/storage.md shows byte by byte.
func exampleSnapshot(id directoryID) (file []byte, meta protocol.SnapshotMeta) {
	data := []byte(`{"x":"1"}`)
	meta = metaOf(position(3, 3), data)
	meta.Configuration = exampleConfiguration
	head := appendSnapHead(nil, id, meta)
	file = append(slices.Clone(head), data...)
	return appendTrailer(file, head, []uint32{checksum(0, data)}), meta
}

// plainSnapshot reads a snapshot file as docs/storage.md describes it and with none of the package's code.
func plainSnapshot(b []byte) (id [16]byte, meta protocol.SnapshotMeta, data []byte, ok bool) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	sum := func(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }
	u32, u64 := binary.BigEndian.Uint32, binary.BigEndian.Uint64
	if len(b) < 84 || string(b[:8]) != "WWRAFTSN" || sum(b[:60]) != u32(b[60:]) || u32(b[8:]) != 2 || u32(b[12:]) != 65536 {
		return id, meta, nil, false
	}
	size, length := u64(b[48:]), uint64(u32(b[64:]))
	if size > 1<<40 || length > 128<<10 {
		return id, meta, nil, false
	}
	at, blocks := 72+length, (size+65535)/65536
	if uint64(len(b)) != at+size+8+4*blocks+4 || sum(b[:at-4]) != u32(b[at-4:]) {
		return id, meta, nil, false
	}
	data, trailer := b[at:at+size], b[at+size:]
	ok = string(trailer[:4]) == "WWst" && uint64(u32(trailer[4:])) == blocks && sum(data) == u32(b[56:]) &&
		crc32.Update(sum(b[:at]), castagnoli, trailer[:len(trailer)-4]) == u32(trailer[len(trailer)-4:])
	for i := range blocks {
		ok = ok && sum(data[i*65536:min((i+1)*65536, size)]) == u32(trailer[8+4*i:])
	}
	meta.Index, meta.Term, meta.Configuration = protocol.Index(u64(b[32:])), protocol.Term(u64(b[40:])), string(b[68:68+length])
	meta.Size, meta.Checksum = int64(size), u32(b[56:])
	return [16]byte(b[16:32]), meta, data, ok
}

// FuzzSnapshot: whatever stands in a snapshot file, reading it does not panic, allocates no more than a
// few times the file, and accepts exactly what its checksums allow.
func FuzzSnapshot(f *testing.F) {
	var id directoryID
	for i := range id {
		id[i] = byte(i)
	}
	small, _ := exampleSnapshot(id)
	f.Add(small)
	f.Add(small[:len(small)-1])
	empty := appendSnapHead(nil, id, metaOf(position(1, 1), nil))
	f.Add(appendTrailer(slices.Clone(empty), empty, nil))
	huge := appendSnapHead(nil, id, protocol.SnapshotMeta{Position: position(1, 1), Size: maxSnapBytes})
	f.Add(append(huge, trailerMagic...))
	long := appendSnapHead(nil, id, metaOf(position(1, 1), nil))[:snapHeaderBytes]
	f.Add(append(binary.BigEndian.AppendUint32(long, 1<<31), small...))
	f.Fuzz(func(t *testing.T, file []byte) {
		files := vfs.NewMem()
		must(t, files.Mkdir("/snap"))
		files.Put("/snap/x", file)
		s := &snapshots{volume: &volume{fs: files, dir: "/"}, directory: id}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		content, err := s.open("snap/x")
		if err == nil {
			_, err = content.verify()
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 16*uint64(len(file))+1<<20 {
			t.Fatalf("%d bytes allocated for a file of %d", used, len(file))
		}
		owner, meta, data, ok := plainSnapshot(file)
		if want := ok && owner == id; want != (err == nil) {
			t.Fatalf("got %v, a plain reader says %v", err, want)
		}
		if err != nil {
			_, corrupt := errors.AsType[*CorruptError](err)
			if !corrupt && !errors.Is(err, ErrVersion) && !errors.Is(err, errDamaged) {
				t.Fatalf("got %v, want damage or a version", err)
			}
			return
		}
		r := &snapshotReader{snapshots: s, stored: &stored{}, content: content}
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if content.meta != meta || err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%+v with %d bytes (%v), want %+v", content.meta, len(got), err, meta)
		}
	})
}
