package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// spoiled is a clean directory of three segments or more, for a test to spoil.
type spoiled struct {
	*vfs.Mem
	want model
	ends []int64 // of the batches of the last segment
	last string  // path of the last segment
}

func newSpoiled(t *testing.T) *spoiled {
	t.Helper()
	s := &spoiled{Mem: vfs.NewMem()}
	log, _ := mustOpen(t, testOptions(s.Mem))
	load := newWorkload(11)
	for log.number < 3 || len(s.ends) < 4 {
		number := log.number
		b := load.next()
		b.Entries = append(b.Entries, entriesFrom(log.lastAfter(b)+1, b.HardState.Term, 1)...)
		load.future.persist(protocol.Persist{HardState: b.HardState, Entries: b.Entries[len(b.Entries)-1:]})
		mustPersist(t, log, b)
		if log.number != number {
			s.ends = nil
		}
		s.ends = append(s.ends, log.offset)
	}
	s.last = filepath.Join(testDir, log.segment.name)
	s.want = load.future
	mustClose(t, log)
	return s
}

// lastAfter is the last index once b is persisted.
func (l *Log) lastAfter(b protocol.Persist) protocol.Index {
	if n := len(b.Entries); n > 0 {
		return b.Entries[n-1].Index
	}
	return l.outline.last
}

func segmentPath(n uint64) string { return filepath.Join(testDir, segmentName(n)) }

// damage is a way to spoil a directory that is no tear.
type damage struct {
	spoil func(*spoiled)
	file  string // where it must be found; "" = the last segment
	says  string
}

func damagedBytes() map[string]damage {
	return map[string]damage{
		"flip below the mark": {func(s *spoiled) { flip(s.Mem, s.last, s.ends[2]+20, 1) }, "", "was synced through"},
		"flip with a good batch behind, no mark": {func(s *spoiled) {
			s.Drop(filepath.Join(testDir, markName))
			flip(s.Mem, s.last, s.ends[0]+20, 1)
		}, "", "a whole batch follows"},
		"length of a batch, no mark": {func(s *spoiled) {
			s.Drop(filepath.Join(testDir, markName))
			edit(s.Mem, s.last, func(data []byte) []byte {
				binary.BigEndian.PutUint32(data[s.ends[0]+4:], 1<<31)
				return data
			})
		}, "", "a whole batch follows"},
		"zeros in the middle, no mark": {func(s *spoiled) {
			s.Drop(filepath.Join(testDir, markName))
			edit(s.Mem, s.last, func(data []byte) []byte {
				clear(data[s.ends[0]:s.ends[1]])
				return data
			})
		}, "", "a whole batch follows"},
		"header of the last, no mark": {func(s *spoiled) {
			s.Drop(filepath.Join(testDir, markName))
			flip(s.Mem, s.last, 40, 1)
		}, "", "a whole batch follows"},
		"flip in the first segment": {func(s *spoiled) {
			s.Drop(filepath.Join(testDir, markName))
			flip(s.Mem, segmentPath(1), int64(len(fileIn(s.Mem, segmentPath(1)))-1), 1)
		}, segmentName(1), "a segment follows"},
		"header of the first segment": {func(s *spoiled) { flip(s.Mem, segmentPath(1), 0, 1) }, segmentName(1), "wrong magic"},
	}
}

func damagedFiles() map[string]damage {
	return map[string]damage{
		"first segment cut at a batch": {func(s *spoiled) {
			cut(s.Mem, segmentPath(1), 104)
		}, segmentName(2), "belongs"},
		"last cut below the mark": {func(s *spoiled) { cut(s.Mem, s.last, s.ends[1]) }, "", "the file ends"},
		"last emptied":            {func(s *spoiled) { cut(s.Mem, s.last, 0) }, "", "was synced through"},
		"last missing":            {func(s *spoiled) { s.Drop(s.last) }, "", "is missing"},
		"middle missing":          {func(s *spoiled) { s.Drop(segmentPath(2)) }, segmentName(2), "is missing"},
		"first missing":           {func(s *spoiled) { s.Drop(segmentPath(1)) }, segmentName(1), "is missing"},
		"all missing": {func(s *spoiled) {
			for n := uint64(1); fileIn(s.Mem, segmentPath(n)) != nil; n++ {
				s.Drop(segmentPath(n))
			}
			s.Drop(filepath.Join(testDir, markName))
		}, segmentName(1), "is missing"},
		"renamed": {func(s *spoiled) {
			s.Put(segmentPath(2)+".bak", fileIn(s.Mem, segmentPath(2)))
			s.Drop(segmentPath(2))
		}, segmentName(2), "is missing"},
		"extra copy": {func(s *spoiled) {
			s.Drop(filepath.Join(testDir, markName))
			n, _ := segmentNumber(filepath.Base(s.last))
			s.Put(segmentPath(n+1), fileIn(s.Mem, s.last))
		}, "", "belongs"},
		"swapped": {func(s *spoiled) {
			one, two := fileIn(s.Mem, segmentPath(1)), fileIn(s.Mem, segmentPath(2))
			s.Put(segmentPath(1), two)
			s.Put(segmentPath(2), one)
		}, segmentName(1), "belongs"},
		"of another directory": {func(s *spoiled) {
			other := vfs.NewMem()
			log, _, _ := Open(testOptions(other))
			_ = log.Close()
			s.Put(segmentPath(1), fileIn(other, segmentPath(1)))
		}, segmentName(1), "belongs"},
		"meta missing":  {func(s *spoiled) { s.Drop(filepath.Join(testDir, metaName)) }, metaName, "meta is missing"},
		"meta garbled":  {func(s *spoiled) { s.Put(filepath.Join(testDir, metaName), []byte("{")) }, metaName, "does not verify"},
		"meta flipped":  {func(s *spoiled) { replace(s.Mem, filepath.Join(testDir, metaName), `"c1"`, `"c9"`) }, metaName, "wrong checksum"},
		"meta oversize": {func(s *spoiled) { s.Put(filepath.Join(testDir, metaName), make([]byte, maxMetaBytes+1)) }, metaName, "at most"},
	}
}

// TestRecovery_Damage: what is no tear refuses to start, names the place and changes nothing.
func TestRecovery_Damage(t *testing.T) {
	tests := damagedBytes()
	maps.Copy(tests, damagedFiles())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSpoiled(t)
			test.spoil(s)
			file := test.file
			if file == "" {
				file = filepath.Base(s.last)
				if name == "extra copy" {
					n, _ := segmentNumber(file)
					file = segmentName(n + 1)
				}
			}
			before := s.Contents(testDir)
			for range 2 {
				_, _, err := Open(testOptions(s.Mem))
				corrupt := corruptAt(t, err, file)
				for _, want := range []string{test.says, "Nothing was changed", "backup", testDir} {
					if !strings.Contains(corrupt.Error(), want) {
						t.Errorf("%q does not say %q", corrupt, want)
					}
				}
			}
			for name, data := range s.Contents(testDir) {
				if before[name] != data {
					t.Errorf("%s changed", name)
				}
			}
		})
	}
}

func replace(files *vfs.Mem, path, from, to string) {
	edit(files, path, func(data []byte) []byte { return bytes.ReplaceAll(data, []byte(from), []byte(to)) })
}

// TestRecovery_Tears: the remains of a write that nobody was told of are cut, and only they.
func TestRecovery_Tears(t *testing.T) {
	whole := appendBatch(nil, place{}, batch{hard: &protocol.HardState{Term: 99}, entries: entriesFrom(1, 1, 20)})
	for name, tear := range map[string][]byte{
		"zeros":         make([]byte, 4096),
		"one zero":      {0},
		"half a head":   whole[:9],
		"head alone":    whole[:batchHeadBytes],
		"half a batch":  whole[:len(whole)/2],
		"wrong place":   whole,
		"noise":         bytes.Repeat([]byte("noise"), 100),
		"huge length":   append([]byte(batchMagic), bytes.Repeat([]byte{0xff}, 30)...),
		"all but a bit": flipped(whole, len(whole)-1),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpoiled(t)
			end := s.ends[len(s.ends)-1]
			lengthen(s.Mem, s.last, tear...)
			log, found := mustOpen(t, testOptions(s.Mem))
			if diff := s.want.diff(found.State); diff != "" {
				t.Fatal(diff)
			}
			if found.TornBytes != int64(len(tear)) || !strings.HasSuffix(s.last, found.TornFile) {
				t.Errorf("reported %d torn bytes in %q", found.TornBytes, found.TornFile)
			}
			durable := s.Crash(vfs.LoseAll, nil)
			if int64(len(fileIn(s.Mem, s.last))) != end || int64(len(fileIn(durable, s.last))) != end {
				t.Errorf("the tear is not cut durably")
			}
			var kept []byte
			if found.TornCopy != "" {
				kept = fileIn(durable, filepath.Join(testDir, found.TornCopy))
			}
			if zeros := len(bytes.Trim(tear, "\x00")) == 0; !zeros && !bytes.Equal(kept, tear) || zeros && kept != nil {
				t.Errorf("the copy %q holds %q, want the tear", found.TornCopy, kept)
			}
			more := persist(found.State.Term, "", entriesFrom(protocol.Index(len(found.State.Entries)+1), found.State.Term, 1)...)
			mustPersist(t, log, more)
			s.want.persist(more)
			mustClose(t, log)
			log, found = mustOpen(t, testOptions(s.Crash(vfs.LoseAll, nil)))
			if diff := s.want.diff(found.State); diff != "" || found.TornBytes != 0 {
				t.Errorf("the next time %d bytes torn, %s", found.TornBytes, diff)
			}
			mustClose(t, log)
		})
	}
}

func flipped(b []byte, i int) []byte {
	b = slices.Clone(b)
	b[i] ^= 1
	return b
}

// TestRecovery_LastBatchWithoutMark is the one case that cannot be told from a tear: the last batch is
// damaged and the mark that promised it is lost.
func TestRecovery_LastBatchWithoutMark(t *testing.T) {
	s := newSpoiled(t)
	start := s.ends[len(s.ends)-2]
	flip(s.Mem, s.last, start+30, 1)
	flip(s.Mem, filepath.Join(testDir, markName), 11, 1)
	log, found := mustOpen(t, testOptions(s.Mem))
	if torn := s.ends[len(s.ends)-1] - start; found.TornBytes != torn || found.TornCopy == "" {
		t.Errorf("reported %d bytes in %q, want %d and a copy", found.TornBytes, found.TornCopy, torn)
	}
	mustClose(t, log)
}

// TestRecovery_JustRolled: a crash after the next segment got its name leaves anything up to a whole
// first write; the segment is begun anew unless its batch is whole.
func TestRecovery_JustRolled(t *testing.T) {
	for length := range 200 {
		s := newSpoiled(t)
		number, _ := segmentNumber(filepath.Base(s.last))
		id := directoryID(fileIn(s.Mem, s.last)[16:32])
		head := header{id, number + 1, protocol.Index(len(s.want.Entries)) + 1, int64(len(fileIn(s.Mem, s.last)))}
		first := appendHeader(nil, head)
		b := persist(s.want.Term+1, "n7", entriesFrom(head.first, s.want.Term+1, 1)...)
		first = appendBatch(first, place{id, number + 1, headerBytes}, batch{hard: &b.HardState, entries: b.Entries})
		next := segmentPath(number + 1)
		s.Put(next, first[:min(length, len(first))])
		whole := length >= len(first)
		if whole {
			s.want.persist(b)
		}
		log, found := mustOpen(t, testOptions(s.Mem))
		if diff := s.want.diff(found.State); diff != "" {
			t.Fatalf("%d bytes: %s", length, diff)
		}
		if want := int64(length); !whole && found.TornBytes != want {
			t.Errorf("%d bytes: reported %d torn", length, found.TornBytes)
		}
		more := persist(s.want.Term+2, "n1", entriesFrom(protocol.Index(len(s.want.Entries))+1, s.want.Term+2, 2)...)
		mustPersist(t, log, more)
		s.want.persist(more)
		mustClose(t, log)
		log, found = mustOpen(t, testOptions(s.Crash(vfs.LoseAll, nil)))
		if diff := s.want.diff(found.State); diff != "" || found.TornBytes != 0 {
			t.Fatalf("%d bytes: the next time %d torn, %s", length, found.TornBytes, diff)
		}
		mustClose(t, log)
	}
}

// TestRecovery_UnfinishedDirectory: a directory without meta and without a used log is made again.
func TestRecovery_UnfinishedDirectory(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustClose(t, log)
	files.Drop(filepath.Join(testDir, metaName))
	log, found := mustOpen(t, testOptions(files))
	mustPersist(t, log, persist(1, "n1", entriesFrom(1, 1, 1)...))
	mustClose(t, log)
	log, again := mustOpen(t, testOptions(files))
	if again.DirectoryID != found.DirectoryID || len(again.State.Entries) != 1 {
		t.Errorf("found %+v after %+v", again, found)
	}
	mustClose(t, log)
}

// TestRecovery_LostOverwrite: a segment cut exactly before entries that replaced others of the same
// indexes is found out by its length alone.
func TestRecovery_LostOverwrite(t *testing.T) {
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustPersist(t, log, persist(1, "n1", entriesFrom(1, 1, 3)...))
	before := log.offset
	mustPersist(t, log, persist(2, "n2", entriesFrom(2, 2, 2)...))
	mustPersist(t, log, persist(2, "n2", protocol.Entry{Index: 4, Term: 2, Data: make([]byte, 2048)}))
	mustClose(t, log)
	cut(files, segmentPath(1), before)
	_, _, err := Open(testOptions(files))
	corruptAt(t, err, segmentName(2))
}

// TestRecovery_OutOfSequence: a whole batch that no log could hold is damage, whatever its checksum says.
func TestRecovery_OutOfSequence(t *testing.T) {
	for name, b := range map[string]func(place) []byte{
		"gap":        func(p place) []byte { return appendBatch(nil, p, batch{entries: entriesFrom(2, 1, 1)}) },
		"index zero": func(p place) []byte { return appendBatch(nil, p, batch{entries: []protocol.Entry{{}}}) },
		"unknown kind": func(p place) []byte {
			return appendBatch(nil, p, batch{entries: []protocol.Entry{{Index: 1, Kind: 9}}})
		},
	} {
		files := vfs.NewMem()
		log, _ := mustOpen(t, testOptions(files))
		at := place{log.directory, 1, log.offset}
		mustClose(t, log)
		lengthen(files, segmentPath(1), b(at)...)
		_, _, err := Open(testOptions(files))
		if got := corruptAt(t, err, segmentName(1)); got.Offset != at.offset {
			t.Errorf("%s: offset %d, want %d", name, got.Offset, at.offset)
		}
	}
}

func TestOpen_RefusesAnotherVersion(t *testing.T) {
	for name, spoil := range map[string]func(*spoiled){
		"meta": func(s *spoiled) { replace(s.Mem, filepath.Join(testDir, metaName), `"format": 2`, `"format": 1`) },
		"log": func(s *spoiled) {
			edit(s.Mem, segmentPath(1), func(data []byte) []byte {
				binary.BigEndian.PutUint32(data[8:], 1)
				binary.BigEndian.PutUint32(data[60:], checksum(0, data[:60]))
				return data
			})
		},
	} {
		s := newSpoiled(t)
		spoil(s)
		_, _, err := Open(testOptions(s.Mem))
		if !errors.Is(err, ErrVersion) || !strings.Contains(fmt.Sprint(err), "version 1:") {
			t.Errorf("%s: got %v, want ErrVersion naming 1", name, err)
		}
	}
}
