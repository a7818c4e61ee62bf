package wire

import (
	"net"
	"sync"
)

// Conn is one connection to a Server, as the methods called over it may know it. Two are equal
// if their pointers are.
type Conn struct {
	conn net.Conn
	done chan struct{}
	gate gate

	mu     sync.Mutex // guards what follows
	closed bool
	cause  error // why it ended; nil while it has not
}

// Arriver is implemented by (pointers to) arguments that want to know about their arrival. Arrived is
// called in the order in which a connection's requests arrived, before the method's goroutine starts; seq
// counts those of this connection that have such arguments, from 1 and without a gap. It must not block.
type Arriver interface {
	Arrived(conn *Conn, seq uint64)
}

// RemoteAddr is the address of the other end, of the connection alone: it proves nothing about who calls.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Done is closed once no more requests will come over the connection; replies may still leave.
func (c *Conn) Done() <-chan struct{} { return c.done }

// close closes the connection at once; the first cause is kept.
func (c *Conn) close(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if first {
		_ = c.conn.Close() // every reply was written or has failed by now
	}
}

// stopReading keeps cause for the end of the connection, which its codec brings about.
func (c *Conn) stopReading(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = cause
	}
	return c.cause
}
