package storage

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// example is the segment, the mark and the snapshot that docs/storage.md shows byte by byte.
func example() (id directoryID, files map[string][]byte, state protocol.State) {
	for i := range id {
		id[i] = byte(i)
	}
	segment := appendHeader(nil, header{directory: id, segment: 1, first: 1})
	segment = appendBatch(segment, place{id, 1, int64(len(segment))}, batch{hard: &protocol.HardState{}})
	state.HardState = protocol.HardState{Term: 3, VotedFor: "n2"}
	state.Entries = []protocol.Entry{
		{Index: 1, Term: 3, Kind: protocol.EntryNoop},
		{Index: 2, Term: 3, Kind: protocol.EntryConfiguration, Data: []byte(exampleConfiguration)},
		{Index: 3, Term: 3, Data: []byte("x=1")},
	}
	segment = appendBatch(segment, place{id, 1, int64(len(segment))}, batch{hard: &state.HardState, entries: state.Entries})
	snapshot, meta := exampleSnapshot(id)
	to := base{snapshot: meta, compacted: state.Entries[1].Position()}
	segment = appendBatch(segment, place{id, 1, int64(len(segment))}, batch{bases: []base{to}})
	state.Snapshot, state.Compacted, state.Entries = meta, to.compacted, state.Entries[2:]
	return id, map[string][]byte{
		"segment": segment, "mark": encodeMark(id, mark{1, int64(len(segment))}), "snapshot": snapshot,
	}, state
}

// TestDocs_Example decodes the bytes that docs/storage.md prints, by Open and by the plain reader.
func TestDocs_Example(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "storage.md"))
	must(t, err)
	id, written, want := example()
	shown := map[string][]byte{}
	for name, b := range written {
		if shown[name] = hexBlock(t, string(page), name); !bytes.Equal(shown[name], b) {
			t.Fatalf("the page's bytes of the %s are not what is written:\n%s", name, dump(b))
		}
	}
	read, end := plainRead(shown["segment"])
	if read := (model{read}); !read.holds(want) || end != len(shown["segment"]) {
		t.Errorf("plain reading gives %+v through %d", read.State, end)
	}
	if _, got, _, ok := plainSnapshot(shown["snapshot"]); got != want.Snapshot || !ok {
		t.Errorf("plain reading gives %+v (%v), want %+v", got, ok, want.Snapshot)
	}
	files := vfs.NewMem()
	log, _ := mustOpen(t, testOptions(files))
	mustClose(t, log)
	m := meta{Format: formatVersion, Cluster: "c1", Node: "n1", Directory: id.String(), Bootstrap: []protocol.NodeID{"n1", "n2"}}
	m.CRC32C = m.checksum()
	files.Put(segmentPath(1), shown["segment"])
	files.Put(filepath.Join(testDir, markName), shown["mark"])
	if name := snapshotName(want.Snapshot); !strings.Contains(string(page), name) {
		t.Errorf("the page does not name %s", name)
	}
	files.Put(filepath.Join(testDir, snapshotName(want.Snapshot)), shown["snapshot"])
	_, shownMeta, _ := strings.Cut(string(page), "```json\n")
	shownMeta, _, _ = strings.Cut(shownMeta, "```")
	files.Put(filepath.Join(testDir, metaName), []byte(shownMeta))
	if !strings.Contains(shownMeta, fmt.Sprintf(`"crc32c": %d`, m.CRC32C)) {
		t.Errorf("the page's meta should say %d", m.CRC32C)
	}
	log, found := mustOpen(t, testOptions(files))
	if read := (model{found.State}); !read.holds(want) || found.TornBytes != 0 || !slices.Equal(found.Bootstrap, m.Bootstrap) || !mustInspect(t, files, nil).Sound() {
		t.Errorf("Open gives %+v", found)
	}
	mustClose(t, log)
}

// hexBlock reads the fenced block "hex NAME": up to 16 two-digit bytes per line after an offset, then a
// comment behind "|".
func hexBlock(t *testing.T, page, name string) []byte {
	t.Helper()
	_, rest, found := strings.Cut(page, "```hex "+name+"\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("no block hex %s", name)
	}
	var all []byte
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, "|")
		offset, digits, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if want := fmt.Sprintf("%03x", len(all)); offset != want {
			t.Errorf("hex %s: offset %s, want %s", name, offset, want)
		}
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		must(t, err)
		all = append(all, b...)
	}
	return all
}

func dump(b []byte) string {
	var s strings.Builder
	for at := 0; at < len(b); at += 16 {
		fmt.Fprintf(&s, "%03x  % x\n", at, b[at:min(at+16, len(b))])
	}
	return s.String()
}
