package raft

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"whitewater/pkg/raft/protocol"
)

func readLines(t *testing.T, path string) []map[string]any {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var lines []map[string]any
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, scanner.Text())
		}
		lines = append(lines, line)
	}
	return lines
}

// TestEventLog_HoldsWhatAwaitReturnedFor reads the file while the log is open: nothing is kept back.
func TestEventLog_HoldsWhatAwaitReturnedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n1.jsonl")
	log, err := OpenEventLog(path, "n1", "first")
	if err != nil {
		t.Fatal(err)
	}
	entries := []protocol.Entry{{Index: 4, Term: 2, Data: []byte("x")}, {Index: 5, Term: 3}}
	append := entriesEvent("append", 3, entries)
	append.Durable = true
	var last uint64
	for _, e := range []Event{
		{Name: "start", Term: 2, VotedFor: "n2", Last: 3, LastTerm: 1},
		{Name: "role", Term: 2, Role: "leader", OldRole: "candidate", Reason: "win_election"},
		{Name: "truncate", Term: 3, From: 4},
		append,
	} {
		last = log.Record(e)
	}
	log.RecordFile("sync", "log/1", "", 42)
	if err := log.Await(context.Background(), last); err != nil {
		t.Fatal(err)
	}
	lines := readLines(t, path)
	if len(lines) < 4 {
		t.Fatalf("the file holds %d of 4 events", len(lines))
	}
	for i, line := range lines {
		if line["seq"] != float64(i+1) || line["inc"] != "first" || line["node"] != "n1" || line["mono"].(float64) <= 0 {
			t.Errorf("line %d: %v", i+1, line)
		}
	}
	if lines[1]["from"] != "candidate" || lines[2]["from"] != 4.0 {
		t.Errorf("from: %v and %v", lines[1]["from"], lines[2]["from"])
	}
	mark := lines[3]["entries"].([]any)[0].([]any)
	if mark[0] != 2.0 || mark[1] != float64(entries[0].Checksum()) || lines[3]["durable"] != true {
		t.Errorf("append: %v", lines[3])
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	lines = readLines(t, path)
	if sync := lines[len(lines)-1]; sync["event"] != "sync" || sync["length"] != 42.0 || sync["term"] != 3.0 {
		t.Errorf("sync: %v", sync)
	}
}

// TestEventLog_FailedWriteStopsTheReplica: an event that is not kept ends the node before anybody is answered.
func TestEventLog_FailedWriteStopsTheReplica(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full, a disk that is always full")
	}
	log, err := OpenEventLog("/dev/full", "n1", "first")
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{
		ID: "n1", Members: []protocol.NodeID{"n1"}, Storage: &disk{}, StateMachine: &machine{},
		Rand: newRand(1), Events: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	<-r.Done()
	r.Kill()
	if err := r.Err(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Err() = %v, want %v", err, syscall.ENOSPC)
	}
	if err := log.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close() = %v, want %v", err, syscall.ENOSPC)
	}
}
