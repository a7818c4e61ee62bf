package chaos

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// conn is one accepted connection and, once dialled, the one to the upstream.
type conn struct {
	link   *link
	log    *slog.Logger
	number uint64  // the n-th that the link accepted, from 1
	born   *policy // in force when it was accepted
	client *net.TCPConn

	calls   *calls  // of a msgpack-rpc link
	answers answers // left by the upstream direction for the downstream one

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	mu     sync.Mutex // guards server, pumps, ended, closed
	server *net.TCPConn
	pumps  [2]*pump
	ended  [2]bool
	closed bool
}

// errConnClosed ends a pump whose connection has been closed by someone else.
var errConnClosed = errors.New("connection closed")

// errDial ends a connection whose upstream cannot be reached: the client sees a reset, as it would without a proxy.
var errDial = errors.New("dial failed")

func newConn(l *link, client *net.TCPConn, number uint64, p *policy) *conn {
	c := &conn{link: l, log: l.server.log.With("link", l.name, "connection", number), number: number, born: p, client: client}
	c.calls = newCalls(l.server.opts.Limits.MaxPending)
	c.ctx, c.cancel = context.WithCancel(l.server.ctx)
	return c
}

// start runs the upstream direction; the downstream one starts once the upstream is dialled.
func (c *conn) start() {
	p := newPump(c, upstream, c.client, nil)
	c.mu.Lock()
	c.pumps[upstream] = p
	c.mu.Unlock()
	c.run(p)
}

// run hands p a goroutine.
func (c *conn) run(p *pump) {
	c.link.server.wg.Go(func() {
		err := newFlow(p).run()
		switch {
		case err == nil:
			c.finish(p.dir)
		case errors.Is(err, errConnClosed), c.ctx.Err() != nil:
		default:
			c.log.Debug("connection reset", "direction", p.dir.String(), "err", err)
			if c.close(true) && !errors.Is(err, errDial) {
				c.link.metrics.reset.Inc()
			}
		}
	})
}

// flow moves what one direction carries until its end: nil once that end has been passed on.
type flow interface{ run() error }

func newFlow(p *pump) flow {
	if p.conn.link.protocol == ProtocolMsgpackRPC {
		return newFrameFlow(p)
	}
	return newByteFlow(p)
}

// connect dials the upstream and starts the downstream direction. It runs in the upstream pump.
func (c *conn) connect(upstreamAddr string) (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: c.link.server.opts.DialTimeout, Control: resetUnlessKept}
	nc, err := dialer.DialContext(c.ctx, "tcp", upstreamAddr)
	if err != nil {
		if c.ctx.Err() == nil {
			c.link.metrics.dialFailed.Inc()
			c.log.Debug("dial failed", "upstream", upstreamAddr, "err", err)
		}
		return nil, errors.Join(errDial, err)
	}
	server := nc.(*net.TCPConn)
	c.ignore(server.SetLinger(-1))
	p := newPump(c, downstream, server, c.client)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		reset(server)
		return nil, errConnClosed
	}
	c.server, c.pumps[downstream] = server, p
	c.mu.Unlock()
	c.run(p)
	return server, nil
}

// resetUnlessKept lets a dial that is given up the moment it succeeds end as everything ends that a fault
// ends: by a reset.
func resetUnlessKept(_, _ string, raw syscall.RawConn) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
	return errors.Join(controlErr, err)
}

// check ends the connection if p does not have it, and else makes its pumps look at p.
func (c *conn) check(p *policy) {
	switch {
	case p == nil || p.epoch != c.born.epoch:
		c.close(false)
	case p.effect.refuse:
		if c.close(true) {
			c.link.metrics.matched[ModeRefuse].Inc()
			c.link.metrics.reset.Inc()
		}
	default:
		c.poke()
	}
}

// poke makes both pumps look, whatever they wait for.
func (c *conn) poke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pumps[upstream]; p != nil {
		p.poke(c.server)
	}
	if p := c.pumps[downstream]; p != nil {
		p.poke(c.client)
	}
}

// wake makes one direction's pump look for what was left for it, once it does not write.
func (c *conn) wake(d direction) {
	c.mu.Lock()
	p := c.pumps[d]
	c.mu.Unlock()
	if p != nil {
		p.poke(nil)
	}
}

// errResetByToxic ends a connection that a toxic resets.
var errResetByToxic = errors.New("reset by a toxic")

// meet does what a toxic has decided about the whole connection.
func (c *conn) meet(verdict end) error {
	switch verdict {
	case endClose:
		c.close(false)
		return errConnClosed
	case endReset:
		return errResetByToxic
	}
	return nil
}

// finish says that one direction's end has been passed on. With the second the connection ends.
func (c *conn) finish(d direction) {
	c.mu.Lock()
	c.ended[d] = true
	both := c.ended[upstream] && c.ended[downstream]
	c.mu.Unlock()
	if both {
		c.close(false)
	}
}

// close closes both sides, by a reset or as ordinary ends of stream. It does not wait. Only the first
// call does anything, and returns true.
func (c *conn) close(byReset bool) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	c.closed = true
	server := c.server
	c.mu.Unlock()
	c.cancel()
	for _, side := range []*net.TCPConn{c.client, server} {
		switch {
		case side == nil:
		case byReset:
			reset(side)
		default:
			c.ignore(side.Close())
		}
	}
	c.link.forget(c)
	return true
}

// ignore notes an error of a connection that is being given up anyway.
func (c *conn) ignore(err error) {
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.log.Debug("close", "err", err)
	}
}

// reset closes c so that its peer sees a reset. There is nothing to do about an error: c is gone either way.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
