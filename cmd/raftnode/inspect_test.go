package main

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
)

// storagePage is docs/storage.md in its parts.
type storagePage struct {
	*testing.T
	text string
}

func readStoragePage(t *testing.T) storagePage {
	t.Helper()
	text, err := os.ReadFile("../../docs/storage.md")
	if err != nil {
		t.Fatal(err)
	}
	return storagePage{t, string(text)}
}

// block is the fenced block behind the first of the given opening line.
func (p storagePage) block(opening string) string {
	p.Helper()
	_, rest, opened := strings.Cut(p.text, opening+"\n")
	block, _, closed := strings.Cut(rest, "```")
	if !opened || !closed {
		p.Fatalf("no block %q", opening)
	}
	return block
}

// bytes are those of a block of bytes.
func (p storagePage) bytes(name string) (all []byte) {
	p.Helper()
	for line := range strings.Lines(p.block("```hex " + name)) {
		line, _, _ = strings.Cut(line, "|")
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(line[len("000  "):]), " ", ""))
		if err != nil {
			p.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// makeExample makes the data directory that docs/storage.md shows byte by byte.
func (p storagePage) makeExample() (dir string) {
	p.Helper()
	dir = p.TempDir()
	for name, data := range map[string][]byte{
		"log/0000000000000001.log": p.bytes("segment"), "mark": p.bytes("mark"), "meta": []byte(p.block("```json")),
		"snap/0000000000000003-3-906c1233.snap": p.bytes("snapshot"),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			p.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			p.Fatal(err)
		}
	}
	return dir
}

func offline(args ...string) (output string, code int) {
	var stdout, stderr bytes.Buffer
	code = runOffline(args, &stdout, &stderr)
	return stdout.String() + stderr.String(), code
}

// What inspect prints of the page's example is on the page.
func TestInspect_IsOnThePage(t *testing.T) {
	page := readStoragePage(t)
	output, code := offline("inspect", page.makeExample())
	if shown := page.block("meanwhile.\n\n```"); code != exitOK || output != shown {
		t.Errorf("exit code %d; the page should show\n%s", code, output)
	}
}

// Configurations of the log and of snapshots are printed with their members, and one that cannot be read is damage.
func TestInspect_Configurations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n4")
	log, _, err := storage.Open(storage.Options{Dir: dir, ClusterID: "c1", NodeID: "n4"})
	if err != nil {
		t.Fatal(err)
	}
	persist := func(index protocol.Index, configuration []byte) {
		t.Helper()
		err := log.Persist(protocol.Persist{HardState: protocol.HardState{Term: 2}, Entries: []protocol.Entry{
			{Index: index, Term: 2, Kind: protocol.EntryConfiguration, Data: configuration},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	save := func(index protocol.Index, configuration string) {
		t.Helper()
		at := protocol.SnapshotMeta{Position: protocol.Position{Term: 2, Index: index}, Configuration: configuration}
		if _, err := log.SaveSnapshot(at, func(w io.Writer) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	voters := protocol.Bootstrap([]protocol.NodeID{"n1", "n2"})
	voters.Members = append(voters.Members, protocol.Member{ID: "n4", Suffrage: protocol.Joining, Address: "127.0.0.1:7104", Directory: "d4"})
	persist(1, voters.Encode())
	save(1, string(voters.Encode()))
	output, code := offline("inspect", dir)
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	expect(t, output, ", joined its cluster\n", "newest, at 2.1, 0 bytes of data, checksum 00000000, configuration: n1, n2, n4 (joining)\n",
		"configuration at 2.1: n1, n2, n4 (joining)\n", "member n4: joining, address 127.0.0.1:7104, directory d4\n", "\nsound\n")
	records, _ := offline("inspect", "--records", dir)
	expect(t, records, "entry 1 of term 2, configuration, 152 bytes, checksum ", ": n1, n2, n4 (joining)\n")

	persist(2, []byte("nonsense"))
	save(2, "nobody")
	persist(3, []byte("nonsense"))
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"inspect", "verify"} {
		output, code := offline(command, dir)
		if code != exitFailed {
			t.Errorf("%s: exit code %d", command, code)
		}
		expect(t, output, "-2-", ".snap at offset 64: the snapshot's configuration cannot be read: configuration: invalid character",
			"damaged: log/0000000000000001.log at offset ", ": the configuration at 2.3 cannot be read: ", "damaged: a node does not start")
	}
}

func expect(t *testing.T, output string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(output, part) {
			t.Errorf("no %q in\n%s", part, output)
		}
	}
}
