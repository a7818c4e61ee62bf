package wire

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
	"os"
	"sync"
	"time"
)

// serverCodec is net/rpc's server side of one connection. net/rpc calls the Read methods from one goroutine and
// WriteResponse from one at a time. Requests get ids of our own towards net/rpc, as a peer
// may use one id twice.
type serverCodec struct {
	conn    *Conn
	server  *Server
	options codecOptions
	reader  *reader
	dec     decoder
	enc     *encoder
	slots   chan struct{} // one for each request that runs
	body    []byte        // of the request whose header was read last
	seq     uint64        // its number
	arrived uint64        // calls of Arrived so far
	bad     error         // its arguments could not be decoded: it is the last

	mu    sync.Mutex // guards what follows
	calls map[uint64]servedCall
}

// servedCall is a request between its header and its reply.
type servedCall struct {
	id      uint32 // on the wire
	method  string
	started time.Time
	refusal *Error // it was never handed to a method
}

func newServerCodec(s *Server, conn *Conn) *serverCodec {
	o := s.options
	h := s.handle
	return &serverCodec{
		conn: conn, server: s,
		options: codecOptions{limits: o.Limits, frameTimeout: o.FrameTimeout, writeTimeout: o.WriteTimeout},
		reader:  newReader(conn.conn, o.Limits, o.FrameTimeout, nil),
		dec:     newDecoder(h), enc: newEncoder(h, o.Limits),
		slots: make(chan struct{}, o.MaxInflight), calls: make(map[uint64]servedCall),
	}
}

// ReadRequestHeader implements rpc.ServerCodec. Whatever ends the stream is io.EOF to net/rpc, which then
// waits for the methods that run, and closes.
func (c *serverCodec) ReadRequestHeader(r *rpc.Request) error {
	if err := c.readHeader(r); err != nil {
		c.readingEnded(err)
		return io.EOF
	}
	return nil
}

func (c *serverCodec) readHeader(r *rpc.Request) error {
	if c.bad != nil {
		return c.bad
	}
	c.slots <- struct{}{}
	if c.server.ctx.Err() != nil { // frames read ahead are not begun any more
		return ErrServerClosed
	}
	f, err := c.reader.next()
	if err == nil && f.Kind != Request {
		err = malformed(1, "a server expects requests alone")
	}
	if err != nil {
		return err
	}
	c.seq++
	c.body = f.Body
	r.Seq, r.ServiceMethod = c.seq, f.Method
	c.mu.Lock()
	c.calls[c.seq] = servedCall{id: f.ID, method: f.Method, started: time.Now()}
	c.mu.Unlock()
	return nil
}

// ReadRequestBody implements rpc.ServerCodec. body is nil for a method that net/rpc does not know.
func (c *serverCodec) ReadRequestBody(body any) error {
	call := c.call(c.seq)
	if body == nil {
		call.refusal = &Error{Code: codeUnknownMethod, Text: fmt.Sprintf("there is no method %q", call.method)}
		call.method = "unknown"
		c.setCall(c.seq, call)
	}
	c.server.metrics.begun(call.method)
	if body == nil {
		return nil
	}
	if err := c.dec.decode(c.body, body); err != nil {
		c.bad = fmt.Errorf("arguments of %s: %w", call.method, err)
		call.refusal = &Error{Code: codeMalformed, Text: c.bad.Error()}
		c.setCall(c.seq, call)
		return err
	}
	if a, ok := body.(Arriver); ok {
		c.arrived++
		a.Arrived(c.conn, c.arrived)
	}
	return nil
}

// WriteResponse implements rpc.ServerCodec. A reply that cannot be encoded, or is over the limits, becomes an error
// response; a frame that cannot be written whole ends the connection.
func (c *serverCodec) WriteResponse(r *rpc.Response, body any) error {
	call := c.call(r.Seq)
	frame, code := c.response(call, r.Error, body)
	err := c.conn.conn.SetWriteDeadline(time.Now().Add(c.options.writeTimeout))
	if err == nil {
		_, err = c.conn.conn.Write(frame)
	}
	if cap(c.enc.buf) > keptBuffer {
		c.enc.buf = make([]byte, firstBuffer)
	}
	if err != nil {
		c.conn.close(fmt.Errorf("write response: %w", err))
	}
	c.mu.Lock()
	delete(c.calls, r.Seq)
	c.mu.Unlock()
	c.server.metrics.answered(call.method, code, time.Since(call.started))
	<-c.slots
	return err
}

// response builds the frame and names the outcome for metrics.
func (c *serverCodec) response(call servedCall, text string, body any) (frame []byte, code string) {
	codes := c.server.options.Codes
	switch {
	case call.refusal != nil && call.refusal.Code == codeMalformed:
		return AppendErrorResponse(nil, call.id, codes.normalise(call.refusal.Error())), codeMalformed
	case call.refusal != nil:
		return AppendErrorResponse(nil, call.id, codes.normalise(call.refusal.Error())), codeError
	case text != "":
		return AppendErrorResponse(nil, call.id, codes.normalise(text)), codeError
	}
	switch err := c.enc.encode(body); {
	case err == nil:
	case errors.Is(err, ErrFrameTooLarge):
		return AppendErrorResponse(nil, call.id, codes.normalise(codeTooLarge+": reply: "+err.Error())), codeTooLarge
	default:
		return AppendErrorResponse(nil, call.id, codes.normalise(codeUnencodable+": reply: "+err.Error())), codeError
	}
	var head [headRoom]byte
	return c.enc.frame(append(appendResponseHead(head[:0], call.id), 0xc0)), "ok"
}

// Close implements rpc.ServerCodec. net/rpc calls it when every reply has been written.
func (c *serverCodec) Close() error {
	c.conn.close(io.EOF)
	return nil
}

func (c *serverCodec) call(seq uint64) servedCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[seq]
}

func (c *serverCodec) setCall(seq uint64, call servedCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[seq] = call
}

// readingEnded says once, to those who asked and, for a bad peer, to the log, that no more
// requests will come.
func (c *serverCodec) readingEnded(err error) {
	cause := c.conn.stopReading(err)
	level := slog.LevelDebug
	switch {
	case errors.Is(cause, ErrFrameTooLarge):
		c.server.metrics.refused(codeTooLarge)
		level = slog.LevelWarn
	case errors.Is(cause, ErrMalformed):
		if c.bad == nil {
			c.server.metrics.refused(codeMalformed)
		}
		level = slog.LevelWarn
	case errors.Is(cause, os.ErrDeadlineExceeded): // of a write: the peer does not read
		level = slog.LevelWarn
	}
	c.server.options.Logger.Log(c.server.ctx, level, "connection closed", "peer", c.conn.RemoteAddr().String(), "err", cause)
	close(c.conn.done)
	if c.server.options.OnClose != nil {
		c.server.options.OnClose(c.conn)
	}
}
