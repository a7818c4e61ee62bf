package blob

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// kept is a Persister in memory that remembers every save.
type kept struct{ saves []pair }

type pair struct{ state, snapshot []byte }

func (k *kept) Save(state, snapshot []byte) { k.saves = append(k.saves, pair{state, snapshot}) }

func (k *kept) last() pair {
	if len(k.saves) == 0 {
		return pair{}
	}
	return k.saves[len(k.saves)-1]
}

func (k *kept) ReadRaftState() []byte { return k.last().state }
func (k *kept) ReadSnapshot() []byte  { return k.last().snapshot }

// open opens what k holds, and reads the snapshot back if there is one.
func open(t *testing.T, k *kept) (*Disk, protocol.State, string) {
	t.Helper()
	d, s, err := Open(k)
	if err != nil {
		t.Fatal(err)
	}
	if s.Snapshot.IsZero() {
		return d, s, ""
	}
	return d, s, read(t, d, s.Snapshot)
}

func read(t *testing.T, d *Disk, meta protocol.SnapshotMeta) string {
	t.Helper()
	r, err := d.OpenSnapshot(meta)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.NewSectionReader(r, 0, meta.Size))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func persist(t *testing.T, d *Disk, batches ...protocol.Persist) {
	t.Helper()
	if err := d.Persist(batches...); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, d *Disk, at protocol.Position, text string) protocol.SnapshotMeta {
	t.Helper()
	meta, err := d.SaveSnapshot(protocol.SnapshotMeta{Position: at}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

// entries are those from first to last, of one term.
func entries(term protocol.Term, first, last protocol.Index) []protocol.Entry {
	var all []protocol.Entry
	for i := first; i <= last; i++ {
		all = append(all, protocol.Entry{Index: i, Term: term, Data: bytes.Repeat([]byte{'x'}, int(i))})
	}
	return all
}

func at(term protocol.Term, index protocol.Index) protocol.Position {
	return protocol.Position{Term: term, Index: index}
}

func TestDisk_StateIsCompactAndComesBack(t *testing.T) {
	k := &kept{}
	d, s, _ := open(t, k)
	if !reflect.DeepEqual(s, protocol.State{}) {
		t.Fatalf("an empty disk holds %+v", s)
	}
	want := protocol.State{HardState: protocol.HardState{Term: 300, VotedFor: "2"}, Entries: entries(300, 1, 30)}
	want.Entries[3].Kind = protocol.EntryNoop
	persist(
		t, d,
		protocol.Persist{Number: 1, HardState: protocol.HardState{Term: 1}},
		protocol.Persist{Number: 2, HardState: want.HardState, Entries: want.Entries[:20]},
		protocol.Persist{Number: 3, HardState: want.HardState, Entries: entries(299, 11, 12)},
		protocol.Persist{Number: 4, HardState: want.HardState, Entries: want.Entries[10:]},
	)
	if _, got, _ := open(t, k); !reflect.DeepEqual(got, want) {
		t.Errorf("saved %+v, loaded %+v", want, got)
	}
	commands := 30 * 31 / 2
	if size := len(k.last().state); size > commands+4*30+10 {
		t.Errorf("%d bytes for 30 entries with %d bytes of commands", size, commands)
	}
}

// TestDisk_SnapshotTakesTheLogsPlace: in one save, and for good.
func TestDisk_SnapshotTakesTheLogsPlace(t *testing.T) {
	k := &kept{}
	d, _, _ := open(t, k)
	hard := protocol.HardState{Term: 2, VotedFor: "1"}
	persist(t, d, protocol.Persist{HardState: hard, Entries: entries(2, 1, 12)})
	before := len(k.saves)
	meta := save(t, d, at(2, 9), "nine")
	if len(k.saves) != before+1 {
		t.Errorf("a snapshot took %d saves", len(k.saves)-before)
	}
	want := protocol.State{HardState: hard, Snapshot: meta, Compacted: at(2, 9), Entries: entries(2, 10, 12)}
	if _, got, text := open(t, k); !reflect.DeepEqual(got, want) || text != "nine" || string(k.last().snapshot) != "nine" {
		t.Errorf("saved %+v, loaded %+v with %q", want, got, text)
	}

	old, err := d.OpenSnapshot(meta)
	if err != nil {
		t.Fatal(err)
	}
	persist(t, d, protocol.Persist{HardState: hard, Compact: at(2, 9), Entries: entries(2, 13, 14)})
	newer := save(t, d, at(2, 14), "fourteen")
	if again := save(t, d, at(2, 9), "nine"); again != meta {
		t.Errorf("the same snapshot is described by %+v and %+v", meta, again)
	}
	if _, got, text := open(t, k); got.Snapshot != newer || len(got.Entries) != 0 || text != "fourteen" {
		t.Errorf("an older snapshot took the place of a newer one: %+v, %q", got, text)
	}
	if _, err := d.OpenSnapshot(meta); !errors.Is(err, raft.ErrNoSnapshot) {
		t.Errorf("a snapshot that is gone: %v", err)
	}
	data := make([]byte, 4)
	if _, err := old.ReadAt(data, 0); err != nil || string(data) != "nine" {
		t.Errorf("a snapshot that is being read gave %q, %v", data, err)
	}
	failed := errors.New("no")
	if _, err := d.SaveSnapshot(protocol.SnapshotMeta{Position: at(2, 15)}, func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("a snapshot that cannot be written: %v", err)
	}
}

func metaOf(at protocol.Position, text string) protocol.SnapshotMeta {
	return protocol.SnapshotMeta{Position: at, Size: int64(len(text)), Checksum: sum([]byte(text))}
}

// receive hands a chunk over and checks what is wanted next.
func receive(t *testing.T, d *Disk, meta protocol.SnapshotMeta, offset int64, chunk string, wantNext int64, wantComplete bool) {
	t.Helper()
	next, complete, err := d.ReceiveSnapshot(meta, offset, []byte(chunk))
	if err != nil || next != wantNext || complete != wantComplete {
		t.Errorf("chunk %q at %d: next %d, complete %v, %v; want %d, %v", chunk, offset, next, complete, err, wantNext, wantComplete)
	}
}

// TestDisk_LeadersSnapshot: chunks come lost, doubled and from two leaders; another is received before it is installed.
func TestDisk_LeadersSnapshot(t *testing.T) {
	k := &kept{}
	d, _, _ := open(t, k)
	hard := protocol.HardState{Term: 5}
	persist(t, d, protocol.Persist{HardState: hard, Entries: entries(3, 1, 30)})
	first, second := metaOf(at(4, 20), "ABCDEF"), metaOf(at(4, 20), "ABCFED") // two leaders' bytes of one state
	receive(t, d, first, 2, "CD", 0, false)
	receive(t, d, first, 0, "AB", 2, false)
	receive(t, d, first, 0, "AB", 2, false)
	receive(t, d, second, 2, "CF", 4, false)
	receive(t, d, first, 4, "EF", 0, false)
	receive(t, d, first, 0, "ABCD", 4, false)
	receive(t, d, first, 4, "EF", 6, true)
	receive(t, d, first, 0, "ABCD", 6, true)
	if _, s, _ := open(t, k); !s.Snapshot.IsZero() {
		t.Errorf("installed too early: %+v", s.Snapshot)
	}
	next := metaOf(at(5, 40), "forty")
	receive(t, d, next, 0, "forty", 5, true)

	persist(t, d, protocol.Persist{HardState: hard, Install: first, Entries: entries(5, 21, 22)})
	want := protocol.State{HardState: hard, Snapshot: first, Compacted: at(4, 20), Entries: entries(5, 21, 22)}
	if _, got, text := open(t, k); !reflect.DeepEqual(got, want) || text != "ABCDEF" {
		t.Errorf("installed %+v, loaded %+v with %q", want, got, text)
	}
	save(t, d, at(3, 9), "older, and taken before")
	persist(t, d, protocol.Persist{HardState: hard, Install: next})
	if _, got, text := open(t, k); got.Snapshot != next || len(got.Entries) != 0 || text != "forty" {
		t.Errorf("loaded %+v with %q", got, text)
	}
	empty := metaOf(at(5, 50), "")
	receive(t, d, empty, 0, "", 0, true)
	persist(t, d, protocol.Persist{HardState: hard, Install: empty})
	if _, got, text := open(t, k); got.Snapshot != empty || text != "" {
		t.Errorf("loaded %+v with %q", got, text)
	}
}

// TestOpen_RefusesWhatIsNotOneSave: what was cut short, or saved by halves, is told from what was saved.
func TestOpen_RefusesWhatIsNotOneSave(t *testing.T) {
	k := &kept{}
	d, _, _ := open(t, k)
	persist(t, d, protocol.Persist{HardState: protocol.HardState{Term: 1, VotedFor: "1"}, Entries: entries(1, 1, 12)})
	save(t, d, at(1, 9), "nine")
	save(t, d, at(1, 12), "twelve")
	whole, before := k.last(), k.saves[len(k.saves)-2]
	for name, p := range map[string]pair{
		"a record cut short":   {state: whole.state[:len(whole.state)-1], snapshot: whole.snapshot},
		"a number cut short":   {state: []byte{0x80}},
		"a kind out of range":  {state: []byte{1, 99, 0}},
		"no JSON":              {state: []byte{1, 0, 0, 0, 0, 1, 'x'}},
		"another snapshot":     {state: whole.state, snapshot: before.snapshot},
		"no snapshot":          {state: whole.state},
		"the snapshot is ours": {state: before.state, snapshot: whole.snapshot},
	} {
		if _, _, err := Open(&kept{[]pair{p}}); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzOpen: no bytes make it panic, and what it accepts it also writes.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{})
	f.Add(encode(protocol.State{HardState: protocol.HardState{Term: 3, VotedFor: "n1"}, Entries: entries(2, 1, 3)}))
	f.Add(encode(protocol.State{Snapshot: metaOf(at(2, 9), ""), Compacted: at(2, 9), Entries: entries(2, 10, 11)}))
	f.Fuzz(func(t *testing.T, state []byte) {
		s, err := decode(state)
		if err != nil {
			return
		}
		again, err := decode(encode(s))
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}

// TestDisk_ForgetsWhatIsCovered: parts of snapshots that were never installed do not gather.
func TestDisk_ForgetsWhatIsCovered(t *testing.T) {
	d, _, _ := open(t, &kept{})
	for index := range protocol.Index(100) {
		receive(t, d, metaOf(at(1, index+1), "whole"), 0, "half", 4, false)
	}
	whole := metaOf(at(1, 200), "full")
	receive(t, d, whole, 0, "full", 4, true)
	persist(t, d, protocol.Persist{Number: 1, Install: whole})
	if len(d.received) > 0 {
		t.Errorf("%d snapshots are still held", len(d.received))
	}
}
