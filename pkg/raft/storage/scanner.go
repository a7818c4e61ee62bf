package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// scanBuffer bounds what reading a segment holds beside the batch at hand.
const scanBuffer = 256 << 10

// scanner reads the batches of one segment in order.
type scanner struct {
	name string
	at   place // of the next batch
	last int64 // where the batch that next returned begins; 0 before the first
	size int64 // of the file
	r    *bufio.Reader
}

func newScanner(h *handle, at place, size int64) *scanner {
	rest := io.NewSectionReader(h, at.offset, size-at.offset)
	return &scanner{name: h.name, at: at, size: size, r: bufio.NewReaderSize(rest, int(min(scanBuffer, size)))}
}

// next returns the next batch, verified. It fails with io.EOF where the file ends behind a whole
// batch, with errDamaged where bytes do not verify, and with anything else where reading failed.
// It allocates no more than the rest of the file.
func (s *scanner) next() ([]byte, error) {
	room := s.size - s.at.offset
	if room == 0 {
		return nil, io.EOF
	}
	head, err := s.r.Peek(int(min(batchHeadBytes, room)))
	if err != nil {
		return nil, s.readError(err)
	}
	size, err := parseBatchHead(head, s.at, room)
	if err != nil {
		return nil, err
	}
	batch := make([]byte, size)
	if _, err := io.ReadFull(s.r, batch); err != nil {
		return nil, s.readError(err)
	}
	if err := checkBatch(batch, s.at); err != nil {
		return nil, err
	}
	s.last = s.at.offset
	s.at.offset += size
	return batch, nil
}

// readError keeps a failed read from being taken for the end of the log.
func (s *scanner) readError(err error) error {
	return readError(s.name, s.at.offset, err)
}

func readError(name string, offset int64, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %s at offset %d: %w", name, offset, err)
}

// findBatch looks for a whole batch anywhere in [from.offset, size) and returns its offset. One that
// is found behind bytes that do not verify proves that those are damage and no tear.
func findBatch(h *handle, from place, size int64) (offset int64, found bool, err error) {
	window := make([]byte, min(scanBuffer, max(size-from.offset, 0)))
	for at := from; at.offset+batchHeadBytes+batchTailBytes <= size; {
		n := min(int64(len(window)), size-at.offset)
		if _, err := h.ReadAt(window[:n], at.offset); err != nil && !errors.Is(err, io.EOF) {
			return 0, false, readError(h.name, at.offset, err)
		}
		i := int64(0)
		for ; i+batchHeadBytes <= n; i += alignment {
			candidate := place{at.directory, at.segment, at.offset + i}
			whole, err := isBatch(h, window[i:n], candidate, size)
			if err != nil || whole {
				return candidate.offset, whole, err
			}
		}
		at.offset += i
	}
	return 0, false, nil
}

// isBatch reports whether a whole batch stands at a place whose first bytes are in head.
func isBatch(h *handle, head []byte, at place, size int64) (bool, error) {
	length, err := parseBatchHead(head, at, size-at.offset)
	if err != nil {
		return false, nil // not even a head
	}
	batch := make([]byte, length)
	if _, err := h.ReadAt(batch, at.offset); err != nil && !errors.Is(err, io.EOF) {
		return false, readError(h.name, at.offset, err)
	}
	return checkBatch(batch, at) == nil, nil
}
