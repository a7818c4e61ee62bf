package wire

import (
	"context"
	"fmt"
	"net"
	"net/rpc"
	"slices"
	"time"
)

// session is one connection of a Client, from the dial on. Its goroutine dials, then hands queued calls to net/rpc
// in order; net/rpc's own goroutine reads the responses. All fields are guarded by Client.mu.
type session struct {
	client      *Client
	queue       []*Call
	issued      uint64        // calls ever queued: their ids are below it
	outstanding int           // calls queued and not yet finished
	retired     bool          // takes no more calls; ends when none is outstanding
	wake        chan struct{} // capacity 1: something above has changed
}

// dialLocked makes a session, which takes calls at once.
func (c *Client) dialLocked() {
	s := &session{client: c, wake: make(chan struct{}, 1)}
	c.session = s
	c.metrics.state(Connecting)
	c.wg.Go(s.run)
}

// retireLocked has the session's successor dialled by the next call.
func (c *Client) retireLocked() {
	c.session.retired = true
	c.session.signal()
	c.session = nil
	c.metrics.state(Idle)
}

func (s *session) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *session) addLocked(call *Call) {
	call.session = s
	s.queue = append(s.queue, call)
	s.issued++
	s.outstanding++
	s.signal()
}

func (s *session) removeLocked(call *Call) bool {
	i := slices.Index(s.queue, call)
	if i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
	return i >= 0
}

// take returns the next call to send, if any, and whether the session has nothing more to do.
func (s *session) take() (call *Call, finished bool) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, s.retired && s.outstanding == 0
	}
	call = s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return call, false
}

func (s *session) run() {
	c := s.client
	conn, err := c.dial()
	c.metrics.dialed(err)
	if err != nil {
		s.end(fmt.Errorf("dial: %w", err), false)
		return
	}
	c.mu.Lock()
	if c.session == s {
		c.metrics.state(Connected)
	}
	c.mu.Unlock()
	c.options.Logger.Debug("connected", "peer", c.options.Address)
	s.serve(conn)
}

func (c *Client) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.options.DialTimeout)
	defer cancel()
	return c.options.Dial(ctx, c.options.Address)
}

// serve carries calls over conn until it is lost or the session has finished.
func (s *session) serve(conn net.Conn) {
	c := s.client
	options := codecOptions{limits: c.options.Limits, frameTimeout: c.options.FrameTimeout, writeTimeout: c.options.WriteTimeout}
	codec := newClientCodec(conn, options, c.options.Codes, newDecoder(c.handle), c.metrics.received)
	stop := context.AfterFunc(c.ctx, func() { _ = codec.Close() })
	defer stop()
	client := rpc.NewClientWithCodec(codec)
	for {
		s.send(client, codec)
		select {
		case <-s.wake:
		case <-codec.done:
			cause, received := codec.ended()
			s.end(cause, received)
			return
		}
	}
}

// send hands all that is queued to net/rpc.
func (s *session) send(client *rpc.Client, codec *clientCodec) {
	for {
		call, finished := s.take()
		if finished {
			_ = codec.Close()
		}
		if call == nil {
			return
		}
		client.Go(call.method, call, call, call.done)
	}
}

// end fails what was never sent and, unless the connection had proved itself, starts a backoff.
func (s *session) end(cause error, proved bool) {
	c := s.client
	c.options.Logger.Debug("disconnected", "peer", c.options.Address, "err", cause)
	c.mu.Lock()
	queue := s.queue
	s.queue = nil
	if c.session == s {
		c.session = nil
		c.pauseLocked(cause, proved)
	}
	closed := c.closed
	c.mu.Unlock()
	for _, call := range queue {
		call.releaseEncoder()
		if closed {
			call.fail(ErrClientClosed)
		} else {
			call.fail(unreachable(cause))
		}
	}
}

// pauseLocked draws the time before the next dial: full jitter, so that clients that lost the
// same peer at once do not come back at once.
func (c *Client) pauseLocked(cause error, proved bool) {
	if proved {
		c.failures = 0
		c.metrics.state(Idle)
		return
	}
	limit := c.options.BackoffMin
	for range c.failures {
		if limit *= 2; limit >= c.options.BackoffMax {
			limit = c.options.BackoffMax
			break
		}
	}
	c.failures++
	c.lastErr = cause
	c.retryAt = c.options.Now().Add(time.Duration(c.options.Rand.Int64N(int64(limit) + 1)))
	c.metrics.state(Backoff)
}
