package storage

import (
	"encoding/binary"
	"fmt"

	"whitewater/pkg/raft/protocol"
)

// batchSize is how long appendBatch's result is at most: with a hard state record, padded.
func batchSize(hard protocol.HardState, entries []protocol.Entry) int64 {
	size := int64(batchHeadBytes + recordHeadBytes + stateHeadBytes + len(hard.VotedFor))
	for _, e := range entries {
		size += entrySize(e)
	}
	return size + alignment - 1 + batchTailBytes
}

func entrySize(e protocol.Entry) int64 {
	return recordHeadBytes + entryHeadBytes + int64(len(e.Data))
}

// appendBatch appends one batch for the given place; a nil hard state is not written.
func appendBatch(dst []byte, at place, hard *protocol.HardState, entries []protocol.Entry) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, batchHeadBytes)...)
	count := len(entries)
	if hard != nil {
		count++
		dst = appendRecordHead(dst, recordState, stateHeadBytes+len(hard.VotedFor))
		dst = binary.BigEndian.AppendUint64(dst, uint64(hard.Term))
		dst = append(dst, hard.VotedFor...)
	}
	for _, e := range entries {
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

// decodeBatch hands each record of a verified batch to state or entry. Entry data aliases b. Its
// errors are not errDamaged: these bytes are what somebody wrote.
func decodeBatch(b []byte, state func(protocol.HardState) error, entry func(protocol.Entry) error) error {
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
		if err := decodeRecord(kind, rest[:length:length], state, entry); err != nil {
			return err
		}
		rest = rest[length:]
	}
	if len(rest) >= alignment {
		return fmt.Errorf("%d bytes behind the last record", len(rest))
	}
	return nil
}

func decodeRecord(kind recordType, p []byte, state func(protocol.HardState) error, entry func(protocol.Entry) error) error {
	switch kind {
	case recordState:
		if len(p) < stateHeadBytes || len(p) > stateHeadBytes+maxNameBytes {
			return fmt.Errorf("hard state record of %d bytes", len(p))
		}
		return state(protocol.HardState{
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
		return entry(e)
	}
	return fmt.Errorf("record of unknown type %d", kind)
}
