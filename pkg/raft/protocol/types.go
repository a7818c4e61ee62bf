package protocol

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Term numbers an election period (§5.1). Zero comes before the first election.
type Term uint64

// Index is a log position, counted from 1; zero comes before the first entry.
type Index uint64

// NodeID names a member of the cluster. How an id is dialled is not Raft's concern.
type NodeID string

// Position names one entry: two logs that hold the same position hold the same
// entry there and before it (§5.3, Log Matching).
type Position struct {
	Term  Term
	Index Index
}

func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Term, p.Index) }

// atLeastAsUpToDateAs compares two logs by their last entries (§5.4.1).
func (p Position) atLeastAsUpToDateAs(q Position) bool {
	return p.Term > q.Term || p.Term == q.Term && p.Index >= q.Index
}

// EntryKind tells what an entry is for. Its numbers are part of the wire and disk formats.
type EntryKind uint8

const (
	// EntryCommand carries a command of the state machine.
	EntryCommand EntryKind = iota
	// EntryNoop is what a new leader appends so that it can commit (§8). It carries nothing.
	EntryNoop
	// EntryConfiguration carries an encoded Configuration (§6).
	EntryConfiguration
)

func (k EntryKind) String() string {
	switch k {
	case EntryCommand:
		return "command"
	case EntryNoop:
		return "noop"
	case EntryConfiguration:
		return "configuration"
	}
	return fmt.Sprintf("EntryKind(%d)", uint8(k))
}

// Valid reports whether this version knows k.
func (k EntryKind) Valid() bool { return k <= EntryConfiguration }

// Entry is one log entry. Data is never written to once the entry exists, so
// slices of it may be shared freely.
type Entry struct {
	Index Index
	Term  Term
	Kind  EntryKind
	Data  []byte
}

// Position is the entry's own position.
func (e Entry) Position() Position { return Position{Term: e.Term, Index: e.Index} }

// Checksum is CRC-32C over the kind (one byte), term and index (eight bytes each, big endian) and data:
// equal on every node that holds this entry.
func (e Entry) Checksum() uint32 {
	var head [17]byte
	head[0] = byte(e.Kind)
	binary.BigEndian.PutUint64(head[1:], uint64(e.Term))
	binary.BigEndian.PutUint64(head[9:], uint64(e.Index))
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(head[:], table), table, e.Data)
}

// HardState is what a node must remember over a restart beside its log (Figure 2, persistent state).
type HardState struct {
	Term     Term   // currentTerm: latest term seen
	VotedFor NodeID // who got this node's vote in Term; empty for none
}

// SnapshotMeta says what a snapshot holds: the effect of every entry up to Position, and so the log may
// begin behind it (§7).
type SnapshotMeta struct {
	Position
	// Configuration is the one in force at that position, encoded; empty: the one that the cluster began with.
	Configuration string
	Size          int64  // bytes of the state machine's data
	Checksum      uint32 // CRC-32C over these bytes
}

// IsZero reports whether there is no snapshot.
func (m SnapshotMeta) IsZero() bool { return m.Index == 0 }

// State is what storage recovered: where a node starts from.
type State struct {
	HardState
	Snapshot SnapshotMeta // the newest; zero: none
	// Log begins behind this position: zero, or at or below the snapshot's, since a tail is kept for
	// followers that are slow.
	Compacted Position
	Entries   []Entry // gap-free, ascending from Compacted.Index + 1; with a snapshot they reach it or are empty
}

// Persist is one batch for storage. Batches are numbered from 1 without gaps; a batch is durable
// when it and all before it are. Its parts take effect in the order of the fields.
type Persist struct {
	Number    uint64
	HardState HardState // in force once this batch is durable

	// Install, unless zero, puts a leader's snapshot, received whole before, in the place of the log: every
	// entry is dropped and the log begins behind it. Log and snapshot change as one.
	Install SnapshotMeta
	// Compact, unless zero, drops the entries up to this position: a snapshot covers them. Storage may drop them
	// later than it is told, or in larger pieces.
	Compact Position
	// Entries are gap-free; the first replaces whatever the log held at its index and behind it.
	Entries []Entry
}
