package wire

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what ought to happen at once.
const patience = 20 * time.Second

var errTeapot = errors.New("this is a teapot")

// testCodes is the table of the test service.
func testCodes() Codes { return Codes{{"teapot", errTeapot}} }

// TestService is what the tests call.
type TestService struct {
	release chan struct{} // ends Block; closed by the test's cleanup
	blocked chan struct{} // receives when Block has begun
}

type Args struct {
	Text  string
	N     int
	Data  []byte
	Items []Item
}

type Item struct {
	A, B uint64
	Kind uint8
	Data []byte
}

type Reply struct {
	Text  string
	N     int
	Data  []byte
	Items []Item
}

func (s *TestService) Echo(args *Args, reply *Reply) error {
	*reply = Reply{Text: args.Text, N: args.N, Data: args.Data, Items: args.Items}
	return nil
}

// Fail returns the error that Text names.
func (s *TestService) Fail(args *Args, _ *Reply) error {
	switch args.Text {
	case "empty":
		return &Error{Code: "teapot"}
	case "plain":
		return errors.New("plain: no code")
	}
	for _, row := range testCodes().all() {
		if row.Name == args.Text {
			return testCodes().Encode(row.Err)
		}
	}
	return errors.New("unknown row")
}

func (s *TestService) Block(_ *Args, _ *Reply) error {
	s.blocked <- struct{}{}
	<-s.release
	return nil
}

// Numbered arguments record the order in which they arrived.
type Numbered struct{ N uint64 }

func (n *Numbered) Arrived(conn *Conn, seq uint64) {
	conn.conn.(*recordingConn).record(n.N, seq)
}

func (s *TestService) Number(args *Numbered, reply *Reply) error {
	reply.N = int(args.N)
	return nil
}

// Strange can hold what has no MessagePack form.
type Strange struct{ Any any }

func (s *TestService) Unencodable(_ *Args, reply *Strange) error {
	reply.Any = complex(1, 2)
	return nil
}

func (s *TestService) Large(args *Args, reply *Reply) error {
	reply.Data = make([]byte, args.N)
	return nil
}

func (s *TestService) Many(args *Args, reply *Reply) error {
	reply.Items = make([]Item, args.N)
	return nil
}

// recordingConn remembers what Numbered arguments say of their arrival.
type recordingConn struct {
	net.Conn
	mu   sync.Mutex
	got  []uint64
	seqs []uint64
}

func (c *recordingConn) record(n, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got, c.seqs = append(c.got, n), append(c.seqs, seq)
}

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// startServer serves a TestService as "Test" on a loopback port.
func startServer(t testing.TB, options ServerOptions) (*TestService, *Server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service, server := serveOn(t, ln, options)
	return service, server, ln.Addr().String()
}

func serveOn(t testing.TB, ln net.Listener, options ServerOptions) (*TestService, *Server) {
	t.Helper()
	options.Codes = testCodes()
	server := NewServer(options)
	service := &TestService{release: make(chan struct{}), blocked: make(chan struct{}, 1<<16)}
	if err := server.Register("Test", service); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		close(service.release)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	return service, server
}

// startClient returns a Client that is closed with the test.
func startClient(t testing.TB, options ClientOptions) *Client {
	t.Helper()
	options.Codes = testCodes()
	c := NewClient(options)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func withPatience(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dialRaw opens a bare connection for a test that speaks by hand.
func dialRaw(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// within waits for c, which a test expects to become ready.
func within[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v in vain: %s", patience, what)
		panic("unreachable")
	}
}

// recordingListener wraps what it accepts in recordingConns.
type recordingListener struct {
	net.Listener
	conns chan *recordingConn
}

func (l *recordingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &recordingConn{Conn: conn}
	l.conns <- c
	return c, nil
}
