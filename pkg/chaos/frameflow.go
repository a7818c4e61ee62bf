package chaos

import (
	"errors"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/wire"
)

// frameFlow is one direction of a connection of a msgpack-rpc link: requests upstream, replies downstream.
//
// Its goroutine alone writes to its destination. While its direction is cut, and until the upstream has been
// dialled, it reads frames and discards them, and keeps an end of the stream to itself.
type frameFlow struct {
	*pump
	metrics  *linkMetrics
	scanner  *wire.Scanner
	policy   *policy // that of the last look
	synced   *policy // that of the chain
	chain    chain
	delayed  delayQueue
	scratch  []byte
	counters map[frameKey]prometheus.Counter

	passing bool  // the frame whose slices come out of the chain is being forwarded
	end     error // what ended the reading
	muted   bool  // that end came while the direction was cut
	queued  bool  // the end of the stream is in the chain
	deaf    bool  // the destination is gone, and its end may not be passed on
	done    bool
}

func newFrameFlow(p *pump) *frameFlow {
	f := &frameFlow{pump: p, metrics: p.conn.link.metrics, counters: make(map[frameKey]prometheus.Counter)}
	f.scanner = wire.NewScanner(readerFunc(p.read), p.conn.link.server.opts.Limits.wire())
	return f
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// run implements flow.
func (f *frameFlow) run() error {
	for {
		wake, err := f.turn()
		if err != nil || f.done {
			return err
		}
		if f.end != nil || f.full() {
			f.pause(wake)
			continue
		}
		if !f.arm(wake) {
			continue
		}
		frame, err := f.scanner.Next()
		switch {
		case err == nil:
			err = f.receive(frame)
		case !f.interrupted(err):
			f.end = err
		default:
			err = nil
		}
		if isProtocolError(err) {
			return f.refuse(err)
		}
		if err != nil && f.end == nil {
			return err
		}
	}
}

// turn applies what has changed, forwards what is due, and says when the next is.
func (f *frameFlow) turn() (wake time.Time, err error) {
	if f.policy, err = f.look(); err != nil {
		return time.Time{}, err
	}
	if f.dst == nil {
		if f.policy.effect.hole() {
			f.muted = f.muted || f.end != nil
			return time.Time{}, nil
		}
		if f.end == nil {
			if f.dst, err = f.conn.connect(f.policy.upstream); err != nil {
				return time.Time{}, err
			}
		}
	}
	if f.deaf && !f.cut(f.dir.opposite()) {
		return time.Time{}, errPeerGone
	}
	if f.synced != f.policy {
		f.sync()
	}
	if f.dir == downstream {
		if err := f.sendAnswers(); err != nil {
			return time.Time{}, err
		}
	}
	if wake, err = f.sendDelayed(); err != nil {
		return time.Time{}, err
	}
	if err := f.settle(); err != nil {
		return time.Time{}, err
	}
	due, err := f.flush()
	return earlier(wake, due), err
}

// errPeerGone ends a connection one of whose ends went away while it could not be told.
var errPeerGone = errors.New("one end went away during a partition")

func (f *frameFlow) cut(d direction) bool { return f.policy.effect.cut[d] }

func (f *frameFlow) sync() {
	started := f.chain.sync(time.Now(), f.policy.toxics[f.dir], f.site())
	for _, t := range started {
		f.metrics.matched[t.typ].Inc()
	}
	f.synced = f.policy
}

// full reports whether so much waits that no more may be read.
func (f *frameFlow) full() bool {
	held := f.delayed.bytes
	if f.chain.active() {
		held += f.chain.held()
	}
	if f.dir == upstream {
		held += f.conn.answers.held()
	}
	return held > 0 && held >= f.conn.link.server.opts.Limits.MaxBufferedBytes
}

// settle passes the end of the stream on once everything before it has gone, and if it may be.
func (f *frameFlow) settle() error {
	switch {
	case f.end == nil || f.queued:
		return nil
	case f.cut(f.dir):
		f.muted = true
		return nil
	case f.muted || f.dst == nil:
		return errPeerGone
	case !errors.Is(f.end, io.EOF) && !errors.Is(f.end, io.ErrUnexpectedEOF):
		return f.end
	case f.delayed.len() > 0:
		return nil
	}
	f.queued = true
	f.chain.push(time.Now(), chunk{received: time.Now(), end: endStream})
	return nil
}

// refuse closes a connection for what came over it.
func (f *frameFlow) refuse(err error) error {
	f.metrics.protocolErrors.Inc()
	f.conn.log.Warn("connection closed: bad frame", "direction", f.dir.String(), "peer", f.src.RemoteAddr().String(), "err", err)
	f.conn.close(false)
	return errConnClosed
}

var (
	errWrongWay = errors.New("a response on the client's side or a request on the server's")
	errUnasked  = errors.New("a response to no request")
)

func isProtocolError(err error) bool {
	for _, bad := range []error{wire.ErrMalformed, wire.ErrFrameTooLarge, errWrongWay, errUnasked, errTooManyCalls} {
		if errors.Is(err, bad) {
			return true
		}
	}
	return false
}

// emit sends a whole frame towards the destination, through the toxics if there are any. Data is the caller's again afterwards.
func (f *frameFlow) emit(data []byte, received time.Time, call uint32) error {
	if !f.chain.active() {
		return f.deliver(data, call, true)
	}
	f.chain.push(time.Now(), chunk{data: append([]byte(nil), data...), received: received, begins: true, call: call})
	_, err := f.flush()
	return err
}

// flush writes what has come through the toxics, and says when more will.
func (f *frameFlow) flush() (due time.Time, err error) {
	for !f.done {
		c, ok, due := f.chain.pop(time.Now())
		switch {
		case !ok:
			return due, nil
		case c.end == endClose || c.end == endReset:
			return due, f.conn.meet(c.end)
		case c.end == endStream && f.cut(f.dir):
			f.queued = false // settle waits for the healing
			return due, f.settle()
		case c.end == endStream:
			f.done = true
			f.conn.ignore(f.dst.CloseWrite())
		default:
			if err := f.deliver(c.data, c.call, c.begins); err != nil {
				return due, err
			}
		}
	}
	return time.Time{}, nil
}

// deliver writes a frame, or a slice of one. The decision whether it passes falls at its first byte.
func (f *frameFlow) deliver(data []byte, call uint32, begins bool) error {
	if begins {
		policy := f.conn.link.policy()
		if policy == nil {
			return errConnClosed
		}
		f.passing = !policy.effect.cut[f.dir] && !f.deaf
		if !f.passing {
			f.conn.calls.end(call)
			f.blackHole()
		}
	}
	if !f.passing {
		return nil
	}
	err := f.write(data, f.reconsider)
	if err != nil && f.conn.link.policy() != nil && f.conn.link.policy().effect.cut[f.dir.opposite()] {
		f.deaf, f.passing = true, false
		return nil
	}
	return err
}

// reconsider is for a write that has been interrupted: the frame is completed whatever has changed, unless the connection ends.
func (f *frameFlow) reconsider() (due time.Time, err error) {
	if f.policy, err = f.look(); err != nil {
		return time.Time{}, err
	}
	if f.synced != f.policy {
		f.sync()
	}
	due = f.chain.advance(time.Now())
	return due, f.conn.meet(f.chain.verdict)
}

// blackHole counts a frame that a partition swallows.
func (f *frameFlow) blackHole() {
	kind := wire.Request
	if f.dir == downstream {
		kind = wire.Response
	}
	f.metrics.matched[actionBlackHole].Inc()
	f.metrics.affected[affectedKey{kind, actionBlackHole}].Inc()
}

// sendAnswers sends what the upstream direction left.
func (f *frameFlow) sendAnswers() error {
	frames := f.conn.answers.take()
	for _, frame := range frames {
		if err := f.emit(frame, time.Now(), 0); err != nil {
			return err
		}
	}
	if len(frames) > 0 {
		f.conn.wake(upstream)
	}
	return nil
}
