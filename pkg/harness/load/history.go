package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// recorder writes operations as lines of JSON, each in one write.
type recorder struct {
	mu sync.Mutex // guards w
	w  io.Writer  // nil: nothing is written
}

func newRecorder(w io.Writer) *recorder { return &recorder{w: w} }

func (r *recorder) write(op Operation) error {
	if r.w == nil {
		return nil
	}
	line, err := json.Marshal(op)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = r.w.Write(append(line, '\n'))
	return err
}

// WriteHistory writes one operation a line.
func WriteHistory(w io.Writer, history []Operation) error {
	buffered := bufio.NewWriter(w)
	r := newRecorder(buffered)
	for _, op := range history {
		if err := r.write(op); err != nil {
			return fmt.Errorf("write operation %d: %w", op.ID, err)
		}
	}
	return buffered.Flush()
}

// maxLineBytes bounds one operation of a stored history.
const maxLineBytes = 64 << 20

// ReadHistory reads what WriteHistory or Options.Record wrote. A last line without its end is left out:
// the writer was killed.
func ReadHistory(r io.Reader) ([]Operation, error) {
	var history []Operation
	reader := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		line, err := readLine(reader)
		if errors.Is(err, io.EOF) {
			return history, nil
		}
		if err != nil {
			return nil, fmt.Errorf("history line %d: %w", number, err)
		}
		op, err := decodeOperation(line)
		if err != nil {
			return nil, fmt.Errorf("history line %d: %w", number, err)
		}
		history = append(history, op)
	}
}

var errLongLine = errors.New("line too long")

// readLine returns a whole line without its end; io.EOF also for one that has no end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLineBytes {
			return nil, errLongLine
		}
		line = append(line, part...)
		if err == nil {
			return bytes.TrimSuffix(line, []byte("\n")), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}

func decodeOperation(line []byte) (Operation, error) {
	var op Operation
	if err := json.Unmarshal(line, &op); err != nil {
		return Operation{}, err
	}
	if _, ok := defaultMix()[op.Kind]; !ok {
		return Operation{}, fmt.Errorf("operation %d is of unknown kind %q", op.ID, op.Kind)
	}
	switch op.Outcome {
	case OK, Failed, Unknown:
	default:
		return Operation{}, fmt.Errorf("operation %d has unknown outcome %q", op.ID, op.Outcome)
	}
	if op.Return < op.Call {
		return Operation{}, fmt.Errorf("operation %d returned before its call", op.ID)
	}
	return op, nil
}
