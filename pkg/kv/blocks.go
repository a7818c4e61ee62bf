package kv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A snapshot is a head and blocks; docs/raftnode.md draws the bytes.
const (
	snapshotMagic   = "wwkv"
	snapshotVersion = 1

	blockHeadBytes = 8        // length, checksum
	blockBytes     = 64 << 10 // of payload, in every block but the last
)

// SnapshotError is a snapshot that cannot be restored, and where in it that shows.
type SnapshotError struct {
	Offset int64 // bytes from the snapshot's start
	Err    error
}

func (e *SnapshotError) Error() string { return fmt.Sprintf("snapshot, byte %d: %v", e.Offset, e.Err) }
func (e *SnapshotError) Unwrap() error { return e.Err }

// blockChecksum is CRC-32C over where the block stands, its length and its payload, so that a block in
// another's place does not verify.
func blockChecksum(offset int64, payload []byte) uint32 {
	var seed [12]byte
	binary.BigEndian.PutUint64(seed[:], uint64(offset))
	binary.BigEndian.PutUint32(seed[8:], uint32(len(payload)))
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(seed[:], table), table, payload)
}

// blockWriter cuts a payload into blocks. After an error it writes nothing more.
type blockWriter struct {
	w      io.Writer
	block  []byte // head and what is filled of the payload
	offset int64  // of the block
	err    error
}

func newBlockWriter(w io.Writer) *blockWriter {
	b := &blockWriter{w: w, block: make([]byte, blockHeadBytes, blockHeadBytes+blockBytes)}
	b.emit(binary.BigEndian.AppendUint32([]byte(snapshotMagic), snapshotVersion))
	return b
}

func (b *blockWriter) emit(p []byte) {
	if b.err == nil {
		_, b.err = b.w.Write(p)
		b.offset += int64(len(p))
	}
}

func (b *blockWriter) number(v uint64) {
	var p [binary.MaxVarintLen64]byte
	fill(b, p[:binary.PutUvarint(p[:], v)])
}

func fill[T string | []byte](b *blockWriter, p T) {
	for len(p) > 0 {
		n := min(len(p), cap(b.block)-len(b.block))
		b.block = append(b.block, p[:n]...)
		p = p[n:]
		if len(b.block) == cap(b.block) {
			b.flush()
		}
	}
}

// flush writes the block out, if it has a payload.
func (b *blockWriter) flush() {
	payload := b.block[blockHeadBytes:]
	if len(payload) == 0 {
		return
	}
	binary.BigEndian.PutUint32(b.block, uint32(len(payload)))
	binary.BigEndian.PutUint32(b.block[4:], blockChecksum(b.offset, payload))
	b.emit(b.block)
	b.block = b.block[:blockHeadBytes]
}

// blockReader gives back the payload, of verified blocks alone. It holds one block at a time. After an error every
// method returns zero values.
type blockReader struct {
	ctx    context.Context // ends the reading
	r      io.Reader
	buffer []byte
	rest   []byte // of the block's payload
	offset int64  // behind the block
	last   bool   // the block is not full, so none may follow
	err    error  // a *SnapshotError, or the context's
}

func newBlockReader(ctx context.Context, r io.Reader) *blockReader {
	b := &blockReader{ctx: ctx, r: r, buffer: make([]byte, blockHeadBytes+blockBytes)}
	head := b.buffer[:len(snapshotMagic)+4]
	switch n, err := io.ReadFull(r, head); {
	case err != nil:
		b.fail(int64(n), "read the head: %w", noEOF(err))
	case string(head[:len(snapshotMagic)]) != snapshotMagic:
		b.fail(0, "begins with %q, not %q: this is no snapshot of the key-value state", head[:len(snapshotMagic)], snapshotMagic)
	case binary.BigEndian.Uint32(head[len(snapshotMagic):]) != snapshotVersion:
		b.fail(int64(len(snapshotMagic)), "version %d, this program knows %d", binary.BigEndian.Uint32(head[len(snapshotMagic):]), snapshotVersion)
	}
	b.offset = int64(len(head))
	return b
}

// at is where the next byte stands.
func (b *blockReader) at() int64 { return b.offset - int64(len(b.rest)) }

// fail keeps the first error.
func (b *blockReader) fail(offset int64, format string, args ...any) {
	if b.err == nil {
		b.err = &SnapshotError{Offset: offset, Err: fmt.Errorf(format, args...)}
		b.rest = nil
	}
}

// load reads and verifies the next block.
func (b *blockReader) load() {
	if b.err == nil && b.ctx.Err() != nil {
		b.err = context.Cause(b.ctx)
	}
	if b.last {
		b.fail(b.offset, "a record goes on behind the last block: %w", io.ErrUnexpectedEOF)
	}
	if b.err != nil {
		return
	}
	head := b.buffer[:blockHeadBytes]
	if n, err := io.ReadFull(b.r, head); err != nil {
		b.fail(b.offset+int64(n), "read a block: %w", noEOF(err))
		return
	}
	length := binary.BigEndian.Uint32(head)
	if length < 1 || length > blockBytes {
		b.fail(b.offset, "block of %d bytes, must be from 1 to %d", length, blockBytes)
		return
	}
	payload := b.buffer[blockHeadBytes : blockHeadBytes+length]
	if n, err := io.ReadFull(b.r, payload); err != nil {
		b.fail(b.offset+blockHeadBytes+int64(n), "read a block: %w", noEOF(err))
		return
	}
	if binary.BigEndian.Uint32(head[4:]) != blockChecksum(b.offset, payload) {
		b.fail(b.offset, "block of %d bytes has a wrong checksum", length)
		return
	}
	b.offset += blockHeadBytes + int64(length)
	b.rest, b.last = payload, length < blockBytes
}

// noEOF tells a stream that ends too early from one that ends.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// take returns from 1 to most bytes, valid until the next call; none after an error.
func (b *blockReader) take(most int) []byte {
	if len(b.rest) == 0 {
		b.load()
	}
	p := b.rest[:min(most, len(b.rest))]
	b.rest = b.rest[len(p):]
	return p
}

// number reads a varint in its shortest form and refuses one out of range.
func (b *blockReader) number(what string, least, most uint64) uint64 {
	if len(b.rest) == 0 {
		b.load()
	}
	start := b.at()
	var v uint64
	for shift := 0; ; shift += 7 {
		p := b.take(1)
		if len(p) == 0 {
			return 0
		}
		digit := uint64(p[0] & 0x7f)
		if shift == 63 && p[0] > 1 || shift > 0 && p[0] == 0 {
			b.fail(start, "%s: number too long", what)
			return 0
		}
		v |= digit << shift
		if p[0] < 0x80 {
			break
		}
	}
	if v < least || v > most {
		b.fail(start, "%s %d must be %s", what, v, between(least, most))
		return 0
	}
	return v
}

func between(least, most uint64) string {
	if least == most {
		return fmt.Sprint(least)
	}
	return fmt.Sprintf("from %d to %d", least, most)
}

// bytes reads n bytes into memory of their own, which grows only as they come.
func (b *blockReader) bytes(n uint64) []byte {
	p := make([]byte, 0, min(n, blockBytes))
	for uint64(len(p)) < n {
		more := b.take(int(min(n-uint64(len(p)), blockBytes)))
		if len(more) == 0 {
			return nil
		}
		if len(p)+len(more) > cap(p) {
			grown := make([]byte, len(p), min(n, 2*uint64(cap(p))))
			copy(grown, p)
			p = grown
		}
		p = append(p, more...)
	}
	return p
}

// end refuses anything behind the last record.
func (b *blockReader) end() {
	if b.err != nil {
		return
	}
	if len(b.rest) > 0 {
		b.fail(b.at(), "%d bytes behind the last record", len(b.rest))
		return
	}
	switch _, err := io.ReadFull(b.r, b.buffer[:1]); {
	case err == nil:
		b.fail(b.offset, "bytes behind the last block")
	case !errors.Is(err, io.EOF):
		b.fail(b.offset, "read on: %w", err)
	}
}
