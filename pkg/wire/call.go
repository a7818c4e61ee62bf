package wire

import (
	"context"
	"errors"
	"fmt"
	"net/rpc"
	"sync"
	"time"
)

// Call is a call under way. Its Wait must be called, once.
type Call struct {
	client  *Client
	ctx     context.Context
	method  string
	reply   any
	sent    func()
	started time.Time
	session *session // nil when the call failed before it was queued
	done    chan *rpc.Call
	err     error // why it ended without net/rpc; set before nil is sent to done
	// badReply is what ReadResponseBody found, which net/rpc would flatten to text; set before done.
	badReply error

	mu        sync.Mutex // guards what follows
	encoder   *encoder   // holds the request until it is written
	codec     *clientCodec
	id        uint64 // on codec
	abandoned bool
}

// Wait returns once the call has ended, or its context has. It leaves nothing behind: the reply is not
// written to afterwards, and the connection stays open.
func (c *Call) Wait() error {
	var ended *rpc.Call
	select {
	case ended = <-c.done:
	case <-c.ctx.Done():
		c.abandon()
		ended = <-c.done
	}
	err := c.outcome(ended)
	c.client.finish(c, err)
	return err
}

// abandon makes done ready soon, whatever the peer does.
func (c *Call) abandon() {
	if c.client.dequeue(c) {
		c.releaseEncoder()
		c.fail(c.ctx.Err())
		return
	}
	c.mu.Lock()
	c.abandoned = true
	codec, id := c.codec, c.id
	c.mu.Unlock()
	if codec != nil {
		codec.abandon(id)
	}
}

// begin marks the call as about to be written to codec under id. It returns false
// if the call has been abandoned.
func (c *Call) begin(codec *clientCodec, id uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abandoned {
		return false
	}
	c.codec, c.id = codec, id
	return true
}

// written tells those who want to know that the whole request is on its way.
func (c *Call) written(bytes int) {
	c.client.metrics.sent(bytes)
	if c.sent != nil {
		c.sent()
	}
}

// releaseEncoder gives the encoder back. Whoever takes the call out of the queue does it.
func (c *Call) releaseEncoder() {
	c.mu.Lock()
	e := c.encoder
	c.encoder = nil
	c.mu.Unlock()
	if e != nil && cap(e.buf) <= keptEncoder {
		c.client.encoders.Put(e)
	}
}

// fail ends a call that net/rpc does not have.
func (c *Call) fail(err error) {
	c.err = err
	c.done <- nil
}

// outcome says what the caller should hear.
func (c *Call) outcome(ended *rpc.Call) error {
	var err error
	switch {
	case ended == nil:
		err = c.err
	case ended.Error == nil:
		return nil
	case c.badReply != nil:
		err = c.badReply
	default:
		err = c.netRPCOutcome(ended.Error)
	}
	return fmt.Errorf("call %s on %s: %w", c.method, c.client.options.Address, err)
}

func (c *Call) netRPCOutcome(err error) error {
	if remote, ok := errors.AsType[rpc.ServerError](err); ok {
		if c.ctx.Err() != nil && remote == abandonedText {
			return c.ctx.Err()
		}
		return c.client.options.Codes.decode(string(remote))
	}
	c.mu.Lock()
	codec, abandoned := c.codec, c.abandoned
	c.mu.Unlock()
	switch {
	case abandoned && codec == nil:
		return c.ctx.Err()
	case codec == nil && c.client.ctx.Err() != nil:
		return ErrClientClosed // the connection was gone before this call's turn, because Close ended it
	case codec == nil:
		return unreachable(err)
	}
	if cause, _ := codec.ended(); cause != nil {
		err = cause
	}
	return fmt.Errorf("%w: %w", ErrConnectionClosed, err)
}
