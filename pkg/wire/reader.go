package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// errWoken is what a read that wake interrupted returns. No byte is lost.
var errWoken = errors.New("read interrupted")

// reader joins a connection and its Scanner. A connection may be idle for ever, but a frame that has
// begun must be complete in time; and another goroutine may wake the one that reads.
type reader struct {
	conn         net.Conn
	scanner      *Scanner
	frameTimeout time.Duration
	received     func(bytes int) // may be nil

	mu       sync.Mutex // guards what follows, and the setting of the read deadline
	woken    bool
	deadline time.Time // of the frame that has begun; zero for none
	frame    uint64    // its number
}

func newReader(conn net.Conn, limits Limits, frameTimeout time.Duration, received func(int)) *reader {
	r := &reader{conn: conn, frameTimeout: frameTimeout, received: received}
	r.scanner = NewScanner(r, limits)
	return r
}

// next returns the next frame, errWoken, or what ended the stream.
func (r *reader) next() (Frame, error) { return r.scanner.Next() }

// Read implements io.Reader for the scanner.
func (r *reader) Read(b []byte) (int, error) {
	if err := r.arm(); err != nil {
		return 0, err
	}
	n, err := r.conn.Read(b)
	if n > 0 && r.received != nil {
		r.received(n)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.woken {
		return n, errWoken
	}
	return n, malformed(len(r.scanner.Partial())+n, fmt.Sprintf("the rest did not arrive within %v", r.frameTimeout))
}

// arm sets the read deadline when a frame has begun since the last read, and lifts it when none is open.
func (r *reader) arm() error {
	partial := len(r.scanner.Partial()) > 0
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case partial && (r.deadline.IsZero() || r.frame != r.scanner.taken):
		r.deadline, r.frame = time.Now().Add(r.frameTimeout), r.scanner.taken
	case !partial && !r.deadline.IsZero():
		r.deadline = time.Time{}
	default:
		return nil
	}
	return r.setDeadlineLocked()
}

// wake makes a blocked or coming read return errWoken, until unwake.
func (r *reader) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.woken = true
	_ = r.setDeadlineLocked() // fails only on a closed connection, whose read returns by itself
}

// unwake lets reads block again. The goroutine that reads calls it, and looks
// afterwards for what it was woken for.
func (r *reader) unwake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.woken = false
	_ = r.setDeadlineLocked()
}

func (r *reader) setDeadlineLocked() error {
	if r.woken {
		return r.conn.SetReadDeadline(time.Unix(1, 0))
	}
	return r.conn.SetReadDeadline(r.deadline)
}
