package observe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"whitewater/pkg/harness/jsonlines"
)

var (
	// ErrGap is returned when a line of an event log is missing or out of place: no judge may rest on such a log.
	ErrGap = errors.New("gap in the event log")
	// ErrTornLine is returned for a damaged line that is not the last of its incarnation.
	ErrTornLine = errors.New("damaged line in the event log")
)

// ReadEvents reads a node's whole event log, over all its incarnations, and proves it gap-free.
func ReadEvents(path string) ([]Event, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	events, err := DecodeEvents(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("event log %s: %w", path, err)
	}
	return events, nil
}

// DecodeEvents is ReadEvents for an open file.
func DecodeEvents(r io.Reader) ([]Event, error) {
	var events []Event
	var d decoder
	reader := jsonlines.NewReader(r)
	for {
		line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return events, nil // what stands behind the last end of line is torn
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", d.lines+1, err)
		}
		event, ok, err := d.next(line)
		if err != nil {
			return nil, err
		}
		if ok {
			events = append(events, event)
		}
	}
}

// decoder reads the lines of one log in order and keeps what the next one must continue.
type decoder struct {
	lines int
	inc   string
	seq   uint64
	past  map[string]bool // incarnations that ended
	torn  int             // the damaged line before this one, 0 for none
}

// next decodes a line. ok is false for a torn one, which only the start of an incarnation may follow.
func (d *decoder) next(line []byte) (e Event, ok bool, err error) {
	d.lines++
	e, err = decodeEvent(line)
	if err != nil {
		// The killed process left half a line, and its successor wrote on behind it.
		successor, found := afterTear(line)
		if !found {
			if d.torn != 0 {
				return Event{}, false, fmt.Errorf("line %d: %w", d.torn, ErrTornLine)
			}
			d.torn = d.lines
			return Event{}, false, nil
		}
		e = successor
	}
	if d.torn != 0 && e.Seq != 1 {
		return Event{}, false, fmt.Errorf("line %d: %w: it is followed by more of its incarnation", d.torn, ErrTornLine)
	}
	d.torn = 0
	if err := d.follow(e); err != nil {
		return Event{}, false, fmt.Errorf("line %d: %w", d.lines, err)
	}
	return e, true, nil
}

// follow demands that e continues the log: the next of its incarnation, or the first of a new one.
func (d *decoder) follow(e Event) error {
	if e.Inc == d.inc && d.lines > 1 {
		if e.Seq != d.seq+1 {
			return fmt.Errorf("%w: seq %d follows %d in incarnation %q", ErrGap, e.Seq, d.seq, e.Inc)
		}
		d.seq = e.Seq
		return nil
	}
	if e.Seq != 1 {
		return fmt.Errorf("%w: incarnation %q begins with seq %d", ErrGap, e.Inc, e.Seq)
	}
	if d.past[e.Inc] {
		return fmt.Errorf("%w: incarnation %q comes back", ErrGap, e.Inc)
	}
	if d.past == nil {
		d.past = map[string]bool{}
	}
	d.past[d.inc] = d.inc != ""
	d.inc, d.seq = e.Inc, 1
	return nil
}

func decodeEvent(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return Event{}, err
	}
	if e.Seq == 0 || e.Event == "" {
		return Event{}, errors.New("no event: seq or name is missing")
	}
	switch e.Event {
	case EventAppend, EventCommit, EventApply:
		if e.First == 0 || e.Last < e.First || uint64(len(e.Entries)) != e.Last-e.First+1 {
			return Event{}, fmt.Errorf("%s of %d to %d with %d entries", e.Event, e.First, e.Last, len(e.Entries))
		}
	case EventSnapshot, EventInstall:
		if e.Last == 0 || e.First > e.Last {
			return Event{}, fmt.Errorf("%s up to %d, of a log that begins behind %d", e.Event, e.Last, e.First)
		}
	}
	return e, nil
}

// afterTear finds the first event of the next incarnation behind half a line.
func afterTear(line []byte) (Event, bool) {
	for from := 1; from < len(line); from++ {
		i := bytes.Index(line[from:], []byte(`{"`))
		if i < 0 {
			return Event{}, false
		}
		from += i
		if e, err := decodeEvent(line[from:]); err == nil && e.Seq == 1 {
			return e, true
		}
	}
	return Event{}, false
}
