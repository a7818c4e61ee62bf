package storage

import (
	"encoding/binary"
	"errors"
	"io/fs"
)

const (
	markMagic = "WWRAFTMK"
	markBytes = 48
)

// mark promises that everything before a place in the log was synced. It is written after each sync
// and never synced itself, so it may lag or be lost, but is never ahead: damage below it is no tear.
// The zero mark promises nothing.
type mark struct {
	segment uint64
	offset  int64
}

// covers reports whether the byte at offset of a segment was promised.
func (m mark) covers(segment uint64, offset int64) bool {
	return m.segment > segment || m.segment == segment && m.offset > offset
}

func encodeMark(d directoryID, m mark) []byte {
	b := append(make([]byte, 0, markBytes), markMagic...)
	b = append(b, d[:]...)
	b = binary.BigEndian.AppendUint64(b, m.segment)
	b = binary.BigEndian.AppendUint64(b, uint64(m.offset))
	b = binary.BigEndian.AppendUint32(b, formatVersion)
	return binary.BigEndian.AppendUint32(b, checksum(0, b))
}

// parseMark reports false for anything but a whole mark of this directory.
func parseMark(b []byte, d directoryID) (mark, bool) {
	if len(b) != markBytes || string(b[:8]) != markMagic ||
		checksum(0, b[:44]) != binary.BigEndian.Uint32(b[44:]) ||
		binary.BigEndian.Uint32(b[40:]) != formatVersion || directoryID(b[8:24]) != d {
		return mark{}, false
	}
	return mark{
		segment: binary.BigEndian.Uint64(b[24:]),
		offset:  int64(binary.BigEndian.Uint64(b[32:])),
	}, true
}

// readMark returns the zero mark when there is none that holds.
func readMark(v *volume, d directoryID) (m mark, found bool, err error) {
	h, err := v.open(markName)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	b, err := readAll(h, markBytes)
	if errors.Is(err, errDamaged) {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, err
	}
	m, found = parseMark(b, d)
	return m, found, nil
}
