package chaos

import (
	"errors"
	"io"
	"time"
)

// byteFlow is one direction of a connection of a byte link. Without toxics the kernel copies; with
// toxics chunks go through them. While its direction is cut it reads nothing and lets nothing out.
type byteFlow struct {
	*pump
	splicer splicer
	synced  *policy // that of the chain
	chain   chain
	buffer  []byte
	end     bool // the stream has ended, its end is in the chain
	done    bool
	held    bool // by a black hole
}

func newByteFlow(p *pump) *byteFlow {
	return &byteFlow{pump: p, splicer: splicer{pipes: p.conn.link.server.pipes}}
}

// run implements flow.
func (f *byteFlow) run() error {
	defer f.splicer.release()
	for !f.done {
		policy, err := f.look()
		if err != nil {
			return err
		}
		if f.isHeld(policy) {
			f.pause(time.Time{})
			continue
		}
		if f.dst == nil {
			if f.dst, err = f.conn.connect(policy.upstream); err != nil {
				return err
			}
		}
		if err := f.step(policy); err != nil {
			return err
		}
	}
	return nil
}

// isHeld reports whether nothing may pass: the direction is cut, or a new connection meets any cut at all.
func (f *byteFlow) isHeld(p *policy) bool {
	held := p.effect.cut[f.dir] || f.dst == nil && p.effect.hole()
	if held && !f.held {
		f.conn.link.metrics.matched[actionBlackHole].Inc()
	}
	f.held = held
	return held
}

// step moves what can be moved until the next interruption.
func (f *byteFlow) step(policy *policy) error {
	if f.synced != policy {
		if err := f.sync(policy); err != nil {
			return err
		}
	}
	due, err := f.flush()
	switch {
	case err != nil || f.done:
		return err
	case f.end || f.chain.held() >= f.conn.link.server.opts.Limits.MaxBufferedBytes:
		f.pause(due)
		return nil
	case !f.arm(due):
		return nil
	case f.chain.active():
		return f.read1()
	}
	return f.splice()
}

// sync makes the chain follow the policy. What the kernel holds for us goes through the toxics first.
func (f *byteFlow) sync(policy *policy) error {
	now := time.Now()
	for _, t := range f.chain.sync(now, policy.toxics[f.dir], f.site()) {
		f.conn.link.metrics.matched[t.typ].Inc()
	}
	f.synced = policy
	if !f.chain.active() {
		return nil
	}
	rest, err := f.splicer.takeBack()
	if len(rest) > 0 {
		f.chain.push(now, chunk{data: rest, received: now})
	}
	return err
}

// flush writes what has come through the toxics, and says when more will.
func (f *byteFlow) flush() (due time.Time, err error) {
	for !f.done {
		c, ok, due := f.chain.pop(time.Now())
		switch {
		case !ok:
			return due, nil
		case c.end == endClose || c.end == endReset:
			return due, f.conn.meet(c.end)
		case c.end == endStream:
			f.done = true
			f.conn.ignore(f.dst.CloseWrite())
		default:
			if err := f.write(c.data, f.reconsider); err != nil {
				return due, err
			}
		}
	}
	return time.Time{}, nil
}

// reconsider is for a write that has been interrupted: what is being written goes on, unless the connection ends.
func (f *byteFlow) reconsider() (due time.Time, err error) {
	policy, err := f.look()
	if err != nil {
		return time.Time{}, err
	}
	if f.synced != policy {
		if err := f.sync(policy); err != nil {
			return time.Time{}, err
		}
	}
	due = f.chain.advance(time.Now())
	return due, f.conn.meet(f.chain.verdict)
}

const readBytes = 32 << 10

// read1 reads once and gives what came to the toxics.
func (f *byteFlow) read1() error {
	if f.buffer == nil {
		f.buffer = make([]byte, readBytes)
	}
	n, err := f.read(f.buffer)
	if p := f.conn.link.policy(); p != nil && p != f.synced { // what has come after a change meets the change
		if err := f.sync(p); err != nil {
			return err
		}
	}
	if n > 0 {
		f.chain.push(time.Now(), chunk{data: append([]byte(nil), f.buffer[:n]...), received: time.Now()})
	}
	return f.ended(err)
}

// splice lets the kernel copy until an interruption.
func (f *byteFlow) splice() error {
	f.buffer = nil
	metrics := f.conn.link.metrics
	err := f.splicer.copy(f.dst, f.src, &metrics.received[f.dir], &metrics.sent[f.dir], f.poked.Load)
	return f.ended(err)
}

// ended takes in how reading went.
func (f *byteFlow) ended(err error) error {
	switch {
	case err == nil || f.interrupted(err):
		return nil
	case errors.Is(err, io.EOF):
		f.end = true
		f.chain.push(time.Now(), chunk{received: time.Now(), end: endStream})
		return nil
	}
	return err
}
