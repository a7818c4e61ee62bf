package wire

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/rpc"
	"sync"
	"time"
)

// abandonedText is the error of the response that the codec makes up for an abandoned call.
const abandonedText = "abandoned"

// clientCodec is net/rpc's client side of one connection. net/rpc knows no cancellation: a call stays pending until
// its response comes. So for an abandoned call the codec makes up an error response, which frees it, and net/rpc
// discards the late one by itself, as for any id that it does not know.
type clientCodec struct {
	conn    net.Conn
	options codecOptions
	reader  *reader
	codes   Codes
	dec     decoder
	body    []byte        // of the response whose header was read last; nil for one made up
	done    chan struct{} // closed when nothing more will be read

	mu        sync.Mutex // guards what follows
	abandoned []uint64   // ids to make responses up for
	cause     error      // why the connection ended
	received  bool       // at least one frame has come
}

// codecOptions are what both codecs need.
type codecOptions struct {
	limits       Limits
	frameTimeout time.Duration
	writeTimeout time.Duration
}

func newClientCodec(conn net.Conn, options codecOptions, codes Codes, dec decoder, received func(int)) *clientCodec {
	return &clientCodec{
		conn: conn, options: options, codes: codes, dec: dec, done: make(chan struct{}),
		reader: newReader(conn, options.limits, options.frameTimeout, received),
	}
}

// WriteRequest implements rpc.ClientCodec for a body that is a *Call, whose arguments are encoded already.
// net/rpc lets one request at a time in here.
func (c *clientCodec) WriteRequest(r *rpc.Request, body any) error {
	call := body.(*Call)
	defer call.releaseEncoder()
	if r.Seq > math.MaxUint32 {
		return fmt.Errorf("%w: its request ids have run out", ErrUnreachable)
	}
	if !call.begin(c, r.Seq) {
		return call.ctx.Err()
	}
	var head [headRoom]byte
	frame := call.encoder.frame(appendRequestHead(head[:0], uint32(r.Seq), r.ServiceMethod))
	err := c.conn.SetWriteDeadline(time.Now().Add(c.options.writeTimeout))
	if err == nil {
		_, err = c.conn.Write(frame)
	}
	if err != nil {
		c.end(fmt.Errorf("write request: %w", err))
		return err
	}
	call.written(len(frame))
	return nil
}

// ReadResponseHeader implements rpc.ClientCodec.
func (c *clientCodec) ReadResponseHeader(r *rpc.Response) error {
	for {
		c.body = nil
		if id, ok := c.nextAbandoned(); ok {
			r.Seq, r.Error = id, abandonedText
			return nil
		}
		f, err := c.reader.next()
		if err == nil && f.Kind != Response {
			err = malformed(1, "a client expects responses alone")
		}
		switch {
		case errors.Is(err, errWoken):
			c.reader.unwake()
		case err != nil:
			c.end(err)
			close(c.done)
			return io.ErrUnexpectedEOF
		default:
			c.header(r, f)
			return nil
		}
	}
}

func (c *clientCodec) header(r *rpc.Response, f Frame) {
	c.mu.Lock()
	c.received = true
	c.mu.Unlock()
	r.Seq, c.body = uint64(f.ID), f.Body
	if !f.Failed() {
		return
	}
	// net/rpc takes an empty text for success; this form is never empty.
	text, ok := String(f.Err)
	if !ok {
		text = fmt.Sprintf("an error value of type 0x%02x", f.Err[0])
	}
	r.Error = c.codes.decode(text).Error()
}

// ReadResponseBody implements rpc.ClientCodec. body is nil or a *Call.
func (c *clientCodec) ReadResponseBody(body any) error {
	call, ok := body.(*Call)
	if !ok || call.reply == nil {
		return nil
	}
	if err := c.dec.decode(c.body, call.reply); err != nil {
		call.badReply = err
		c.end(err)
		close(c.done) // net/rpc reads no more after this
		return err
	}
	return nil
}

// Close implements rpc.ClientCodec.
func (c *clientCodec) Close() error {
	c.end(ErrClientClosed)
	return nil
}

// end closes the connection; the first cause is kept.
func (c *clientCodec) end(cause error) {
	c.mu.Lock()
	first := c.cause == nil
	if first {
		c.cause = cause
	}
	c.mu.Unlock()
	if first {
		_ = c.conn.Close() // nothing is buffered here, so nothing can be lost
	}
}

// ended returns why the connection ended and whether a frame had come before.
func (c *clientCodec) ended() (cause error, received bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause, c.received
}

// abandon has the response to id made up.
func (c *clientCodec) abandon(id uint64) {
	c.mu.Lock()
	c.abandoned = append(c.abandoned, id)
	c.mu.Unlock()
	c.reader.wake()
}

func (c *clientCodec) nextAbandoned() (id uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.abandoned) == 0 {
		return 0, false
	}
	last := len(c.abandoned) - 1
	id = c.abandoned[last]
	c.abandoned = c.abandoned[:last]
	if last == 0 {
		c.abandoned = nil
	}
	return id, true
}
