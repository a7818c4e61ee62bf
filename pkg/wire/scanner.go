package wire

import (
	"errors"
	"io"
)

const (
	firstBuffer   = 4 << 10
	keptBuffer    = 64 << 10 // a larger buffer is given back once frames have become small
	smallInARow   = 64
	internedNames = 64
)

// Scanner cuts a stream into frames without decoding their bodies. It reads ahead into a buffer that
// grows only with bytes that really arrived, and refuses a frame over its limits as soon
// as its heads show it.
type Scanner struct {
	r      io.Reader
	limits Limits

	buf        []byte // buf[start:end] has been read and not yet returned
	start, end int
	extent     extent // of the frame at start
	taken      uint64 // frames returned so far
	small      int    // frames in a row that fitted a quarter of buf
	readErr    error  // came with the last bytes
	err        error  // the stream is lost for good
	names      map[string]string
}

// NewScanner returns a Scanner that reads from r. Its buffer makes any other one superfluous.
func NewScanner(r io.Reader, limits Limits) *Scanner {
	return &Scanner{r: r, limits: limits.withDefaults(), extent: newExtent(), names: make(map[string]string)}
}

// Next returns the next frame, which is valid until the next call of Next.
//
// At the end of the stream it returns io.EOF, or io.ErrUnexpectedEOF inside a frame. A frame that is malformed
// or over a limit yields a FrameError, and so does every later call. Any other error is the reader's own;
// after one that passes, such as a missed read deadline, Next goes on where it was and no byte is lost.
func (s *Scanner) Next() (Frame, error) {
	for s.err == nil {
		if err := checkHead(s.buf[s.start:s.end]); err != nil {
			s.err = err
			break
		}
		done, err := s.extent.walk(s.buf[s.start:s.end], s.limits)
		if err != nil {
			s.err = err
			break
		}
		if done {
			return s.take()
		}
		if err := s.fill(); err != nil {
			return Frame{}, err
		}
	}
	return Frame{}, s.err
}

// Partial returns the bytes received of a frame that is not complete. It is meaningful after Next
// returned an error, and valid until the next call of Next.
func (s *Scanner) Partial() []byte { return s.buf[s.start:s.end] }

func (s *Scanner) take() (Frame, error) {
	n := int(s.extent.pos)
	f, method, err := splitFrame(s.buf[s.start : s.start+n : s.start+n])
	if err != nil {
		s.err = err
		return Frame{}, err
	}
	f.Method = s.intern(method)
	s.start += n
	s.taken++
	s.extent = newExtent()
	if n > len(s.buf)/4 {
		s.small = 0
	} else {
		s.small++
	}
	return f, nil
}

// intern returns name as a string, without allocating for the few methods that a connection uses.
func (s *Scanner) intern(name []byte) string {
	if len(name) == 0 {
		return ""
	}
	if known, ok := s.names[string(name)]; ok {
		return known
	}
	known := string(name)
	if len(s.names) < internedNames {
		s.names[known] = known
	}
	return known
}

// fill reads once, into a buffer with room.
func (s *Scanner) fill() error {
	if err := s.readErr; err != nil {
		s.readErr = nil
		return s.ended(err)
	}
	s.makeRoom()
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		s.readErr = err
		return nil
	}
	if err == nil {
		return nil
	}
	return s.ended(err)
}

func (s *Scanner) ended(err error) error {
	if errors.Is(err, io.EOF) && s.start < s.end {
		return io.ErrUnexpectedEOF
	}
	return err
}

// makeRoom leaves at least one free byte behind end. A full buffer's content moves to the front, or, when it fills all of it,
// to a buffer twice as long, but never longer than the frame limit.
func (s *Scanner) makeRoom() {
	if s.start == s.end {
		s.start, s.end = 0, 0
	}
	held := s.end - s.start
	switch {
	case len(s.buf) > keptBuffer && s.small > smallInARow && held < firstBuffer, len(s.buf) == 0:
		s.move(firstBuffer)
	case s.end < len(s.buf):
	case held == len(s.buf):
		s.move(min(2*held, max(s.limits.MaxFrameBytes, firstBuffer)))
	default:
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
}

func (s *Scanner) move(size int) {
	buf := make([]byte, size)
	s.end = copy(buf, s.buf[s.start:s.end])
	s.buf, s.start, s.small = buf, 0, 0
}
