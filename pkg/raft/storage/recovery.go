package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"whitewater/pkg/raft/protocol"
)

// recovery reads a directory's log. It changes nothing on disk; repair.go acts on what it finds.
type recovery struct {
	volume    *volume
	logger    *slog.Logger
	directory directoryID
	mark      mark

	state  protocol.State // Entries follow floor
	base   base           // the newest
	first  uint64         // number of the first segment that is read
	closed closedSegments
	tail   tail
	// floor is the index before the first entry. While it is above what the log has compacted, the
	// segments that held what is between were removed, and a record that says so must follow.
	floor protocol.Index
	// leftovers are segments before a gap in the numbers: they were removed, and a loss of power gave them back.
	leftovers []uint64
}

// tail is how the last segment ends.
type tail struct {
	segment *handle
	number  uint64
	first   protocol.Index // for the header, should the segment be begun anew
	before  int64          // length of the segment before; 0 for the first
	last    int64          // where the last whole batch begins; 0 if the header precedes it
	end     int64          // where the last whole batch ends; 0 if there is none
	size    int64          // of the file; what lies between end and size is a tear
}

// read takes in all segments. On success the last one is open in r.tail.
func (r *recovery) read() error {
	numbers, err := r.segments()
	if err != nil {
		return err
	}
	r.first = numbers[0]
	for i, number := range numbers {
		err := r.readSegment(number, i == len(numbers)-1)
		if err != nil {
			return err
		}
	}
	if r.floor > r.base.compacted.Index {
		return r.missing(r.first-1, fmt.Sprintf("the log begins behind index %d and must hold all from index %d",
			r.floor, r.base.compacted.Index+1))
	}
	r.state.Compacted = r.base.compacted
	return nil
}

// segments lists the segments' numbers behind the last gap, which must run to at least the marked one. What is
// before a gap goes with what is missing there: read finds out whether a record says that none of it is needed.
func (r *recovery) segments() ([]uint64, error) {
	names, err := r.volume.fs.ReadDir(r.volume.path(logDir))
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names { // sorted, and so are the numbers: all have 16 digits
		number, ok := segmentNumber(name)
		if !ok {
			if !isTornCopy(name) {
				r.logger.Warn("ignored unknown file", "file", r.volume.path(logDir+"/"+name))
			}
			continue
		}
		if n := len(numbers); n > 0 && number != numbers[n-1]+1 {
			r.leftovers, numbers = append(r.leftovers, numbers...), nil
		}
		numbers = append(numbers, number)
	}
	if len(numbers) == 0 {
		return nil, r.missing(1, "the directory once had it")
	}
	if have := numbers[len(numbers)-1]; r.mark.segment > have {
		return nil, r.missing(have+1, fmt.Sprintf("entries in segment %d were acknowledged", r.mark.segment))
	}
	return numbers, nil
}

func (r *recovery) missing(number uint64, why string) error {
	return r.volume.corrupt(segmentName(number), 0, fmt.Errorf("segment %d is missing, but %s", number, why))
}

func (r *recovery) readSegment(number uint64, last bool) (err error) {
	h, err := r.volume.open(segmentName(number))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil || !last {
			err = errors.Join(err, h.Close())
		}
	}()
	size, err := h.Size()
	if err != nil {
		return err
	}
	if number != r.first { // the segment before ended without a tear
		r.closed = append(r.closed, closedSegment{number - 1, r.tail.size, r.nextIndex() - 1})
	}
	r.tail = tail{segment: h, number: number, first: r.nextIndex(), before: r.tail.size, size: size}
	bad, damage, err := r.readBatches()
	if err != nil {
		return err
	}
	if damage == nil && r.mark.segment == number && r.mark.offset > size {
		bad, damage = size, fmt.Errorf("the file ends, but was synced through offset %d", r.mark.offset)
	}
	if damage == nil {
		return nil
	}
	return r.judge(bad, damage, last)
}

func (r *recovery) nextIndex() protocol.Index {
	return r.floor + protocol.Index(len(r.state.Entries)) + 1
}

// readBatches reads the segment in r.tail. Where bytes do not verify it returns their offset and why.
func (r *recovery) readBatches() (bad int64, damage, err error) {
	t := &r.tail
	if damage, err := r.readHeader(); damage != nil || err != nil {
		return 0, damage, err
	}
	s := newScanner(t.segment, place{r.directory, t.number, headerBytes}, t.size)
	for {
		batch, err := s.next()
		switch {
		case errors.Is(err, io.EOF) && t.end > 0:
			return 0, nil, nil
		case errors.Is(err, io.EOF):
			return headerBytes, fmt.Errorf("first batch %w: the file ends behind the header", errDamaged), nil
		case errors.Is(err, errDamaged):
			return s.at.offset, err, nil
		case err != nil:
			return 0, nil, err
		}
		if err := r.take(batch, t.end == 0); err != nil {
			return 0, nil, r.volume.corrupt(t.segment.name, s.last, err)
		}
		if t.last = s.last; t.end == 0 {
			t.last = 0 // the header was written with the first batch
		}
		t.end = s.at.offset
	}
}

// readHeader checks the header of the segment in r.tail against its name and the segment before.
func (r *recovery) readHeader() (damage, err error) {
	t := &r.tail
	buf := make([]byte, min(headerBytes, t.size))
	if _, err := t.segment.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, readError(t.segment.name, 0, err)
	}
	got, err := parseHeader(buf)
	if errors.Is(err, errDamaged) {
		return err, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.volume.path(t.segment.name), err)
	}
	if t.number == r.first && t.number > 1 && got.first > 0 { // what came before is told by the header alone
		t.first, t.before, r.floor = got.first, got.previous, got.first-1
	}
	if want := (header{r.directory, t.number, t.first, t.before}); got != want {
		return nil, r.volume.corrupt(t.segment.name, 0, fmt.Errorf(
			"segment %d of directory %v (first index %d, %d bytes before) stands where segment %d of directory %v (%d, %d) belongs",
			got.segment, got.directory, got.first, got.previous, want.segment, want.directory, want.first, want.previous))
	}
	return nil, nil
}

// judge decides what bytes that do not verify are: damage, which it returns as an error, or the tear
// of the last write, which it leaves in r.tail.
func (r *recovery) judge(bad int64, damage error, last bool) error {
	t := &r.tail
	name := t.segment.name
	switch {
	case r.volume.mutation.Is("torn-tail-fatal"):
		return r.volume.corrupt(name, bad, damage)
	case r.volume.mutation.Is("bad-middle-cut") && last:
		return nil
	case !last:
		return r.volume.corrupt(name, bad, fmt.Errorf("%w (and a segment follows)", damage))
	case r.mark.covers(t.number, bad):
		return r.volume.corrupt(name, bad, fmt.Errorf("%w (and it was synced through offset %d)", damage, r.mark.offset))
	case t.number == r.first && t.end == 0:
		return r.volume.corrupt(name, bad, fmt.Errorf("%w (and it was synced before there was no segment before it)", damage))
	}
	from := place{r.directory, t.number, max(bad, headerBytes)}
	offset, found, err := findBatch(t.segment, from, t.size)
	if err != nil {
		return err
	}
	if found {
		return r.volume.corrupt(name, bad, fmt.Errorf("%w (and a whole batch follows at offset %d)", damage, offset))
	}
	return nil
}
