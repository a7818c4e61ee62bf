package storage

import (
	"encoding/binary"
	"fmt"

	"whitewater/pkg/raft/protocol"
)

// batch is what one batch on disk says. Its parts take effect in this order.
type batch struct {
	hard    *protocol.HardState // nil: as before
	bases   []base
	entries []protocol.Entry
}

// base says where the log begins, and which snapshot covers what came before.
type base struct {
	snapshot  protocol.SnapshotMeta
	compacted protocol.Position // the log begins behind it
	reset     bool              // every entry before this record is dropped, the log goes on behind compacted
}

// size is the length of its record's payload.
func (b base) size() int { return baseHeadBytes + len(b.snapshot.Configuration) }

// maxBases is how many base records one batch may take: of a fresh segment, an install, a compaction.
const maxBases = 3

// batchSize is how long appendBatch's result is at most.
func batchSize(b batch) int64 {
	size := int64(batchHeadBytes + alignment - 1 + batchTailBytes)
	if b.hard != nil {
		size += recordHeadBytes + stateHeadBytes + int64(len(b.hard.VotedFor))
	}
	for _, base := range b.bases {
		size += recordHeadBytes + int64(base.size())
	}
	for _, e := range b.entries {
		size += entrySize(e)
	}
	return size
}

func entrySize(e protocol.Entry) int64 {
	return recordHeadBytes + entryHeadBytes + int64(len(e.Data))
}

// appendBatch appends one batch for the given place.
func appendBatch(dst []byte, at place, b batch) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, batchHeadBytes)...)
	count := len(b.bases) + len(b.entries)
	if b.hard != nil {
		count++
		dst = appendRecordHead(dst, recordState, stateHeadBytes+len(b.hard.VotedFor))
		dst = binary.BigEndian.AppendUint64(dst, uint64(b.hard.Term))
		dst = append(dst, b.hard.VotedFor...)
	}
	for _, base := range b.bases {
		dst = appendRecordHead(dst, recordBase, base.size())
		dst = appendBase(dst, base)
	}
	for _, e := range b.entries {
		dst = appendRecordHead(dst, recordEntry, entryHeadBytes+len(e.Data))
		dst = binary.BigEndian.AppendUint64(dst, uint64(e.Index))
		dst = binary.BigEndian.AppendUint64(dst, uint64(e.Term))
		dst = append(dst, byte(e.Kind))
		dst = append(dst, e.Data...)
	}
	for (len(dst)-start)%alignment != 0 {
		dst = append(dst, 0)
	}
	head := dst[start:]
	copy(head, batchMagic)
	binary.BigEndian.PutUint32(head[4:], uint32(len(head)+batchTailBytes))
	binary.BigEndian.PutUint32(head[8:], uint32(count))
	binary.BigEndian.PutUint32(head[12:], checksum(at.seed(), head[:12]))
	dst = append(dst, commitMagic...)
	return binary.BigEndian.AppendUint32(dst, checksum(at.seed(), dst[start:]))
}

func appendBase(dst []byte, b base) []byte {
	for _, n := range []uint64{
		uint64(b.snapshot.Index), uint64(b.snapshot.Term), uint64(b.snapshot.Size),
		uint64(b.compacted.Index), uint64(b.compacted.Term),
	} {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	dst = binary.BigEndian.AppendUint32(dst, b.snapshot.Checksum)
	reset := byte(0)
	if b.reset {
		reset = 1
	}
	dst = append(dst, reset)
	return append(dst, b.snapshot.Configuration...)
}

func appendRecordHead(dst []byte, kind recordType, length int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(length))
	return append(dst, byte(kind))
}

// parseBatchHead checks the head of a batch that should stand at the given place, with room bytes
// from its start to the end of the file. It returns the size of the whole batch, within every bound.
func parseBatchHead(b []byte, at place, room int64) (size int64, err error) {
	if len(b) < batchHeadBytes {
		return 0, fmt.Errorf("batch head of %d bytes %w: %d bytes are there", batchHeadBytes, errDamaged, len(b))
	}
	if string(b[:4]) != batchMagic {
		return 0, fmt.Errorf("batch head %w: wrong magic", errDamaged)
	}
	if checksum(at.seed(), b[:12]) != binary.BigEndian.Uint32(b[12:]) {
		return 0, fmt.Errorf("batch head %w: wrong checksum", errDamaged)
	}
	size = int64(binary.BigEndian.Uint32(b[4:]))
	switch {
	case size < batchHeadBytes+batchTailBytes || size%alignment != 0 || size > maxBatchBytes:
		return 0, fmt.Errorf("batch %w: impossible size %d", errDamaged, size)
	case size > room:
		return 0, fmt.Errorf("batch of %d bytes %w: %d bytes are there", size, errDamaged, room)
	}
	return size, nil
}

// checkBatch verifies a whole batch.
func checkBatch(b []byte, at place) error {
	tail := b[len(b)-batchTailBytes:]
	if string(tail[:4]) != commitMagic {
		return fmt.Errorf("batch %w: no commit record", errDamaged)
	}
	if checksum(at.seed(), b[:len(b)-4]) != binary.BigEndian.Uint32(tail[4:]) {
		return fmt.Errorf("batch %w: wrong checksum", errDamaged)
	}
	return nil
}

// records is told what a batch holds, record by record.
type records interface {
	state(protocol.HardState) error
	base(base) error
	entry(protocol.Entry) error // data aliases the batch
}

// decodeBatch hands over each record of a verified batch. Its errors are not errDamaged: these bytes
// are what somebody wrote.
func decodeBatch(b []byte, to records) error {
	rest := b[batchHeadBytes : len(b)-batchTailBytes]
	for n := binary.BigEndian.Uint32(b[8:]); n > 0; n-- {
		if len(rest) < recordHeadBytes {
			return fmt.Errorf("record needs %d bytes, the batch has %d", recordHeadBytes, len(rest))
		}
		length := binary.BigEndian.Uint32(rest)
		kind := recordType(rest[4])
		rest = rest[recordHeadBytes:]
		if uint64(length) > uint64(len(rest)) || length > maxRecordBytes {
			return fmt.Errorf("record of %d bytes, the batch has %d", length, len(rest))
		}
		if err := decodeRecord(kind, rest[:length:length], to); err != nil {
			return err
		}
		rest = rest[length:]
	}
	if len(rest) >= alignment {
		return fmt.Errorf("%d bytes behind the last record", len(rest))
	}
	return nil
}

func decodeRecord(kind recordType, p []byte, to records) error {
	switch kind {
	case recordState:
		if len(p) < stateHeadBytes || len(p) > stateHeadBytes+maxNameBytes {
			return fmt.Errorf("hard state record of %d bytes", len(p))
		}
		return to.state(protocol.HardState{
			Term:     protocol.Term(binary.BigEndian.Uint64(p)),
			VotedFor: protocol.NodeID(p[stateHeadBytes:]),
		})
	case recordEntry:
		if len(p) < entryHeadBytes {
			return fmt.Errorf("entry record of %d bytes", len(p))
		}
		e := protocol.Entry{
			Index: protocol.Index(binary.BigEndian.Uint64(p)),
			Term:  protocol.Term(binary.BigEndian.Uint64(p[8:])),
			Kind:  protocol.EntryKind(p[16]),
			Data:  p[entryHeadBytes:],
		}
		if !e.Kind.Valid() {
			return fmt.Errorf("entry %v is of the unknown kind %d: run the program that wrote it", e.Position(), p[16])
		}
		return to.entry(e)
	case recordBase:
		if len(p) < baseHeadBytes || len(p) > baseHeadBytes+protocol.MaxConfigurationBytes || p[44] > 1 {
			return fmt.Errorf("base record of %d bytes that this program does not know", len(p))
		}
		return to.base(decodeBase(p))
	}
	return fmt.Errorf("record of unknown type %d", kind)
}

func decodeBase(p []byte) base {
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(p[at:]) }
	return base{
		snapshot: protocol.SnapshotMeta{
			Position:      protocol.Position{Index: protocol.Index(u64(0)), Term: protocol.Term(u64(8))},
			Configuration: string(p[baseHeadBytes:]),
			Size:          int64(u64(16)),
			Checksum:      binary.BigEndian.Uint32(p[40:]),
		},
		compacted: protocol.Position{Index: protocol.Index(u64(24)), Term: protocol.Term(u64(32))},
		reset:     p[44] == 1,
	}
}
