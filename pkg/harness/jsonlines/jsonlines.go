package jsonlines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync"
)

// MaxLineBytes bounds one line: a batch of entries, with room.
const MaxLineBytes = 64 << 20

// errLongLine is returned by Reader.Next for a line over MaxLineBytes; the file is no record of a run.
var errLongLine = errors.New("line too long")

// Writer writes values as lines. Its Write may be called concurrently.
type Writer struct {
	mu sync.Mutex // guards w
	w  io.Writer  // nil: nothing is written
}

// NewWriter returns a Writer to w; nil drops everything.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write appends one line.
func (w *Writer) Write(value any) error {
	if w.w == nil {
		return nil
	}
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.w.Write(append(line, '\n'))
	return err
}

// Reader reads lines.
type Reader struct {
	r    *bufio.Reader
	most int // bytes in a line
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{bufio.NewReaderSize(r, 1<<16), MaxLineBytes} }

// Next returns a whole line without its end; io.EOF also for one that has no end.
func (r *Reader) Next() ([]byte, error) {
	var line []byte
	for {
		part, err := r.r.ReadSlice('\n')
		if len(line)+len(part) > r.most {
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
