package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// awaitClosed reads until the peer has closed, and returns what came before.
func awaitClosed(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	var got bytes.Buffer
	_, err := io.Copy(&got, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection is still open; it sent %x", got.Bytes())
	}
	return got.Bytes()
}

func TestServer_BadBytesCloseThatConnectionWithOneLine(t *testing.T) {
	for name, test := range map[string]struct {
		bytes []byte
		line  string
	}{
		"garbage":             {[]byte{0xff, 0, 1, 2}, "no frame begins with 0xff"},
		"HTTP":                {[]byte("GET / HTTP/1.1\r\nHost: n1\r\n\r\n"), "no frame begins with 0x47"},
		"a notification":      {unhex(t, notifyHex), "requests alone"},
		"a response":          {unhex(t, responseHex), "requests alone"},
		"a long array header": {unhex(t, "dc0004 00 00 a178 9101"), "no frame begins with 0xdc"},
		"no arguments":        {unhex(t, "940000 a954657374 2e4563686f 90"), "exactly one"},
		"two arguments":       {unhex(t, "940000 a954657374 2e4563686f 928080"), "exactly one"},
		"a map of arguments":  {unhex(t, "940000 a954657374 2e4563686f 80"), "exactly one"},
		"over the byte limit": {unhex(t, "940000 a954657374 2e4563686f 91 c6 01000000"), "needs more than"},
		"27 bytes that say 4 GiB": {
			unhex(t, "940000 a954657374 2e4563686f 91 82 a4 5768656e db ffffffff a0a0"), "needs more than",
		},
		"27 bytes with a 4 GiB time": {
			unhex(t, "940000 a954657374 2e4563686f 91 82 a4 5768656e c9 ffffffff ff"), "needs more than",
		},
		"nested array headers": {
			append(unhex(t, "940000 a954657374 2e4563686f 91"), bytes.Repeat(unhex(t, "ddffffffff"), 1000)...), "needs more than",
		},
		"a million nils": {
			append(unhex(t, "940000 a954657374 2e4563686f 91 dd00100000"), bytes.Repeat([]byte{0xc0}, 1<<20)...), "more than 65536 values",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var logs logBuffer
			refused := make(chan string, 2)
			_, _, address := startServer(t, ServerOptions{Logger: logs.logger(), Metrics: ServerMetrics{Refused: func(code string) { refused <- code }}})
			good := startClient(t, ClientOptions{Address: address})
			if err := good.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
				t.Fatal(err)
			}
			conn := dialRaw(t, address)
			_, _ = conn.Write(test.bytes) // may fail: the server need not read it all
			if got := awaitClosed(t, conn); len(got) > 0 {
				t.Errorf("the server answered %x", got)
			}
			within(t, refused, "the refusal to be counted")
			if err := good.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
				t.Errorf("another connection: %v", err)
			}
			got := logs.String()
			if strings.Count(got, "\n") != 1 || !strings.Contains(got, test.line) || !strings.Contains(got, conn.LocalAddr().String()) {
				t.Errorf("log:\n%s\nwant one line with %q and the peer", got, test.line)
			}
		})
	}
}

func TestServer_HalfAFrameMustBecomeWholeInTime(t *testing.T) {
	var logs logBuffer
	_, _, address := startServer(t, ServerOptions{FrameTimeout: 50 * time.Millisecond, Logger: logs.logger()})
	idle := startClient(t, ClientOptions{Address: address})
	if err := idle.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
		t.Fatal(err)
	}
	conn := dialRaw(t, address)
	start := time.Now()
	if _, err := conn.Write(unhex(t, requestHex)[:20]); err != nil {
		t.Fatal(err)
	}
	awaitClosed(t, conn)
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("closed after %v", took)
	}
	if !strings.Contains(logs.String(), "did not arrive within 50ms") {
		t.Errorf("log:\n%s", logs.String())
	}
	// The other connection was idle for as long, and lives.
	if err := idle.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
		t.Errorf("idle connection: %v", err)
	}
}

func TestServer_PeerThatDiesInAFrameIsNoNews(t *testing.T) {
	var logs logBuffer
	closed := make(chan *Conn, 1)
	_, _, address := startServer(t, ServerOptions{Logger: logs.logger(), OnClose: func(c *Conn) { closed <- c }})
	conn := dialRaw(t, address)
	_, _ = conn.Write(unhex(t, requestHex)[:20])
	_ = conn.Close()
	within(t, closed, "OnClose")
	if logs.String() != "" {
		t.Errorf("log:\n%s", logs.String())
	}
}

func TestServer_ArgumentsOfAnotherTypeAreAnsweredThenClosed(t *testing.T) {
	var logs logBuffer
	var answered []string
	service, _, address := startServer(t, ServerOptions{Logger: logs.logger(), Metrics: ServerMetrics{
		Answered: func(method, code string, _ time.Duration) { answered = append(answered, method+" "+code) },
	}})
	conn := dialRaw(t, address)
	bad := unhex(t, "940007 a9546573742e4563686f 91 81 a1 4e a3 616263") // N is a string
	next := unhex(t, "940008 aa546573742e426c6f636b 91 80")              // must not run
	if _, err := conn.Write(append(bad, next...)); err != nil {
		t.Fatal(err)
	}
	f, err := ParseFrame(awaitClosed(t, conn))
	if text, _ := String(f.Err); err != nil || f.ID != 7 || !strings.HasPrefix(text, "malformed: ") {
		t.Errorf("%+v, %v", f, err)
	}
	if len(service.blocked) != 0 {
		t.Error("the request behind the bad one ran")
	}
	if strings.Count(logs.String(), "\n") != 1 {
		t.Errorf("log:\n%s", logs.String())
	}
	if len(answered) != 1 || answered[0] != "Test.Echo malformed" {
		t.Errorf("counted %q", answered)
	}
}

func TestServer_OneIDTwiceIsAnsweredTwice(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{})
	conn := dialRaw(t, address)
	request := func(n byte) []byte { return unhex(t, "940005 a9546573742e4563686f 91 81 a1 4e 0"+string('0'+n)) }
	if _, err := conn.Write(append(request(1), request(2)...)); err != nil {
		t.Fatal(err)
	}
	s := NewScanner(conn, Limits{})
	var sum uint64
	for range 2 {
		f, err := s.Next()
		if err != nil || f.ID != 5 {
			t.Fatalf("%+v, %v", f, err)
		}
		value, _ := Field(f.Body, "N")
		n, _ := Uint(value)
		sum += n
	}
	if sum != 3 {
		t.Errorf("the two answers sum up to %d", sum)
	}
}

func TestServer_ArrivalsAreCountedWithoutGaps(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	recording := &recordingListener{Listener: ln, conns: make(chan *recordingConn, 1)}
	serveOn(t, recording, ServerOptions{})
	c := startClient(t, ClientOptions{Address: ln.Addr().String()})
	for _, method := range []string{"Test.Number", "Test.Gone", "Test.Echo", "Test.Number"} {
		if err := c.Call(withPatience(t), method, &Args{}, &Reply{}, nil); err != nil && !errors.Is(err, ErrUnknownMethod) {
			t.Fatal(err)
		}
	}
	conn := within(t, recording.conns, "the connection")
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if len(conn.seqs) != 2 || conn.seqs[0] != 1 || conn.seqs[1] != 2 {
		t.Errorf("arrivals are numbered %v, want 1 and 2", conn.seqs)
	}
}

func TestServer_RefusesMoreThanMaxConns(t *testing.T) {
	var logs logBuffer
	_, _, address := startServer(t, ServerOptions{MaxConns: 1, Logger: logs.logger()})
	c := startClient(t, ClientOptions{Address: address})
	if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
		t.Fatal(err)
	}
	awaitClosed(t, dialRaw(t, address))
	if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
		t.Errorf("the first connection: %v", err)
	}
	if !strings.Contains(logs.String(), "limit=1") {
		t.Errorf("log:\n%s", logs.String())
	}
}

func TestServer_ReadsNoFurtherThanMaxInflight(t *testing.T) {
	begun := make(chan string, 10)
	service, _, address := startServer(t, ServerOptions{MaxInflight: 2, Metrics: ServerMetrics{Begun: func(m string) { begun <- m }}})
	c := startClient(t, ClientOptions{Address: address})
	var calls []*Call
	var sent atomic.Int64
	for range 3 {
		calls = append(calls, c.Go(withPatience(t), "Test.Block", &Args{}, &Reply{}, func() { sent.Add(1) }))
	}
	within(t, service.blocked, "the first call")
	within(t, service.blocked, "the second call")
	if len(begun) != 2 {
		t.Errorf("%d requests were begun", len(begun))
	}
	for range 3 {
		service.release <- struct{}{}
	}
	for _, call := range calls {
		if err := call.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func TestServer_ShutdownLetsRunningCallsAnswer(t *testing.T) {
	service, server, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address})
	running := c.Go(withPatience(t), "Test.Block", &Args{}, &Reply{}, nil)
	within(t, service.blocked, "the call to arrive")
	down := make(chan error, 1)
	go func() { down <- server.Shutdown(withPatience(t)) }()
	within(t, server.ctx.Done(), "the shutdown to begin")
	service.release <- struct{}{}
	if err := running.Wait(); err != nil {
		t.Errorf("running call: %v", err)
	}
	if err := within(t, down, "Shutdown"); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("the server still accepts")
	}
}

func TestServer_ShutdownGivesUpWithItsContext(t *testing.T) {
	service, server, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address})
	running := c.Go(withPatience(t), "Test.Block", &Args{}, &Reply{}, nil)
	within(t, service.blocked, "the call to arrive")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := server.Shutdown(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := running.Wait(); !errors.Is(err, ErrConnectionClosed) {
		t.Errorf("running call: %v", err)
	}
}

func TestServer_OnCloseComesOnceAndAtOnce(t *testing.T) {
	closed := make(chan *Conn, 2)
	service, _, address := startServer(t, ServerOptions{OnClose: func(c *Conn) { closed <- c }})
	conn := dialRaw(t, address)
	if _, err := conn.Write(unhex(t, "940008 aa546573742e426c6f636b 91 80")); err != nil {
		t.Fatal(err)
	}
	within(t, service.blocked, "the call to arrive")
	local := conn.LocalAddr().String()
	_ = conn.Close()
	c := within(t, closed, "OnClose, while a method still runs")
	within(t, c.Done(), "Done")
	if c.RemoteAddr().String() != local {
		t.Errorf("closed %v, not %v", c.RemoteAddr(), local)
	}
	service.release <- struct{}{}
	if len(closed) != 0 {
		t.Error("OnClose came twice")
	}
}

func TestServer_PeerThatDoesNotReadMissesTheWriteDeadline(t *testing.T) {
	closed := make(chan *Conn, 1)
	_, _, address := startServer(t, ServerOptions{
		WriteTimeout: 50 * time.Millisecond, Limits: Limits{MaxFrameBytes: 64 << 20}, OnClose: func(c *Conn) { closed <- c },
	})
	conn := dialRaw(t, address)
	if _, err := conn.Write(unhex(t, "940008 aa546573742e4c61726765 91 81 a14e ce02000000")); err != nil { // 32 MiB
		t.Fatal(err)
	}
	within(t, closed, "the server to close the connection")
}

func TestServer_RegisterSaysWhatIsWrongAndLogsNothing(t *testing.T) {
	var global logBuffer
	log.SetOutput(&global)
	defer log.SetOutput(os.Stderr)
	s := NewServer(ServerOptions{})
	if err := s.Register("", &TestService{}); err == nil {
		t.Error("an empty name was accepted")
	}
	for _, rcvr := range []any{nil, 7, TestService{}, &Reply{}} {
		if err := s.Register("Test", rcvr); err == nil {
			t.Errorf("%T was accepted", rcvr)
		}
	}
	if err := s.Register("Test", &TestService{}); err != nil {
		t.Error(err)
	}
	if err := s.Register("Test", &TestService{}); err == nil {
		t.Error("one name was accepted twice")
	}
	if global.String() != "" {
		t.Errorf("the global log got %q", global.String())
	}
}

func TestServer_ServeAfterCloseReturns(t *testing.T) {
	s := NewServer(ServerOptions{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ln); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener: %v", err)
	}
}

// countingConn counts reads.
type countingConn struct {
	net.Conn
	reads *atomic.Int64
}

func (c countingConn) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(b)
}

func TestServer_ReadsAreBuffered(t *testing.T) {
	var reads atomic.Int64
	server := NewServer(ServerOptions{})
	if err := server.Register("Test", &TestService{}); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	server.serveConn(countingConn{far, &reads})
	request := unhex(t, "940005 a9546573742e4563686f 91 81 a1 4e 01")
	const n = 100
	go func() { _, _ = near.Write(bytes.Repeat(request, n)) }()
	s := NewScanner(near, Limits{})
	for range n {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if got := reads.Load(); got > 3 {
		t.Errorf("%d reads for %d requests that arrived as one", got, n)
	}
	_ = near.Close()
	if err := server.Shutdown(withPatience(t)); err != nil {
		t.Error(err)
	}
}
