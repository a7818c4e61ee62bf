package kv

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// example is the state whose snapshot docs/raftnode.md shows byte by byte.
func example(t *testing.T) *script {
	s := newScript(t)
	s.verdict(Command{Op: OpCreateSession, Limit: 10, TTL: 60, Time: 1000}, Done)
	s.verdict(in(put("x", "first"), 1, 7), Done)
	s.verdict(put("y", ""), Done)
	return s
}

// The bytes on the page are those that are written, and are read as the state that they came from.
func TestDocs_SnapshotExample(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "raftnode.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := hexBlock(t, string(page), "snapshot")
	s := example(t)
	if data := snapshot(t, s.machine); !bytes.Equal(shown, data) {
		var lines strings.Builder
		for at := 0; at < len(data); at += 16 {
			fmt.Fprintf(&lines, "%03x  % x\n", at, data[at:min(at+16, len(data))])
		}
		t.Fatalf("what is written is not on the page:\n%s", lines.String())
	}
	other := NewMachine()
	restore(t, other, s.machine.Applied(), shown)
	if got, want := dump(other), dump(s.machine); got != want {
		t.Errorf("the page's bytes are read as\n%s\nwant\n%s", got, want)
	}
}

// hexBlock reads the fenced block "hex NAME": up to 16 bytes per line between an offset and a comment behind "|".
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
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}
