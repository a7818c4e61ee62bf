package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"whitewater/pkg/raft/protocol"
)

// Sizes of a snapshot file in bytes; docs/storage.md draws them.
const (
	snapHeaderBytes = 64
	snapHeadBytes   = snapHeaderBytes + 8 // of all before the data, without the configuration
	snapBlockBytes  = 64 << 10            // of data under one checksum
	maxSnapBytes    = 1 << 40             // of data
	snapSyncBytes   = 8 << 20             // written between two syncs, so that no sync takes long
)

const (
	snapMagic    = "WWRAFTSN"
	trailerMagic = "WWst"
	snapExt      = ".snap"
)

// snapshotName holds the checksum of the data and the configuration behind it, so that no two snapshots share it.
func snapshotName(m protocol.SnapshotMeta) string {
	crc := checksum(m.Checksum, []byte(m.Configuration))
	return fmt.Sprintf("%s/%016d-%d-%08x%s", snapDir, m.Index, m.Term, crc, snapExt)
}

// isSnapshotName reports whether a name, without its directory, is one that snapshotName makes.
func isSnapshotName(name string) bool {
	parts := strings.Split(strings.TrimSuffix(name, snapExt), "-")
	if len(parts) != 3 {
		return false
	}
	index, err1 := strconv.ParseUint(parts[0], 10, 64)
	term, err2 := strconv.ParseUint(parts[1], 10, 64)
	crc, err3 := strconv.ParseUint(parts[2], 16, 32)
	m := protocol.SnapshotMeta{
		Position: protocol.Position{Index: protocol.Index(index), Term: protocol.Term(term)},
		Checksum: uint32(crc),
	}
	return errors.Join(err1, err2, err3) == nil && index > 0 && snapshotName(m) == snapDir+"/"+name
}

// dataAt is the offset of the data in a snapshot's file.
func dataAt(m protocol.SnapshotMeta) int64 { return snapHeadBytes + int64(len(m.Configuration)) }

// appendSnapHead appends all that stands before the data: the header, the configuration's length, the configuration
// and a checksum.
func appendSnapHead(dst []byte, d directoryID, m protocol.SnapshotMeta) []byte {
	start := len(dst)
	dst = append(dst, snapMagic...)
	dst = binary.BigEndian.AppendUint32(dst, formatVersion)
	dst = binary.BigEndian.AppendUint32(dst, snapBlockBytes)
	dst = append(dst, d[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Index))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Term))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Size))
	dst = binary.BigEndian.AppendUint32(dst, m.Checksum)
	dst = binary.BigEndian.AppendUint32(dst, checksum(0, dst[start:]))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.Configuration)))
	dst = append(dst, m.Configuration...)
	return binary.BigEndian.AppendUint32(dst, checksum(0, dst[start:]))
}

// parseSnapHeader fails with errDamaged, or with ErrVersion when the header is whole but not ours.
func parseSnapHeader(b []byte, d directoryID) (m protocol.SnapshotMeta, err error) {
	switch {
	case len(b) < snapHeaderBytes:
		return m, fmt.Errorf("snapshot header of %d bytes %w: %d bytes are there", snapHeaderBytes, errDamaged, len(b))
	case string(b[:8]) != snapMagic:
		return m, fmt.Errorf("snapshot header %w: wrong magic", errDamaged)
	case checksum(0, b[:60]) != binary.BigEndian.Uint32(b[60:]):
		return m, fmt.Errorf("snapshot header %w: wrong checksum", errDamaged)
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != formatVersion {
		return m, versionError(uint64(v))
	}
	if block := binary.BigEndian.Uint32(b[12:]); block != snapBlockBytes {
		return m, fmt.Errorf("snapshot header %w: blocks of %d bytes", errDamaged, block)
	}
	if got := directoryID(b[16:32]); got != d {
		return m, fmt.Errorf("snapshot header %w: it belongs to directory %v, not %v", errDamaged, got, d)
	}
	m.Index = protocol.Index(binary.BigEndian.Uint64(b[32:]))
	m.Term = protocol.Term(binary.BigEndian.Uint64(b[40:]))
	m.Size = int64(binary.BigEndian.Uint64(b[48:]))
	m.Checksum = binary.BigEndian.Uint32(b[56:])
	if m.Size < 0 || m.Size > maxSnapBytes {
		return m, fmt.Errorf("snapshot header %w: impossible size %d", errDamaged, m.Size)
	}
	return m, nil
}

// snapBlocks is how many blocks hold size bytes.
func snapBlocks(size int64) int64 { return (size + snapBlockBytes - 1) / snapBlockBytes }

// trailerBytes is the length of the trailer behind size bytes of data.
func trailerBytes(size int64) int64 { return 8 + 4*snapBlocks(size) + 4 }

// appendTrailer closes a file that began with head; blocks are the checksums of its data.
func appendTrailer(dst, head []byte, blocks []uint32) []byte {
	start := len(dst)
	dst = append(dst, trailerMagic...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(blocks)))
	for _, crc := range blocks {
		dst = binary.BigEndian.AppendUint32(dst, crc)
	}
	return binary.BigEndian.AppendUint32(dst, checksum(checksum(0, head), dst[start:]))
}

// snapContent is an open snapshot file whose header and trailer verified.
type snapContent struct {
	*handle
	meta   protocol.SnapshotMeta
	blocks []uint32 // checksum of each block
}

// readContent checks all of a snapshot file but its data. Damage is errDamaged with its offset.
func readContent(h *handle, d directoryID) (c snapContent, bad int64, err error) {
	size, err := h.Size()
	if err != nil {
		return c, 0, err
	}
	head, meta, err := readSnapHead(h, size, d)
	if err != nil {
		return c, 0, err
	}
	at := dataAt(meta) + meta.Size
	if want := at + trailerBytes(meta.Size); size != want {
		return c, min(size, want), fmt.Errorf("snapshot %w: %d bytes are there, not %d", errDamaged, size, want)
	}
	trailer := make([]byte, size-at)
	if _, err := h.ReadAt(trailer, at); err != nil && !errors.Is(err, io.EOF) {
		return c, 0, readError(h.name, at, err)
	}
	blocks := make([]uint32, snapBlocks(meta.Size))
	for i := range blocks {
		blocks[i] = binary.BigEndian.Uint32(trailer[8+4*i:])
	}
	if string(appendTrailer(nil, head, blocks)) != string(trailer) {
		return c, at, fmt.Errorf("snapshot trailer %w", errDamaged)
	}
	return snapContent{h, meta, blocks}, 0, nil
}

// readSnapHead reads and checks what stands before the data in a file of size bytes.
func readSnapHead(h *handle, size int64, d directoryID) (head []byte, m protocol.SnapshotMeta, err error) {
	head = make([]byte, min(snapHeadBytes, size))
	if _, err := h.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, m, readError(h.name, 0, err)
	}
	if m, err = parseSnapHeader(head, d); err != nil {
		return nil, m, err
	}
	if size < snapHeadBytes {
		return nil, m, fmt.Errorf("snapshot header %w: the file ends behind it", errDamaged)
	}
	length := int64(binary.BigEndian.Uint32(head[snapHeaderBytes:]))
	if length > min(size-snapHeadBytes, protocol.MaxConfigurationBytes) {
		return nil, m, fmt.Errorf("snapshot header %w: impossible length %d of the configuration", errDamaged, length)
	}
	if length > 0 {
		head = make([]byte, snapHeadBytes+length)
		if _, err := h.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
			return nil, m, readError(h.name, 0, err)
		}
	}
	end := len(head) - 4
	if checksum(0, head[:end]) != binary.BigEndian.Uint32(head[end:]) {
		return nil, m, fmt.Errorf("snapshot configuration %w: wrong checksum", errDamaged)
	}
	m.Configuration = string(head[snapHeaderBytes+4 : end])
	return head, m, nil
}

// readBlock reads the i-th block of the data into buf and verifies it.
func (c *snapContent) readBlock(i int64, buf []byte) ([]byte, error) {
	at := i * snapBlockBytes
	buf = buf[:min(snapBlockBytes, c.meta.Size-at)]
	offset := dataAt(c.meta) + at
	if _, err := c.handle.ReadAt(buf, offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, readError(c.name, offset, err)
	}
	if checksum(0, buf) != c.blocks[i] {
		return nil, fmt.Errorf("block %d of the snapshot %w: wrong checksum", i, errDamaged)
	}
	return buf, nil
}

// verify reads all of the data.
func (c *snapContent) verify() (bad int64, err error) {
	buf, crc := make([]byte, min(snapBlockBytes, c.meta.Size)), uint32(0)
	for i := range c.blocks {
		p, err := c.readBlock(int64(i), buf)
		if err != nil {
			return dataAt(c.meta) + int64(i)*snapBlockBytes, err
		}
		crc = checksum(crc, p)
	}
	if crc != c.meta.Checksum {
		return dataAt(c.meta), fmt.Errorf("snapshot %w: its data has checksum %08x, not %08x", errDamaged, crc, c.meta.Checksum)
	}
	return 0, nil
}
