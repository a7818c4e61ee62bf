package wire

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// scriptedPeer accepts connections and hands each to serve.
func scriptedPeer(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String()
}

func response(id uint32, result ...byte) []byte {
	return append(append(appendResponseHead(nil, id), 0xc0), result...)
}

func TestClient_AbandonedCallsLeaveNothing(t *testing.T) {
	const calls = 10_000
	ids := make(chan uint32, calls+1)
	answer := make(chan struct{})
	address := scriptedPeer(t, func(conn net.Conn) {
		s := NewScanner(conn, Limits{})
		for range calls {
			f, err := s.Next()
			if err != nil {
				return
			}
			ids <- f.ID
		}
		<-answer // every call has been abandoned: these replies are late
		for range calls {
			if _, err := conn.Write(response(<-ids, 0x81, 0xa1, 'N', 1)); err != nil {
				return
			}
		}
		f, err := s.Next()
		if err == nil {
			_, _ = conn.Write(response(f.ID, 0x81, 0xa1, 'N', 2))
		}
	})
	var dials atomic.Int64
	c := startClient(t, ClientOptions{Address: address, MaxPending: calls, Metrics: ClientMetrics{Dialed: func(error) { dials.Add(1) }}})
	before := runtime.NumGoroutine()
	var collected atomic.Int64
	ctx, abandon := context.WithCancel(context.Background())
	var sent, done sync.WaitGroup
	sent.Add(calls)
	for range calls {
		reply := new(Reply)
		runtime.AddCleanup(reply, func(int) { collected.Add(1) }, 0)
		call := c.Go(ctx, "Test.Echo", &Args{}, reply, sent.Done)
		done.Go(func() {
			if err := call.Wait(); !errors.Is(err, context.Canceled) {
				t.Errorf("abandoned call: %v", err)
			}
		})
	}
	sent.Wait()
	abandon()
	done.Wait()

	// The connection and its two goroutines live; the calls are gone from every table.
	held := func() bool { return collected.Load() < calls-1 || runtime.NumGoroutine() > before+3 }
	for deadline := time.Now().Add(patience); held() && time.Now().Before(deadline); {
		runtime.GC()
	}
	if held() {
		t.Errorf("%d of %d replies are still held, and %d goroutines", calls-collected.Load(), calls, runtime.NumGoroutine()-before)
	}
	close(answer)
	reply := new(Reply)
	if err := c.Call(withPatience(t), "Test.Echo", &Args{}, reply, nil); err != nil || reply.N != 2 || dials.Load() != 1 {
		t.Errorf("next call: %+v, %v, after %d dials", reply, err, dials.Load())
	}
}

func TestClient_CallsLeaveInTheOrderOfGo(t *testing.T) {
	const n = 500
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	recording := &recordingListener{Listener: ln, conns: make(chan *recordingConn, 1)}
	serveOn(t, recording, ServerOptions{})
	c := startClient(t, ClientOptions{Address: ln.Addr().String()})
	var calls []*Call
	for i := range uint64(n) {
		calls = append(calls, c.Go(withPatience(t), "Test.Number", &Numbered{N: i}, &Reply{}, nil))
	}
	for i, call := range calls {
		if err := call.Wait(); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	conn := within(t, recording.conns, "the connection")
	conn.mu.Lock()
	defer conn.mu.Unlock()
	for i := range n {
		if conn.got[i] != uint64(i) || conn.seqs[i] != uint64(i)+1 {
			t.Fatalf("request %d arrived as number %d with sequence %d", conn.got[i], i, conn.seqs[i])
		}
	}
}

func TestClient_PeerThatDoesNotReadCostsNoMoreThanTheDeadlines(t *testing.T) {
	address := scriptedPeer(t, func(net.Conn) {})
	var sent atomic.Int64
	c := startClient(t, ClientOptions{Address: address, WriteTimeout: 300 * time.Millisecond, Limits: Limits{MaxFrameBytes: 64 << 20}})
	args := &Args{Data: make([]byte, 32<<20)} // more than socket buffers take
	blocked := c.Go(withPatience(t), "Test.Echo", args, &Reply{}, func() { sent.Add(1) })
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	abandonedWhileWritten := c.Go(short, "Test.Echo", &Args{}, &Reply{}, func() { sent.Add(1) })
	if err := abandonedWhileWritten.Wait(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("queued behind the blocked call: %v", err)
	}
	if err := blocked.Wait(); !errors.Is(err, ErrConnectionClosed) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("blocked call: %v", err)
	}
	if sent.Load() != 0 {
		t.Error("sent was called for a frame that never left whole")
	}
}

func TestClient_CallAbandonedInItsOwnWriteReturnsAtOnce(t *testing.T) {
	address := scriptedPeer(t, func(net.Conn) {})
	c := startClient(t, ClientOptions{Address: address, WriteTimeout: time.Hour, Limits: Limits{MaxFrameBytes: 64 << 20}})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Call(ctx, "Test.Echo", &Args{Data: make([]byte, 32<<20)}, &Reply{}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestClient_BacksOffWithFullJitter(t *testing.T) {
	var mu sync.Mutex
	now := time.Unix(1000, 0)
	dials := 0
	var states []ConnState
	c := startClient(t, ClientOptions{
		Address: "nowhere", BackoffMin: time.Second, BackoffMax: 5 * time.Second, Rand: rand.New(rand.NewPCG(1, 2)),
		Dial: func(context.Context, string) (net.Conn, error) { dials++; return nil, errors.New("refused") },
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		},
		Metrics: ClientMetrics{State: func(s ConnState) { states = append(states, s) }},
	})
	call := func() error { return c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil) }
	var waits []time.Duration
	for i, limit := range []time.Duration{1, 2, 4, 5, 5, 5} {
		if err := call(); !errors.Is(err, ErrUnreachable) || dials != i+1 {
			t.Fatalf("call %d: %v, %d dials", i, err, dials)
		}
		wait := c.retryAt.Sub(now)
		if wait > limit*time.Second {
			t.Errorf("pause %d is %v, at most %ds expected", i, wait, limit)
		}
		waits = append(waits, wait)
		if err := call(); wait > 0 && (!errors.Is(err, ErrUnreachable) || dials != i+1) {
			t.Errorf("in the pause: %v, %d dials", err, dials)
		}
		mu.Lock()
		now = now.Add(wait)
		mu.Unlock()
	}
	if slices.Max(waits) == slices.Min(waits) {
		t.Errorf("no jitter: %v", waits)
	}
	if !slices.Equal(states[:3], []ConnState{Connecting, Backoff, Connecting}) {
		t.Errorf("states %v", states)
	}
}

func TestClient_ConnectionThatNeverAnsweredIsAFailure(t *testing.T) {
	address := scriptedPeer(t, func(conn net.Conn) { _ = conn.Close() })
	c := startClient(t, ClientOptions{Address: address, BackoffMin: time.Hour, BackoffMax: time.Hour, Now: func() time.Time { return time.Unix(0, 0) }})
	err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil)
	if !errors.Is(err, ErrConnectionClosed) && !errors.Is(err, ErrUnreachable) {
		t.Fatal(err)
	}
	for errors.Is(err, ErrConnectionClosed) { // the session may still be winding up
		err = c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil)
	}
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("second call: %v", err)
	}
}

func TestClient_DialsAgainWhenThePeerIsBack(t *testing.T) {
	_, server, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address})
	ctx := withPatience(t)
	if err := c.Call(ctx, "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, ServerOptions{})
	for {
		err := c.Call(ctx, "Test.Echo", &Args{Text: "again"}, &Reply{}, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrConnectionClosed) {
			t.Fatal(err)
		}
	}
}

func TestClient_RedialsBeforeIDsRunOut(t *testing.T) {
	service, _, address := startServer(t, ServerOptions{})
	var dials atomic.Int64
	c := startClient(t, ClientOptions{Address: address, Metrics: ClientMetrics{
		Dialed: func(error) { dials.Add(1) },
	}})
	c.maxIDs = 3
	held := c.Go(withPatience(t), "Test.Block", &Args{}, &Reply{}, nil)
	within(t, service.blocked, "the held call to arrive")
	for range 8 { // two beside the held call, three on each successor
		if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if dials.Load() != 3 {
		t.Errorf("%d connections for 9 calls of 3 ids each", dials.Load())
	}
	service.release <- struct{}{}
	if err := held.Wait(); err != nil {
		t.Errorf("the call on the retired connection: %v", err)
	}
}

func TestClient_CloseEndsEveryCall(t *testing.T) {
	service, _, address := startServer(t, ServerOptions{})
	c := NewClient(ClientOptions{Address: address})
	running := c.Go(withPatience(t), "Test.Block", &Args{}, &Reply{}, nil)
	within(t, service.blocked, "the call to arrive")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := running.Wait(); !errors.Is(err, ErrConnectionClosed) {
		t.Errorf("running call: %v", err)
	}
	if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); !errors.Is(err, ErrClientClosed) {
		t.Errorf("call after Close: %v", err)
	}
}

func TestClient_CloseEndsADial(t *testing.T) {
	dialing := make(chan struct{})
	c := NewClient(ClientOptions{Address: "nowhere", DialTimeout: time.Hour, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	queued := c.Go(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil)
	within(t, dialing, "the dial")
	abandoned, cancel := context.WithCancel(context.Background())
	call := c.Go(abandoned, "Test.Echo", &Args{}, &Reply{}, nil)
	cancel()
	if err := call.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("abandoned while dialling: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := queued.Wait(); !errors.Is(err, ErrClientClosed) {
		t.Errorf("queued call: %v", err)
	}
}

func TestClient_DialTimeoutIsUnreachable(t *testing.T) {
	c := startClient(t, ClientOptions{Address: "nowhere", DialTimeout: time.Millisecond, Dial: func(ctx context.Context, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil)
	if !errors.Is(err, ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) || resultOf(err) != "unreachable" {
		t.Errorf("got %v, counted as %s", err, resultOf(err))
	}
}

func TestClient_RefusesMoreThanMaxPending(t *testing.T) {
	service, _, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address, MaxPending: 1})
	held := c.Go(withPatience(t), "Test.Block", &Args{}, &Reply{}, nil)
	if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); !errors.Is(err, ErrOverloaded) {
		t.Errorf("second call: %v", err)
	}
	service.release <- struct{}{}
	if err := held.Wait(); err != nil {
		t.Error(err)
	}
	if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
		t.Errorf("then: %v", err)
	}
}

func TestClient_BadAnswersCloseTheConnection(t *testing.T) {
	for name, test := range map[string]struct {
		answer []byte
		want   error
	}{
		"result of another type": {unhex(t, "940100c0 a178"), ErrMalformed},
		"garbage":                {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), ErrConnectionClosed},
		"a request":              {unhex(t, requestHex), ErrConnectionClosed},
		"too large":              {unhex(t, "940100c0 dbffffffff"), ErrConnectionClosed},
		"half a frame":           {unhex(t, "940100c0"), ErrConnectionClosed},
	} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan error, 1)
			address := scriptedPeer(t, func(conn net.Conn) {
				s := NewScanner(conn, Limits{})
				if _, err := s.Next(); err == nil {
					_, _ = conn.Write(test.answer)
				}
				_, err := s.Next()
				select {
				case closed <- err:
				default:
				}
			})
			c := startClient(t, ClientOptions{Address: address, FrameTimeout: 50 * time.Millisecond})
			if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			within(t, closed, "the peer to see the end of the connection")
		})
	}
}

func TestClient_ErrorsOfOtherMakes(t *testing.T) {
	for name, test := range map[string]struct {
		err  string // as on the wire, in hex
		code string
		text string
	}{
		"free text":  {"aa6e6f74206c6561646572", "error", "not leader"},
		"empty text": {"a0", "error", ""},
		"a number":   {"cc2a", "error", "an error value of type 0xcc"},
		"our form":   {"a96e6f70653a20686d6d", "nope", "hmm"},
	} {
		t.Run(name, func(t *testing.T) {
			address := scriptedPeer(t, func(conn net.Conn) {
				if f, err := NewScanner(conn, Limits{}).Next(); err == nil {
					answer := append(appendResponseHead(nil, f.ID), unhex(t, test.err)...)
					_, _ = conn.Write(append(answer, 0xc0))
				}
			})
			c := startClient(t, ClientOptions{Address: address})
			err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil)
			remote, ok := errors.AsType[*Error](err)
			if !ok || remote.Code != test.code || remote.Text != test.text {
				t.Errorf("got %v", err)
			}
		})
	}
}
