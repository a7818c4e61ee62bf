package wire

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"log/slog"
	"net"
	"net/rpc"
	"reflect"
	"sync"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// ServerOptions configure a Server.
type ServerOptions struct {
	Limits Limits
	Codes  Codes // that methods' errors have; see Codes.Encode
	// MaxConns bounds the connections open at a time; one too many is closed at once. 0 = 1024.
	MaxConns int
	// MaxInflight bounds the requests of one connection that run at a time; the next one is not
	// read before one of them is answered. 0 = 1024.
	MaxInflight int
	// FrameTimeout bounds the time from a request's first byte to its last; 0 = 30 s. Between
	// requests a connection may be idle for ever.
	FrameTimeout time.Duration
	// WriteTimeout bounds the writing of one reply; a connection that misses it is closed. 0 = 10 s.
	WriteTimeout time.Duration
	// OnClose is called once for each connection when no more requests will come over it, after the last
	// of its calls of Arrived and before its running methods have ended. It must not block. nil = nothing.
	OnClose func(*Conn)
	Logger  *slog.Logger // nil discards
	Metrics ServerMetrics
}

func (o ServerOptions) withDefaults() ServerOptions {
	o.Limits = o.Limits.withDefaults()
	setDefault(&o.MaxConns, 1024)
	setDefault(&o.MaxInflight, 1024)
	setDefault(&o.FrameTimeout, 30*time.Second)
	setDefault(&o.WriteTimeout, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server serves net/rpc methods. Requests of one connection run concurrently. A panic in a
// method ends the process.
type Server struct {
	options ServerOptions
	metrics serverMetrics
	handle  *codec.MsgpackHandle
	rpc     *rpc.Server

	ctx    context.Context // ends with the listening
	cancel context.CancelFunc
	wg     sync.WaitGroup // one for each connection

	mu        sync.Mutex // guards what follows
	closing   bool
	listeners map[net.Listener]struct{}
	conns     map[*Conn]*serverCodec
}

// NewServer returns a Server without methods or listeners.
func NewServer(options ServerOptions) *Server {
	s := &Server{
		options: options.withDefaults(), metrics: serverMetrics{options.Metrics}, rpc: rpc.NewServer(),
		listeners: make(map[net.Listener]struct{}), conns: make(map[*Conn]*serverCodec),
	}
	s.handle = newHandle(s.options.Limits)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Register makes rcvr's methods of the form
//
//	func (r *R) Method(args *A, reply *B) error
//
// callable as "name.Method"; A and B are exported or built in. Arguments and replies are fresh
// values. Methods may be registered while the Server serves.
func (s *Server) Register(name string, rcvr any) error {
	// net/rpc would print what is wrong to the global log.
	if name == "" {
		return errors.New("register: the name is empty")
	}
	if rcvr == nil || !hasMethod(reflect.TypeOf(rcvr)) {
		return fmt.Errorf("register %s: %T has no exported method of the form func(*Args, *Reply) error; is it a pointer?", name, rcvr)
	}
	if err := s.rpc.RegisterName(name, rcvr); err != nil {
		return fmt.Errorf("register %s: %w", name, err)
	}
	return nil
}

// hasMethod reports whether net/rpc would find a method of t suitable.
func hasMethod(t reflect.Type) bool {
	for i := range t.NumMethod() {
		m := t.Method(i).Type
		if m.NumIn() == 3 && exported(m.In(1)) && m.In(2).Kind() == reflect.Pointer && exported(m.In(2)) &&
			m.NumOut() == 1 && m.Out(0) == reflect.TypeFor[error]() {
			return true
		}
	}
	return false
}

func exported(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == "" || token.IsExported(t.Name())
}

// Serve accepts connections until the listener fails, or Shutdown or Close is called, which
// close it; then it returns ErrServerClosed.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	if !s.addListener(ln) {
		return ErrServerClosed
	}
	defer s.removeListener(ln)
	var pause time.Duration
	for {
		conn, err := ln.Accept()
		if err == nil {
			pause = 0
			s.serveConn(conn)
			continue
		}
		if s.ctx.Err() != nil {
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept: %w", err)
		}
		// Out of file descriptors, say: what has been accepted goes on, and some may close.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.options.Logger.Warn("accept failed", "err", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
		}
	}
}

func (s *Server) addListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.listeners[ln] = struct{}{}
	}
	return !s.closing
}

func (s *Server) removeListener(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
}

func (s *Server) serveConn(netConn net.Conn) {
	conn := &Conn{conn: netConn, done: make(chan struct{})}
	c := newServerCodec(s, conn)
	s.mu.Lock()
	full := len(s.conns) >= s.options.MaxConns
	refuse := full || s.closing
	if !refuse {
		s.conns[conn] = c
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if full {
		s.options.Logger.Warn("connection refused: too many", "peer", netConn.RemoteAddr().String(), "limit", s.options.MaxConns)
	}
	if refuse {
		_ = netConn.Close() // nothing was written
		return
	}
	go func() {
		defer s.wg.Done()
		s.rpc.ServeCodec(c)
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
}

// Shutdown stops accepting and reading, lets the methods that run answer, closes every connection and
// returns. When ctx ends first it does what Close does and returns ctx.Err().
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.stopListening() {
		_ = c.conn.stopReading(ErrServerClosed)
		c.reader.wake()
	}
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		_ = s.Close()
		return ctx.Err()
	}
}

// Close closes all listeners and connections at once. It does not wait for methods that run; their replies
// are lost. It returns nil.
func (s *Server) Close() error {
	for _, c := range s.stopListening() {
		c.conn.close(ErrServerClosed)
	}
	return nil
}

// stopListening closes the listeners and returns what is left.
func (s *Server) stopListening() []*serverCodec {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.cancel()
	for ln := range s.listeners {
		_ = ln.Close() // Serve reports what matters
	}
	codecs := make([]*serverCodec, 0, len(s.conns))
	for _, c := range s.conns {
		codecs = append(codecs, c)
	}
	return codecs
}
