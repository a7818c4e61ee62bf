package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"whitewater/pkg/raft/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is the log that anybody would write: it says what a Log must hold.
type model struct{ protocol.State }

func (m *model) persist(batches ...protocol.Persist) {
	for _, b := range batches {
		m.HardState = b.HardState
		if b.Install.Index > m.Snapshot.Index {
			m.Snapshot, m.Compacted, m.Entries = b.Install, b.Install.Position, nil
		}
		if drop := int(b.Compact.Index) - int(m.Compacted.Index); drop > 0 {
			m.Compacted, m.Entries = b.Compact, slices.Clone(m.Entries[drop:])
		}
		for _, e := range b.Entries {
			m.Entries = append(m.Entries[:e.Index-1-m.Compacted.Index], e)
		}
	}
}

// last is the index of the last entry.
func (m *model) last() protocol.Index {
	return m.Compacted.Index + protocol.Index(len(m.Entries))
}

// at is the position at an index that the log holds.
func (m *model) at(i protocol.Index) protocol.Position {
	if i == m.Compacted.Index {
		return m.Compacted
	}
	return m.Entries[i-m.Compacted.Index-1].Position()
}

func (m *model) clone() model {
	c := *m
	c.Entries = slices.Clone(m.Entries)
	return c
}

func (m *model) holds(got protocol.State) bool { return m.Snapshot == got.Snapshot && m.holdsLog(got) }

func (m *model) holdsLog(got protocol.State) bool {
	return m.HardState == got.HardState && m.Compacted == got.Compacted &&
		slices.EqualFunc(m.Entries, got.Entries, func(a, b protocol.Entry) bool {
			return a.Position() == b.Position() && a.Kind == b.Kind && bytes.Equal(a.Data, b.Data)
		})
}

// diff tells how a recovered state differs; empty when it does not.
func (m *model) diff(got protocol.State) string {
	if m.holds(got) {
		return ""
	}
	return cmp.Diff(m.State, got, cmpopts.EquateEmpty())
}

// workload makes batches such as a node under changing leaders would.
type workload struct {
	rng    *rand.Rand
	number uint64
	future model // what all batches made so far come to
}

func newWorkload(seed uint64) *workload { return &workload{rng: rand.New(rand.NewPCG(seed, 0))} }

func (w *workload) next() protocol.Persist {
	w.number++
	hard := w.future.HardState
	first := w.future.last() + 1
	if w.rng.IntN(4) == 0 {
		hard = protocol.HardState{Term: hard.Term + 1, VotedFor: protocol.NodeID(strings.Repeat("n", w.rng.IntN(4)))}
		first -= protocol.Index(w.rng.IntN(min(int(first-w.future.Snapshot.Index), 4)))
	}
	b := protocol.Persist{Number: w.number, HardState: hard}
	for range w.rng.IntN(4) {
		e := protocol.Entry{Index: first, Term: hard.Term, Kind: protocol.EntryKind(w.rng.IntN(3))}
		if e.Kind != protocol.EntryNoop { // storage does not look into configurations
			e.Data = make([]byte, w.rng.IntN(60)*w.rng.IntN(10))
			for i := range e.Data {
				e.Data[i] = byte(w.rng.Uint32() >> 7 & 3) // zeros abound
			}
		}
		b.Entries = append(b.Entries, e)
		first++
	}
	w.future.persist(b)
	return b
}

// group returns one to three batches for one call.
func (w *workload) group() []protocol.Persist {
	group := []protocol.Persist{w.next()}
	for w.rng.IntN(3) == 0 {
		group = append(group, w.next())
	}
	return group
}

const testDir = "/data/n1"

func testOptions(files FS) Options {
	return Options{
		Dir: testDir, ClusterID: "c1", NodeID: "n1", SegmentBytes: 2048, FS: files,
		Bootstrap: []protocol.NodeID{"n3", "n1", "n2"},
	}
}

func mustOpen(t testing.TB, o Options) (*Log, Recovered) {
	t.Helper()
	log, found, err := Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return log, found
}

func mustPersist(t testing.TB, log *Log, batches ...protocol.Persist) {
	t.Helper()
	if err := log.Persist(batches...); err != nil {
		t.Fatalf("persist: %v", err)
	}
}

func mustClose(t testing.TB, log *Log) {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// entriesFrom makes n entries of a term, the first at index from.
func entriesFrom(from protocol.Index, term protocol.Term, n int) []protocol.Entry {
	var entries []protocol.Entry
	for i := range n {
		index := from + protocol.Index(i)
		entries = append(entries, protocol.Entry{Index: index, Term: term, Data: fmt.Appendf(nil, "command %d", index)})
	}
	return entries
}

func persist(term protocol.Term, vote protocol.NodeID, entries ...protocol.Entry) protocol.Persist {
	return protocol.Persist{HardState: protocol.HardState{Term: term, VotedFor: vote}, Entries: entries}
}

// corruptAt fails the test unless err is a CorruptError for the named file.
func corruptAt(t testing.TB, err error, file string) *CorruptError {
	t.Helper()
	corrupt, ok := errors.AsType[*CorruptError](err)
	if !ok || !strings.HasSuffix(corrupt.File, file) {
		t.Fatalf("got %v, want a CorruptError in %s", err, file)
	}
	return corrupt
}
