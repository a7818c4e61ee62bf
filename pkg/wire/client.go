package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/rpc"
	"sync"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// keptEncoder is the largest buffer that waits for the next request.
const keptEncoder = 2 << 20

// ClientOptions configure a Client.
type ClientOptions struct {
	Address string // of the peer, in Dial's terms
	// Dial opens a connection to Address; nil dials TCP. It returns soon after ctx has ended.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// DialTimeout bounds one dial; 0 = 1 s.
	DialTimeout time.Duration
	// After its nth failure in a row, dialling pauses for a random time up to BackoffMin * 2^n, at most BackoffMax, and calls
	// fail at once. A connection that ended before its first reply is a failure. 0 = 20 ms and 500 ms.
	BackoffMin, BackoffMax time.Duration
	// WriteTimeout bounds the writing of one request; a connection that misses it is closed. 0 = 10 s.
	WriteTimeout time.Duration
	// FrameTimeout bounds the time from a reply's first byte to its last; 0 = 30 s.
	FrameTimeout time.Duration
	// MaxPending bounds the calls outstanding; 0 = 4096.
	MaxPending int
	Limits     Limits
	Codes      Codes
	Logger     *slog.Logger // nil discards
	Metrics    ClientMetrics
	Rand       *rand.Rand       // draws the backoff; nil = seeded at random. The Client serialises its use
	Now        func() time.Time // times the backoff; nil = time.Now
}

func (o ClientOptions) withDefaults() ClientOptions {
	setDefault(&o.DialTimeout, time.Second)
	setDefault(&o.BackoffMin, 20*time.Millisecond)
	setDefault(&o.BackoffMax, 500*time.Millisecond)
	setDefault(&o.WriteTimeout, 10*time.Second)
	setDefault(&o.FrameTimeout, 30*time.Second)
	setDefault(&o.MaxPending, 4096)
	o.Limits = o.Limits.withDefaults()
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Client calls one peer over one connection, which it dials when a call needs it and
// again when it was lost. Its methods may be called concurrently.
type Client struct {
	options  ClientOptions
	metrics  clientMetrics
	handle   *codec.MsgpackHandle
	encoders sync.Pool // of *encoder
	maxIDs   uint64    // a session is replaced after this many requests

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the sessions' goroutines

	mu       sync.Mutex // guards what follows, and the fields of every session and Options.Rand
	closed   bool
	session  *session  // takes new calls; nil between connections
	pending  int       // calls begun and not yet waited for
	failures int       // dials in a row
	retryAt  time.Time // no dial before
	lastErr  error     // of the last failure
}

// NewClient returns a Client for the peer at options.Address. It dials nothing yet. Close must be called.
func NewClient(options ClientOptions) *Client {
	c := &Client{options: options.withDefaults(), maxIDs: math.MaxUint32}
	c.metrics = clientMetrics{c.options.Metrics}
	c.handle = newHandle(c.options.Limits)
	c.encoders.New = func() any { return newEncoder(c.handle, c.options.Limits) }
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Call calls method and decodes the result into reply, a pointer. It returns when the reply has come or ctx has ended.
//
// sent, unless nil, is called once the whole request has been written to a connection, from another
// goroutine, possibly after Call has returned; it must not block. If it is not called, no peer can have received the call.
//
// Errors: an *Error from the peer, ctx.Err(), or one of this package's sentinels.
func (c *Client) Call(ctx context.Context, method string, args, reply any, sent func()) error {
	return c.Go(ctx, method, args, reply, sent).Wait()
}

// Go begins a call without waiting for anything: args are encoded and queued when it returns, and may then be
// changed. Calls leave in the order in which Go queued them. For the rest see Call.
func (c *Client) Go(ctx context.Context, method string, args, reply any, sent func()) *Call {
	call := &Call{client: c, ctx: ctx, method: method, reply: reply, sent: sent, started: time.Now(), done: make(chan *rpc.Call, 1)}
	if err := call.encode(args); err != nil {
		call.releaseEncoder()
		call.fail(err)
		return call
	}
	if err := c.enqueue(call); err != nil {
		call.releaseEncoder()
		call.fail(err)
	}
	return call
}

func (c *Call) encode(args any) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if len(c.method) == 0 || len(c.method) > maxMethodBytes {
		return fmt.Errorf("%w: the method's name has %d bytes, not 1 to %d", ErrUnencodable, len(c.method), maxMethodBytes)
	}
	c.encoder = c.client.encoders.Get().(*encoder)
	return c.encoder.encode(args)
}

// Close ends every call under way and returns when all that the Client started has ended.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	return nil
}

func (c *Client) enqueue(call *Call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return ErrClientClosed
	case c.pending >= c.options.MaxPending:
		return fmt.Errorf("%w: %d", ErrOverloaded, c.pending)
	}
	if c.session != nil && c.session.issued == c.maxIDs {
		c.retireLocked()
	}
	if c.session == nil {
		if wait := c.retryAt.Sub(c.options.Now()); wait > 0 {
			return unreachable(fmt.Errorf("not dialled again for %v: %w", wait, c.lastErr))
		}
		c.dialLocked()
	}
	c.pending++
	c.session.addLocked(call)
	return nil
}

// unreachable keeps the cause's text alone: a dial's time-out must not pass for the call's.
func unreachable(cause error) error { return fmt.Errorf("%w: %v", ErrUnreachable, cause) }

// dequeue takes call back if it has not been handed to net/rpc.
func (c *Client) dequeue(call *Call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return call.session != nil && call.session.removeLocked(call)
}

// finish is the end of every call.
func (c *Client) finish(call *Call, err error) {
	c.metrics.called(call.method, resultOf(err), time.Since(call.started))
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := call.session; s != nil {
		c.pending--
		s.outstanding--
		if s.retired {
			s.signal()
		}
	}
}

// resultOf names how a call ended, for metrics.
func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	if _, remote := errors.AsType[*Error](err); remote {
		return "remote_error"
	}
	for _, row := range []struct {
		err  error
		name string
	}{
		{ErrUnreachable, "unreachable"},
		{ErrConnectionClosed, "closed"},
		{ErrClientClosed, "closed"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},
		{ErrFrameTooLarge, "too_large"},
		{ErrMalformed, "malformed"},
		{ErrOverloaded, "overloaded"},
	} {
		if errors.Is(err, row.err) {
			return row.name
		}
	}
	return "error"
}
