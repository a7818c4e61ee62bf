package chaos

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// pump is one direction of a connection: the sockets, and the means to interrupt whoever reads from them.
// Only its own goroutine uses it, but for poke.
type pump struct {
	conn     *conn
	dir      direction
	src, dst *net.TCPConn // dst is nil until the upstream has been dialled

	poked    atomic.Bool
	wake     chan struct{} // capacity 1
	deadline time.Time     // the read deadline that src has
	stale    bool          // or had, before somebody set another one
}

func newPump(c *conn, dir direction, src, dst *net.TCPConn) *pump {
	return &pump{conn: c, dir: dir, src: src, dst: dst, wake: make(chan struct{}, 1)}
}

// poke makes the pump look at the current policy and at what was left for it, also if it waits for
// dst (nil: only if it reads). It never waits.
func (p *pump) poke(dst *net.TCPConn) {
	p.note()
	past := time.Unix(1, 0)
	p.conn.ignore(p.src.SetReadDeadline(past))
	if dst != nil {
		p.conn.ignore(dst.SetWriteDeadline(past))
	}
}

// note makes the pump look before it waits the next time.
func (p *pump) note() {
	p.poked.Store(true)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// look returns the policy in force, or an error if the connection may not be any longer. What is poked
// after look will be seen by arm or pause.
func (p *pump) look() (*policy, error) {
	p.poked.Store(false)
	policy := p.conn.link.policy()
	if policy == nil || policy.epoch != p.conn.born.epoch || p.conn.ctx.Err() != nil {
		return nil, errConnClosed
	}
	return policy, nil
}

// arm prepares a read that ends at wake (zero: never). False means that there has been a poke: look again first.
func (p *pump) arm(wake time.Time) bool {
	if p.stale && p.dst != nil {
		p.conn.ignore(p.dst.SetWriteDeadline(time.Time{}))
	}
	if p.stale || !p.deadline.Equal(wake) {
		p.conn.ignore(p.src.SetReadDeadline(wake))
		p.deadline, p.stale = wake, false
	}
	if p.poked.Load() {
		p.stale = true
		return false
	}
	return true
}

// interrupted reports whether a read ended early by a poke or at its time, with nothing lost.
func (p *pump) interrupted(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.stale = true
		return true
	}
	return false
}

// pause waits for a poke, the end of the connection, or wake (zero: never), without reading.
func (p *pump) pause(wake time.Time) {
	var due <-chan time.Time
	if !wake.IsZero() {
		timer := time.NewTimer(time.Until(wake))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-p.wake:
	case <-due:
	case <-p.conn.ctx.Done():
	}
}

// site is where this direction's toxics work.
func (p *pump) site() site {
	c := p.conn
	return site{seed: c.link.server.opts.Seed, link: c.link.name, dir: p.dir, number: c.number, born: c.born.toxics[p.dir]}
}

// writeBytes bounds one write, so that counters move while much is being written.
const writeBytes = 64 << 10

// write sends b, waiting for as long as the receiver wants. When it is poked meanwhile, or a toxic's time
// comes, it asks reconsider: an error ends it, and else the writing goes on and ends early at the time returned.
func (p *pump) write(b []byte, reconsider func() (time.Time, error)) error {
	again := false
	for {
		n, err := p.dst.Write(b[:min(len(b), writeBytes)])
		p.conn.link.metrics.sent[p.dir].Add(uint64(n))
		b = b[n:]
		if err == nil && len(b) > 0 {
			continue
		}
		if !p.interrupted(err) {
			if again {
				p.note() // reconsider took the poke for itself
			}
			return err
		}
		again = true
		due, err := reconsider()
		if err != nil {
			return err
		}
		p.conn.ignore(p.dst.SetWriteDeadline(due))
		if p.poked.Load() { // between reconsider and the deadline
			p.conn.ignore(p.dst.SetWriteDeadline(time.Unix(1, 0)))
		}
	}
}

// read reads once.
func (p *pump) read(b []byte) (int, error) {
	n, err := p.src.Read(b)
	p.conn.link.metrics.received[p.dir].Add(uint64(n))
	return n, err
}

// earlier returns the earlier of two times, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
