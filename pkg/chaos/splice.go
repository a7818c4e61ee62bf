package chaos

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// splicer copies from socket to socket through a pipe, inside the kernel (splice(2)).
//
// io.Copy does the same, but it counts nothing until it returns, and what its pipe holds when a write is
// interrupted is lost. Here bytes count as they move, and an interruption leaves them in the pipe.
type splicer struct {
	pipes *pipes
	pipe  *pipe // nil while nothing is on its way, so that an idle connection holds none
}

type pipe struct {
	r, w int
	held int // bytes
}

const pipeBytes = 1 << 20 // asked for, and most moved at once

// copy copies until src ends (io.EOF), one side's deadline passes, or stop says so, adding to received and sent as it goes.
// What it has received and not sent stays in the pipe.
func (s *splicer) copy(dst, src *net.TCPConn, received, sent *atomic.Uint64, stop func() bool) error {
	in, err := src.SyscallConn()
	if err != nil {
		return err
	}
	out, err := dst.SyscallConn()
	if err != nil {
		return err
	}
	for {
		if s.pipe == nil || s.pipe.held == 0 {
			n, err := s.fill(in.Read)
			received.Add(uint64(n))
			if err != nil {
				return err
			}
		}
		for s.pipe.held > 0 {
			if stop() {
				return nil
			}
			n, err := s.empty(out.Write)
			sent.Add(uint64(n))
			if err != nil {
				return err
			}
		}
	}
}

// fill moves what the socket has into the pipe, waiting for the first byte.
func (s *splicer) fill(when func(func(fd uintptr) bool) error) (int, error) {
	var n int
	var err error
	waitErr := when(func(fd uintptr) bool {
		if s.pipe == nil {
			if s.pipe, err = s.pipes.get(); err != nil {
				return true
			}
		}
		n, err = splice(int(fd), s.pipe.w, pipeBytes)
		if errors.Is(err, unix.EAGAIN) {
			s.release()
			return false
		}
		return true
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, &net.OpError{Op: "splice", Net: "tcp", Err: os.NewSyscallError("splice", err)}
	case n == 0:
		return 0, io.EOF
	}
	s.pipe.held += n
	return n, nil
}

// empty moves what the pipe has into the socket, waiting for room.
func (s *splicer) empty(when func(func(fd uintptr) bool) error) (int, error) {
	var n int
	var err error
	waitErr := when(func(fd uintptr) bool {
		n, err = splice(s.pipe.r, int(fd), s.pipe.held)
		return !errors.Is(err, unix.EAGAIN)
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, &net.OpError{Op: "splice", Net: "tcp", Err: os.NewSyscallError("splice", err)}
	}
	s.pipe.held -= n
	return n, nil
}

func splice(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if !errors.Is(err, unix.EINTR) {
			return int(max(n, 0)), err
		}
	}
}

// takeBack returns the bytes that are in the pipe.
func (s *splicer) takeBack() ([]byte, error) {
	if s.pipe == nil || s.pipe.held == 0 {
		return nil, nil
	}
	rest := make([]byte, s.pipe.held)
	for got := 0; got < len(rest); {
		n, err := unix.Read(s.pipe.r, rest[got:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, fmt.Errorf("take %d bytes back from a pipe: %w", s.pipe.held, err)
		default:
			got += n
		}
	}
	s.pipe.held = 0
	s.release()
	return rest, nil
}

// release gives the pipe back.
func (s *splicer) release() {
	if s.pipe != nil {
		s.pipes.put(s.pipe)
		s.pipe = nil
	}
}

// pipes keeps a few empty pipes for whoever needs one next.
type pipes struct {
	mu     sync.Mutex // guards idle, closed
	idle   []*pipe
	closed bool
}

const maxIdlePipes = 32

func newPipes() *pipes { return &pipes{} }

func (p *pipes) get() (*pipe, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		last := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return last, nil
	}
	p.mu.Unlock()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	// A smaller pipe, where no more is allowed, works as well.
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeBytes)
	return &pipe{r: fds[0], w: fds[1]}, nil
}

func (p *pipes) put(x *pipe) {
	p.mu.Lock()
	keep := x.held == 0 && !p.closed && len(p.idle) < maxIdlePipes
	if keep {
		p.idle = append(p.idle, x)
	}
	p.mu.Unlock()
	if !keep {
		x.close()
	}
}

func (p *pipes) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, x := range idle {
		x.close()
	}
}

// close has no error to act on: the pipe is gone either way.
func (x *pipe) close() {
	_ = unix.Close(x.r)
	_ = unix.Close(x.w)
}
