package blob

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// ErrForeign is returned by Open for bytes that no Disk has saved, or not together.
var ErrForeign = errors.New("the saved bytes are not a replica's state")

// Persister keeps what was saved last. It must not change the bytes, nor may they be changed once they were read.
type Persister interface {
	// Save replaces state and snapshot as one: after a crash both are the new ones, or neither is.
	Save(state, snapshot []byte)
	ReadRaftState() []byte // empty: a new node
	ReadSnapshot() []byte
}

// Disk implements raft.Storage and raft.Snapshots.
type Disk struct {
	persister Persister

	turn     chan struct{} // holds one while what follows is used: a Save may take time, also a simulated clock's
	state    protocol.State
	snapshot []byte
	received map[protocol.Position][]byte // of leaders' snapshots, not installed yet
}

// Open reads what persister holds. Error: ErrForeign.
func Open(persister Persister) (*Disk, protocol.State, error) {
	state, err := decode(persister.ReadRaftState())
	if err != nil {
		return nil, protocol.State{}, err
	}
	d := &Disk{
		persister: persister, turn: make(chan struct{}, 1),
		state: state, snapshot: persister.ReadSnapshot(), received: map[protocol.Position][]byte{},
	}
	if !state.Snapshot.IsZero() && !whole(state.Snapshot, d.snapshot) {
		return nil, protocol.State{}, fmt.Errorf("%w: the snapshot is not the one at %v", ErrForeign, state.Snapshot.Position)
	}
	state.Entries = slices.Clone(state.Entries)
	return d, state, nil
}

func (d *Disk) lock() (unlock func()) {
	d.turn <- struct{}{}
	return func() { <-d.turn }
}

// Persist implements raft.Storage.
func (d *Disk) Persist(batches ...protocol.Persist) error {
	defer d.lock()()
	for _, b := range batches {
		d.state.HardState = b.HardState
		if at := b.Install.Position; !b.Install.IsZero() {
			d.cover(b.Install, nil, d.received[at])
		}
		if len(b.Entries) > 0 {
			kept := b.Entries[0].Index - d.state.Compacted.Index - 1
			d.state.Entries = append(d.state.Entries[:kept], b.Entries...)
		}
	}
	d.persister.Save(encode(d.state), d.snapshot)
	return nil
}

// cover puts a snapshot in the place of the log but for entries. What was received of snapshots that it covers is of no use
// any more.
func (d *Disk) cover(meta protocol.SnapshotMeta, entries []protocol.Entry, snapshot []byte) {
	d.state.Snapshot, d.state.Compacted, d.state.Entries, d.snapshot = meta, meta.Position, entries, snapshot
	maps.DeleteFunc(d.received, func(at protocol.Position, _ []byte) bool { return at.Index <= meta.Index })
}

// SaveSnapshot implements raft.Snapshots.
func (d *Disk) SaveSnapshot(meta protocol.SnapshotMeta, write func(io.Writer) error) (protocol.SnapshotMeta, error) {
	var data bytes.Buffer
	if err := write(&data); err != nil {
		return meta, err
	}
	meta.Size, meta.Checksum = int64(data.Len()), sum(data.Bytes())
	defer d.lock()()
	if last := d.state.Compacted.Index; meta.Index > last { // else a leader's has come meanwhile
		d.cover(meta, d.state.Entries[meta.Index-last:], data.Bytes())
		d.persister.Save(encode(d.state), d.snapshot)
	}
	return meta, nil
}

// ReceiveSnapshot implements raft.Snapshots. What was received becomes durable when it is installed.
func (d *Disk) ReceiveSnapshot(meta protocol.SnapshotMeta, offset int64, data []byte) (int64, bool, error) {
	defer d.lock()()
	got := d.received[meta.Position]
	if offset == int64(len(got)) {
		got = append(got, data...)
	}
	if int64(len(got)) >= meta.Size && !whole(meta, got) {
		got = nil // parts of two leaders' snapshots, which may differ in their bytes: begin anew
	}
	d.received[meta.Position] = got
	return int64(len(got)), whole(meta, got), nil
}

// OpenSnapshot implements raft.Snapshots.
func (d *Disk) OpenSnapshot(meta protocol.SnapshotMeta) (raft.SnapshotReader, error) {
	defer d.lock()()
	if meta != d.state.Snapshot {
		return nil, fmt.Errorf("%w: at %v", raft.ErrNoSnapshot, meta.Position)
	}
	return reader{bytes.NewReader(d.snapshot)}, nil
}

// reader reads a snapshot in memory.
type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

func sum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

func whole(meta protocol.SnapshotMeta, data []byte) bool {
	return int64(len(data)) == meta.Size && sum(data) == meta.Checksum
}

func encode(s protocol.State) []byte {
	var meta []byte
	if !s.Snapshot.IsZero() {
		meta, _ = json.Marshal(s.Snapshot) // numbers and strings alone
	}
	state := make([]byte, 0, 128+32*len(s.Entries))
	state = appendRecord(state, protocol.Entry{Term: s.Term, Data: []byte(s.VotedFor)})
	state = appendRecord(state, protocol.Entry{Data: meta})
	for _, e := range s.Entries {
		state = appendRecord(state, e)
	}
	return state
}

func appendRecord(to []byte, e protocol.Entry) []byte {
	for _, number := range []uint64{uint64(e.Term), uint64(e.Kind), uint64(len(e.Data))} {
		to = binary.AppendUvarint(to, number)
	}
	return append(to, e.Data...)
}

func decode(state []byte) (s protocol.State, err error) {
	for number := 0; len(state) > 0; number++ {
		var e protocol.Entry
		if e, state, err = cutRecord(state); err != nil {
			return protocol.State{}, fmt.Errorf("%w: record %d: %w", ErrForeign, number, err)
		}
		switch number {
		case 0:
			s.HardState = protocol.HardState{Term: e.Term, VotedFor: protocol.NodeID(e.Data)}
		case 1:
			if len(e.Data) == 0 {
				continue
			}
			if err := json.Unmarshal(e.Data, &s.Snapshot); err != nil || s.Snapshot.IsZero() {
				return protocol.State{}, fmt.Errorf("%w: a snapshot is described by %q", ErrForeign, e.Data)
			}
			s.Compacted = s.Snapshot.Position
		default:
			e.Index = s.Compacted.Index + protocol.Index(len(s.Entries)) + 1
			s.Entries = append(s.Entries, e)
		}
	}
	return s, nil
}

// cutRecord reads the first record of state, and returns it and what follows.
func cutRecord(state []byte) (protocol.Entry, []byte, error) {
	var numbers [3]uint64
	for i := range numbers {
		number, size := binary.Uvarint(state)
		if size <= 0 {
			return protocol.Entry{}, nil, io.ErrUnexpectedEOF
		}
		numbers[i], state = number, state[size:]
	}
	e := protocol.Entry{Term: protocol.Term(numbers[0]), Kind: protocol.EntryKind(numbers[1])}
	if numbers[2] > uint64(len(state)) {
		return protocol.Entry{}, nil, io.ErrUnexpectedEOF
	}
	if e.Data = state[:numbers[2]:numbers[2]]; !e.Kind.Valid() || uint64(e.Kind) != numbers[1] {
		return protocol.Entry{}, nil, fmt.Errorf("kind %d is not known", numbers[1])
	}
	return e, state[numbers[2]:], nil
}
