package storage

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"whitewater/pkg/raft/protocol"
)

// Sizes in bytes; docs/storage.md draws them. All numbers are big endian.
const (
	formatVersion   = 2
	headerBytes     = 64
	batchHeadBytes  = 16
	batchTailBytes  = 8
	recordHeadBytes = 5
	entryHeadBytes  = 17 // of an entry record's payload
	stateHeadBytes  = 8  // of a hard state record's payload
	baseHeadBytes   = 45 // of a base record's payload
	alignment       = 8  // batches start and end at multiples of it

	maxRecordBytes = 64 << 20 // payload of one record
	// A whole batch: one entry, however large, fits beside all else that there may be.
	maxBatchBytes = maxRecordBytes + maxBases*protocol.MaxConfigurationBytes + 64<<10
	batchTarget   = 16 << 20                        // a batch takes no further entry beyond this
	maxEntryBytes = maxRecordBytes - entryHeadBytes // data of one entry
)

const (
	segmentMagic = "WWRAFTLG"
	batchMagic   = "WWba"
	commitMagic  = "WWco"
)

type recordType uint8

const (
	recordState recordType = 1
	recordEntry recordType = 2
	recordBase  recordType = 3
)

// directoryID tells this directory's files from all others.
type directoryID [16]byte

func (d directoryID) String() string { return hex.EncodeToString(d[:]) }

// place is where a batch stands. Its checksums cover it, so bytes of another place never verify.
type place struct {
	directory directoryID
	segment   uint64
	offset    int64
}

func (p place) seed() uint32 {
	var b [32]byte
	copy(b[:], p.directory[:])
	binary.BigEndian.PutUint64(b[16:], p.segment)
	binary.BigEndian.PutUint64(b[24:], uint64(p.offset))
	return checksum(0, b[:])
}

// checksum continues a CRC-32C over p.
func checksum(crc uint32, p []byte) uint32 {
	return crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), p)
}

// header opens a segment.
type header struct {
	directory directoryID
	segment   uint64         // number, from 1; the file's name
	first     protocol.Index // one past the last index when the segment was begun
	previous  int64          // length of the segment before; 0 for the first
}

func appendHeader(dst []byte, h header) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.BigEndian.AppendUint32(dst, formatVersion)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = append(dst, h.directory[:]...)
	dst = binary.BigEndian.AppendUint64(dst, h.segment)
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.first))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.previous))
	dst = binary.BigEndian.AppendUint32(dst, 0)
	return binary.BigEndian.AppendUint32(dst, checksum(0, dst[start:]))
}

// parseHeader fails with errDamaged, or with ErrVersion when the header is whole but not ours.
func parseHeader(b []byte) (header, error) {
	if len(b) < headerBytes {
		return header{}, fmt.Errorf("segment header of %d bytes %w: %d bytes are there", headerBytes, errDamaged, len(b))
	}
	if string(b[:8]) != segmentMagic {
		return header{}, fmt.Errorf("segment header %w: wrong magic", errDamaged)
	}
	if checksum(0, b[:60]) != binary.BigEndian.Uint32(b[60:]) {
		return header{}, fmt.Errorf("segment header %w: wrong checksum", errDamaged)
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != formatVersion {
		return header{}, versionError(uint64(v))
	}
	h := header{
		segment:  binary.BigEndian.Uint64(b[32:]),
		first:    protocol.Index(binary.BigEndian.Uint64(b[40:])),
		previous: int64(binary.BigEndian.Uint64(b[48:])),
	}
	copy(h.directory[:], b[16:])
	return h, nil
}

func versionError(found uint64) error {
	return fmt.Errorf("%w %d: this program reads version %d; run the one that wrote it", ErrVersion, found, formatVersion)
}

func segmentName(number uint64) string {
	return fmt.Sprintf("%s/%016d%s", logDir, number, segmentExt)
}

// segmentNumber is the inverse of segmentName, for a name without its directory.
func segmentNumber(base string) (uint64, bool) {
	digits, ok := strings.CutSuffix(base, segmentExt)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0
}
