package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"whitewater/pkg/raft/protocol"
)

// A flipped bit anywhere, an end anywhere, and anything behind the end is refused at its place; the state stays.
func TestRestore_RefusesDamage(t *testing.T) {
	s := busy(t)
	at, data := s.machine.Applied(), snapshot(t, s.machine)
	m := newScript(t)
	m.verdict(put("before", "v"), Done)
	before := dump(m.machine)
	refuse := func(what string, data []byte, most int64) {
		t.Helper()
		err := m.machine.Restore(context.Background(), at, bytes.NewReader(data))
		bad, ok := errors.AsType[*SnapshotError](err)
		if !ok || bad.Offset < 0 || bad.Offset > most || !strings.Contains(err.Error(), fmt.Sprintf("byte %d: ", bad.Offset)) {
			t.Fatalf("%s: got %v, want an offset up to %d", what, err, most)
		}
		if dump(m.machine) != before {
			t.Fatalf("%s: the state changed", what)
		}
	}
	places := []int{len(data) - 1, blockBytes + 15, blockBytes + 16, blockBytes + 17, 2 * blockBytes}
	for i := range 60 {
		places = append(places, i, i*len(data)/60)
	}
	for _, i := range places {
		flipped := slices.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		refuse(fmt.Sprintf("byte %d flipped", i), flipped, int64(i))
		refuse(fmt.Sprintf("cut to %d bytes", i), data[:i], int64(i))
	}
	refuse("a byte more", append(slices.Clone(data), 0), int64(len(data)))
	second := 8 + blockHeadBytes + blockBytes
	third := second + blockHeadBytes + blockBytes
	swapped := slices.Concat(data[:8], data[second:third], data[8:second], data[third:])
	refuse("two blocks exchanged", swapped, 8)
	refuse("a block left out", slices.Concat(data[:second], data[third:]), int64(second))
}

// framed puts records into a stream as a writer does that knows no rules.
func framed(payload []byte) []byte {
	var buffer bytes.Buffer
	b := newBlockWriter(&buffer)
	fill(b, payload)
	b.flush()
	return buffer.Bytes()
}

// Each rule of the format, at applied entry 9 of term 2, log time 50.
func TestRestore_RefusesRecords(t *testing.T) {
	numbers := func(n ...uint64) string {
		var buffer bytes.Buffer
		b := newBlockWriter(&buffer)
		for _, v := range n {
			b.number(v)
		}
		return string(b.block[blockHeadBytes:])
	}
	digest := strings.Repeat("d", 32)
	keys := func(n uint64) string { return numbers(2, 9, 50, n, 0) }
	sessions := func(n uint64) string { return numbers(2, 9, 50, 0, n) }
	at := protocol.Position{Term: 2, Index: 9}
	for _, c := range []struct {
		name, payload string
		offset        int64 // in the payload; -1: the state is good
		want          string
	}{
		{"nothing there", keys(0), -1, ""},
		{"a key", keys(1) + numbers(1) + "k" + numbers(9, 1) + "v", -1, ""},
		{"a session", sessions(1) + numbers(3, 5, 55, 1) + digest + numbers(1, 2, 9, 4), -1, ""},
		{"a session that never wrote", sessions(1) + numbers(3, 5, 50, 0), -1, ""},
		{"other term", numbers(1, 9, 50, 0, 0), 0, "term 1 must be 2"},
		{"other index", numbers(2, 8, 50, 0, 0), 1, "index 8 must be 9"},
		{"log time", numbers(2, 9, 1<<63, 0, 0), 2, "log time 9223372036854775808 must be from 0 to"},
		{"more keys than entries", keys(10), 3, "number of keys 10 must be from 0 to 9"},
		{"more sessions than entries", sessions(10), 4, "number of sessions 10"},
		{"long form of a number", "\x82\x00" + numbers(9, 50, 0, 0), 0, "term: number too long"},
		{"endless number", strings.Repeat("\xff", 11), 0, "term: number too long"},
		{"empty key", keys(1) + numbers(0), 5, "length of a key 0 must be from 1 to 1048576"},
		{"long key", keys(1) + numbers(1<<20+1), 5, "length of a key 1048577"},
		{"long value", keys(1) + numbers(1) + "k" + numbers(1, 1<<30+1), 8, "length of a value 1073741825"},
		{"revision 0", keys(1) + numbers(1) + "k" + numbers(0), 7, "revision 0 must be from 1 to 9"},
		{"revision to come", keys(1) + numbers(1) + "k" + numbers(10), 7, "revision 10"},
		{"keys out of order", keys(2) + numbers(1) + "k" + numbers(1, 0) + numbers(1) + "j" + numbers(2, 0), 9, `key "j" comes behind "k"`},
		{"key twice", keys(2) + numbers(1) + "k" + numbers(1, 0) + numbers(1) + "k" + numbers(2, 0), 9, `key "k" comes behind "k"`},
		{"key missing", keys(2) + numbers(1) + "k" + numbers(1, 0), 9, "a record goes on behind the last block"},
		{"session 0", sessions(1) + numbers(0), 5, "session 0 must be from 1 to 9"},
		{"session to come", sessions(1) + numbers(10), 5, "session 10"},
		{"sessions out of order", sessions(2) + numbers(3, 5, 55, 0) + numbers(3), 9, "session 3 must be from 4 to 9"},
		{"time to live", sessions(1) + numbers(3, 1<<63), 6, "time to live"},
		{"expired session", sessions(1) + numbers(3, 5, 49), 7, "deadline 49 must be from 50 to 55"},
		{"deadline too late", sessions(1) + numbers(3, 5, 56), 7, "deadline 56"},
		{"verdict", sessions(1) + numbers(3, 5, 55, 1) + digest + numbers(3), 41, "verdict 3 must be from 0 to 2"},
		{"answer of a later term", sessions(1) + numbers(3, 5, 55, 1) + digest + numbers(0, 3), 42, "term of an answer 3"},
		{"answer before its session", sessions(1) + numbers(3, 5, 55, 1) + digest + numbers(0, 2, 2), 43, "index of an answer 2 must be from 3 to 9"},
		{"answer with a revision to come", sessions(1) + numbers(3, 5, 55, 1) + digest + numbers(0, 2, 9, 10), 44, "revision of an answer 10"},
		{"something behind", keys(0) + "x", 5, "1 bytes behind the last record"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := NewMachine().Restore(context.Background(), at, bytes.NewReader(framed([]byte(c.payload))))
			if c.offset < 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			bad, ok := errors.AsType[*SnapshotError](err)
			if !ok || bad.Offset != 8+blockHeadBytes+c.offset || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q at byte %d", err, c.want, 8+blockHeadBytes+c.offset)
			}
		})
	}
	head := framed([]byte(keys(0)))
	for name, data := range map[string][]byte{
		"this is no snapshot":           append([]byte("wwKV"), head[4:]...),
		"version 2, this":               slices.Concat(head[:7], []byte{2}, head[8:]),
		"block of 0 bytes":              slices.Concat(head[:8], make([]byte, 8)),
		"block of 65537 bytes":          slices.Concat(head[:8], []byte{0, 1, 0, 1, 0, 0, 0, 0}),
		"bytes behind the last block":   append(slices.Clone(head), head[8:]...),
		"read the head: unexpected EOF": head[:3],
	} {
		if err := NewMachine().Restore(context.Background(), at, bytes.NewReader(data)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

func TestRestore_ReadErrors(t *testing.T) {
	s := busy(t)
	at, data := s.machine.Applied(), snapshot(t, s.machine)
	broken := errors.New("input/output error")
	for _, good := range []int{0, 5, 20, 70000, len(data)} {
		r := io.MultiReader(bytes.NewReader(data[:good]), iotest.ErrReader(broken))
		err := NewMachine().Restore(context.Background(), at, r)
		bad, ok := errors.AsType[*SnapshotError](err)
		if !errors.Is(err, broken) || !ok || bad.Offset != int64(good) {
			t.Errorf("after %d bytes: %v", good, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := NewMachine().Restore(ctx, at, bytes.NewReader(data)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSnapshot_WriteErrors(t *testing.T) {
	write, err := busy(t).machine.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left on device")
	for _, room := range []int{0, 8, 70000} {
		if err := write(&shortWriter{room: room, err: full}); !errors.Is(err, full) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
}

// shortWriter fails when its room is used up, and must then be left alone.
type shortWriter struct {
	room int
	err  error
	dead bool
}

func (w *shortWriter) Write(p []byte) (int, error) {
	if w.dead {
		panic("written to after an error")
	}
	if len(p) > w.room {
		w.dead = true
		return w.room, w.err
	}
	w.room -= len(p)
	return len(p), nil
}

// A length is believed only as far as there are bytes.
func TestRestore_AllocatesWhatIsThere(t *testing.T) {
	var buffer bytes.Buffer
	b := newBlockWriter(&buffer)
	for _, v := range []uint64{1, 9, 0, 9, 0, 1} {
		b.number(v)
	}
	fill(b, "k")
	b.number(1)
	b.number(MaxValueBytes)
	b.flush()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := NewMachine().Restore(context.Background(), protocol.Position{Term: 1, Index: 9}, &buffer)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes were allocated for a value that is not there", got)
	}
}

// restored checks that bytes are refused with a place, leaving the state alone, or are exactly what the restored state
// is written as.
func restored(t *testing.T, at protocol.Position, data []byte) {
	m := NewMachine()
	err := m.Restore(context.Background(), at, bytes.NewReader(data))
	if err == nil {
		if again := snapshot(t, m); !bytes.Equal(again, data) {
			t.Fatalf("restored from\n%x\nwritten as\n%x", data, again)
		}
		return
	}
	if bad, ok := errors.AsType[*SnapshotError](err); !ok || bad.Offset > int64(len(data)) {
		t.Fatalf("refused with %v", err)
	}
	if got, want := dump(m), dump(NewMachine()); got != want {
		t.Fatalf("refused, and yet: %s", got)
	}
}

func FuzzRestore(f *testing.F) {
	at := protocol.Position{Term: 2, Index: 9}
	f.Add(framed([]byte{2, 9, 50, 0, 0}))
	f.Add(framed([]byte{2, 9, 50, 1, 0, 1, 'k', 9, 1, 'v'}))
	f.Add(framed([]byte{2, 9, 50, 0, 1, 3, 5, 50, 0}))
	f.Fuzz(func(t *testing.T, data []byte) { restored(t, at, data) })
}

// FuzzRestore_Records gets behind the checksums.
func FuzzRestore_Records(f *testing.F) {
	at := protocol.Position{Term: 2, Index: 9}
	f.Add([]byte{2, 9, 50, 2, 1, 1, 'k', 9, 1, 'v', 2, 'k', 'k', 3, 0, 3, 5, 50, 0})
	f.Add(slices.Concat([]byte{2, 9, 50, 0, 1, 3, 5, 55, 1}, bytes.Repeat([]byte{7}, 32), []byte{1, 2, 9, 4}))
	f.Fuzz(func(t *testing.T, payload []byte) { restored(t, at, framed(payload)) })
}
