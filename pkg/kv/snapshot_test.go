package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"whitewater/pkg/raft/protocol"
)

// snapshot writes the machine's state as it is now.
func snapshot(t testing.TB, m *Machine) []byte {
	t.Helper()
	write, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return written(t, write)
}

func written(t testing.TB, write func(io.Writer) error) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := write(&buffer); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func restore(t testing.TB, m *Machine, at protocol.Position, data []byte) {
	t.Helper()
	if err := m.Restore(context.Background(), at, iotest.OneByteReader(bytes.NewReader(data))); err != nil {
		t.Fatal(err)
	}
}

// twin is another machine, restored from what this one writes.
func twin(t testing.TB, m *Machine) *Machine {
	t.Helper()
	other := NewMachine()
	restore(t, other, m.Applied(), snapshot(t, m))
	return other
}

// busy is a state that has something of everything: values in several blocks, empty ones, sessions with and without an
// answer, an expired one, a deleted key.
func busy(t *testing.T) *script {
	s := newScript(t)
	create := Command{Op: OpCreateSession, Limit: 10, TTL: 1000, Time: 5000}
	a := uint64(s.verdict(create, Done).Position.Index)
	s.verdict(create, Done) // expires
	s.verdict(create, Done) // expires
	write := put("big", strings.Repeat("0123456789abcdef", 10<<10))
	write.Time = 5600
	s.verdict(in(write, a, 7), Done)
	gone := put("gone", "x")
	gone.Time = 6100
	s.verdict(in(gone, a, 9), Done)
	late := Command{Op: OpCreateSession, Limit: 10, TTL: 1 << 50, Time: 6100}
	b := uint64(s.verdict(late, Done).Position.Index)
	s.verdict(Command{Op: OpDelete, Key: []byte("gone")}, Done)
	s.verdict(put("empty", ""), Done)
	s.verdict(put("\x00", "\xff"), Done)
	refused := put("empty", "y")
	refused.Condition = IfAbsent
	s.verdict(in(refused, b, 1), ConditionFailed)
	s.verdict(late, Done) // never wrote
	for i := range 300 {
		s.verdict(put(fmt.Sprint("key", i), strings.Repeat("v", i)), Done)
	}
	return s
}

func TestSnapshot_RoundTrip(t *testing.T) {
	s := busy(t)
	data := snapshot(t, s.machine)
	other := twin(t, s.machine)
	if got, want := dump(other), dump(s.machine); got != want {
		t.Errorf("restored:\n%s\nwritten:\n%s", got, want)
	}
	if got := snapshot(t, other); !bytes.Equal(got, data) {
		t.Error("equal states are written differently")
	}
	if got, want := other.stats(), s.machine.stats(); got.bytes != want.bytes || got.keys != want.keys || got.sessions != want.sessions {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestSnapshot_OfNothing(t *testing.T) {
	other := twin(t, NewMachine())
	if got, want := dump(other), dump(NewMachine()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Nothing of the old state lives on: not a deleted key, not an ended session.
func TestRestore_ReplacesTheState(t *testing.T) {
	s := busy(t)
	old := newScript(t)
	old.verdict(Command{Op: OpCreateSession, Limit: 10, TTL: 1 << 40}, Done)
	old.verdict(put("gone", "old"), Done)
	old.verdict(put("only here", "old"), Done)
	restore(t, old.machine, s.machine.Applied(), snapshot(t, s.machine))
	if got, want := dump(old.machine), dump(s.machine); got != want {
		t.Errorf("restored:\n%s\nwant:\n%s", got, want)
	}
	if _, present, _ := old.machine.Get("only here"); present {
		t.Error("a key of the old state lives on")
	}
}

// An older state never takes the place of a newer one.
func TestRestore_NotBackwards(t *testing.T) {
	s := busy(t)
	at, data := s.machine.Applied(), snapshot(t, s.machine)
	s.verdict(put("newer", "v"), Done)
	before := dump(s.machine)
	if err := s.machine.Restore(context.Background(), at, bytes.NewReader(data)); !errors.Is(err, ErrGap) {
		t.Errorf("got %v", err)
	}
	if dump(s.machine) != before {
		t.Error("the state changed")
	}
}

func TestRestore_ApplyGoesOnBehindIt(t *testing.T) {
	s := busy(t)
	other := twin(t, s.machine)
	next := protocol.Entry{Index: s.next, Term: 1, Kind: protocol.EntryNoop}
	if err := other.Apply(context.Background(), []protocol.Entry{{Index: s.next + 1, Term: 1, Kind: protocol.EntryNoop}}); !errors.Is(err, ErrGap) {
		t.Errorf("gap: %v", err)
	}
	if err := other.Apply(context.Background(), []protocol.Entry{next}); err != nil {
		t.Error(err)
	}
}

// A value appended to after a view was taken, and one restored and then appended to, are those of their own time.
func TestSnapshot_AppendBesideAView(t *testing.T) {
	s := newScript(t)
	tail := Command{Op: OpAppend, Key: []byte("k"), Limit: 100, Value: []byte("0")}
	var views []func(io.Writer) error
	var texts []string
	for i := range 20 {
		tail.Value = []byte{byte('a' + i)}
		s.verdict(tail, Done)
		write, err := s.machine.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		views, texts = append(views, write), append(texts, dump(s.machine))
	}
	for i, write := range views {
		other := NewMachine()
		restore(t, other, protocol.Position{Term: 1, Index: protocol.Index(i + 1)}, written(t, write))
		if got := dump(other); got != texts[i] {
			t.Errorf("view %d holds %s, want %s", i, got, texts[i])
		}
	}
}

// Taking a view costs the same however large the state is.
func TestSnapshot_IsCheapToTake(t *testing.T) {
	s := newScript(t)
	take := func() float64 {
		return testing.AllocsPerRun(100, func() {
			if _, err := s.machine.Snapshot(); err != nil {
				t.Fatal(err)
			}
		})
	}
	empty := take()
	for i := range 5000 {
		s.verdict(put(fmt.Sprint(i), "v"), Done)
		s.verdict(Command{Op: OpCreateSession, Limit: 1 << 20, TTL: 1 << 40}, Done)
	}
	if full := take(); full != empty {
		t.Errorf("%v allocations with 5000 keys and sessions, %v with none", full, empty)
	}
}

// Views are written while entries are applied and keys are read; each holds its own moment.
func TestSnapshot_BesideApply(t *testing.T) {
	s := newScript(t)
	id := uint64(s.verdict(Command{Op: OpCreateSession, Limit: 10, TTL: 1 << 40}, Done).Position.Index)
	var writers sync.WaitGroup
	defer writers.Wait()
	for i := range 40 {
		for j := range 50 {
			c := put(fmt.Sprint(j*i%97), fmt.Sprint(i, ".", j))
			if (i+j)%5 == 0 {
				c = Command{Op: OpDelete, Key: c.Key}
			}
			s.apply(in(c, id, uint64(i*50+j+1)))
		}
		at, want := s.machine.Applied(), dump(s.machine)
		write, err := s.machine.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		writers.Go(func() {
			var buffer bytes.Buffer
			other := NewMachine()
			if err := errors.Join(write(&buffer), other.Restore(context.Background(), at, &buffer)); err != nil {
				t.Error(err)
				return
			}
			s.machine.List("", "", 10)
			if got := dump(other); got != want {
				t.Errorf("the view at %v holds\n%s\nwant\n%s", at, got, want)
			}
		})
	}
}

// Restarts from snapshots, and followers that get one instead of entries, change no answer and no state.
func TestSnapshot_AgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		machine, follower := NewMachine(), NewMachine()
		sessions := []uint64{1}
		var log []protocol.Entry
		var kept []byte // the newest snapshot written
		var keptAt protocol.Position
		var view func(io.Writer) error // taken, not written yet
		var viewAt protocol.Position
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0: // take a view
				view, _ = machine.Snapshot()
				viewAt = machine.Applied()
			case 1: // write it
				if view != nil {
					var buffer bytes.Buffer
					if err := view(&buffer); err != nil {
						t.Fatal(err)
					}
					kept, keptAt, view = buffer.Bytes(), viewAt, nil
				}
			case 2: // start again from the snapshot and the log
				machine = NewMachine()
				if kept != nil {
					restoreRapid(t, machine, keptAt, kept)
				}
				applyRapid(t, machine, log[keptAt.Index:])
			case 3: // the follower applies some
				from := follower.Applied().Index
				n := rapid.IntRange(0, len(log)-int(from)).Draw(t, "entries")
				applyRapid(t, follower, log[from:][:n])
			case 4: // the follower gets the snapshot
				if kept != nil && keptAt.Index >= follower.Applied().Index {
					restoreRapid(t, follower, keptAt, kept)
				}
			default:
				c := drawCommand(t, sessions)
				at := protocol.Position{Term: protocol.Term(1 + len(log)/20), Index: protocol.Index(len(log) + 1)}
				log = append(log, protocol.Entry{Index: at.Index, Term: at.Term, Data: c.Encode()})
				if c.Op == OpCreateSession {
					sessions = append(sessions, uint64(at.Index))
				}
				applyRapid(t, machine, log[len(log)-1:])
				if got, want := machine.results[0], m.apply(c, at); got != want {
					t.Fatalf("%+v at %v: got %+v, want %+v", c, at, got, want)
				}
			}
		}
		compare(t, machine, m)
		applyRapid(t, follower, log[follower.Applied().Index:])
		if got, want := dump(follower), dump(machine); got != want {
			t.Fatalf("the follower holds\n%s\nwant\n%s", got, want)
		}
	})
}

func restoreRapid(t *rapid.T, m *Machine, at protocol.Position, data []byte) {
	if err := m.Restore(context.Background(), at, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func applyRapid(t *rapid.T, m *Machine, entries []protocol.Entry) {
	if err := m.Apply(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
}
