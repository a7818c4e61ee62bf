package storage

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"whitewater/pkg/raft/protocol"
)

// segments reads every segment, also behind damage.
func (i *inspection) segments() error {
	names, err := i.volume.fs.ReadDir(i.volume.path(logDir))
	if err != nil {
		return err
	}
	for _, name := range names {
		number, ok := segmentNumber(name)
		if !ok {
			i.report.Ignored = append(i.report.Ignored, logDir+"/"+name)
			continue
		}
		if err := i.segment(number); err != nil {
			return err
		}
	}
	all := i.report.Segments
	for n := range all {
		if all[n].Bad < 0 || n == len(all)-1 {
			continue // whether the last one ends in a tear is for recovery to judge
		}
		if err := i.fault(i.volume.corrupt(all[n].File, all[n].Bad, fmt.Errorf("batch %w (and a segment follows)", errDamaged))); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspection) segment(number uint64) (err error) {
	h, err := i.volume.open(segmentName(number))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	size, err := h.Size()
	if err != nil {
		return err
	}
	s := SegmentReport{File: h.name, Number: number, Bytes: size, Bad: -1}
	if s.Unused = slices.Contains(i.leftovers, number); s.Unused {
		i.report.Segments = append(i.report.Segments, s)
		return nil
	}
	head := make([]byte, min(headerBytes, size))
	if _, err := h.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return readError(h.name, 0, err)
	}
	got, err := parseHeader(head)
	switch {
	case errors.Is(err, errDamaged):
		s.Bad = 0
	case err != nil:
		return fmt.Errorf("%s: %w", i.volume.path(h.name), err)
	}
	s.First = got.first
	err = i.batches(h, &s)
	i.report.Segments = append(i.report.Segments, s)
	return err
}

// batches reads the batches of one segment. Behind bytes that do not verify it goes on where a whole
// batch stands.
func (i *inspection) batches(h *handle, s *SegmentReport) error {
	at := place{i.directory, s.Number, min(headerBytes, s.Bytes)}
	for {
		scan := newScanner(h, at, s.Bytes)
		err := i.scan(scan, s)
		if !errors.Is(err, errDamaged) {
			return err
		}
		if s.Bad < 0 {
			s.Bad = scan.at.offset
		}
		bad := scan.at.offset
		scan.at.offset += alignment
		offset, found, err := findBatch(h, scan.at, s.Bytes)
		if err != nil || !found {
			return err
		}
		if err := i.fault(i.volume.corrupt(h.name, bad, fmt.Errorf("batch %w (and a whole batch follows at offset %d)", errDamaged, offset))); err != nil {
			return err
		}
		at.offset = offset
	}
}

// scan reads whole batches up to the end, where it returns nil, or to what does not verify.
func (i *inspection) scan(scan *scanner, s *SegmentReport) error {
	for {
		b, err := scan.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.Batches++
		err = decodeBatch(b, &tally{i, s, scan.last})
		if err == nil {
			continue
		}
		if err := i.fault(i.volume.corrupt(scan.name, scan.last, err)); err != nil {
			return err
		}
	}
}

// tally counts the records of one batch.
type tally struct {
	*inspection
	segment *SegmentReport
	offset  int64
}

func (t *tally) show(format string, args ...any) {
	if t.visit != nil {
		t.visit(RecordReport{t.segment.File, t.offset, fmt.Sprintf(format, args...)})
	}
}

func (t *tally) state(h protocol.HardState) error {
	t.segment.HardStates++
	t.show("term %d, vote %q", h.Term, h.VotedFor)
	return nil
}

func (t *tally) base(b base) error {
	t.segment.Bases++
	verb := "log compacted"
	if b.reset {
		verb = "log replaced by a snapshot"
	}
	members := "no configuration"
	if text := b.snapshot.Configuration; text != "" {
		members = "configuration: " + parseConfiguration(b.snapshot.Position, []byte(text)).String()
	}
	t.show("%s through %v, newest snapshot at %v (%d bytes, checksum %08x), %s",
		verb, b.compacted, b.snapshot.Position, b.snapshot.Size, b.snapshot.Checksum, members)
	return nil
}

func (t *tally) entry(e protocol.Entry) error {
	s := t.segment
	s.Entries++
	if s.Low.Index == 0 || e.Index < s.Low.Index {
		s.Low = e.Position()
	}
	if e.Index >= s.High.Index {
		s.High = e.Position()
	}
	const line = "entry %d of term %d, %v, %d bytes, checksum %08x"
	if e.Kind != protocol.EntryConfiguration {
		t.show(line, e.Index, e.Term, e.Kind, len(e.Data), e.Checksum())
		return nil
	}
	c := parseConfiguration(e.Position(), e.Data)
	t.show(line+": %v", e.Index, e.Term, e.Kind, len(e.Data), e.Checksum(), c)
	return t.checkConfiguration(s.File, t.offset, c)
}
