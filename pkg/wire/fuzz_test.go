package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-msgpack/v2/codec"
)

var fuzzLimits = Limits{MaxFrameBytes: 4096, MaxValues: 512}

func addSeeds(f *testing.F) {
	for _, s := range []string{
		requestHex, responseHex, errorHex, notifyHex, requestHex + requestHex + responseHex, "",
		"940000a178 91 dbffffffff", "940000a178 91 c9ffffffffff", "940000a178 90", "dc0004", "474554202f",
		"940100c0 83a14e02a24f4bc3a45465726d07", "940101a0c0", "940102a4 626f6f6d c0", "940100c0 81 a14e c70005",
		"940000 a9546573742e4563686f 91 81 a1 4e 01", "940000 a9546573742e4563686f 91 81 a1 4e a3616263",
	} {
		f.Add(unhex(f, s))
	}
}

// scanAll returns every frame, copied, and what ended the stream.
func scanAll(r io.Reader) (frames []Frame, err error) {
	s := NewScanner(r, fuzzLimits)
	for {
		f, err := s.Next()
		if err != nil {
			return frames, err
		}
		g, err := ParseFrame(bytes.Clone(f.Raw))
		if err != nil {
			return nil, errors.New("ParseFrame refuses what the scanner returned: " + err.Error())
		}
		if diff := cmp.Diff(f, g); diff != "" {
			return nil, errors.New("ParseFrame and the scanner differ: " + diff)
		}
		frames = append(frames, g)
	}
}

func FuzzScanner(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, end := scanAll(bytes.NewReader(data))
		slow, slowEnd := scanAll(iotest.OneByteReader(bytes.NewReader(data)))
		if diff := cmp.Diff(frames, slow); diff != "" || end.Error() != slowEnd.Error() {
			t.Fatalf("whole: %v, byte by byte: %v\n%s", end, slowEnd, diff)
		}
		consumed := 0
		for _, frame := range frames {
			if !bytes.HasPrefix(data[consumed:], frame.Raw) || len(frame.Raw) > fuzzLimits.MaxFrameBytes {
				t.Fatalf("frame %x is not what stands at %d", frame.Raw, consumed)
			}
			consumed += len(frame.Raw)
			agreesWithTwin(t, frame.Raw)
		}
		switch rest := data[consumed:]; {
		case errors.Is(end, io.EOF) && len(rest) > 0, errors.Is(end, io.ErrUnexpectedEOF) && len(rest) == 0:
			t.Fatalf("%v with %d bytes left", end, len(rest))
		case errors.Is(end, io.ErrUnexpectedEOF):
			if _, err := twin(rest); err == nil {
				t.Fatalf("go-msgpack finds a whole value in %x", rest)
			}
		}
		everyPrefixAgrees(t, data[:min(len(data), 200)], frames, end)
	})
}

// everyPrefixAgrees cuts the stream anywhere: what came before the cut stays the same.
func everyPrefixAgrees(t *testing.T, data []byte, whole []Frame, end error) {
	for n := range data {
		frames, cut := scanAll(bytes.NewReader(data[:n]))
		if len(frames) > len(whole) || len(frames) > 0 && !bytes.Equal(frames[len(frames)-1].Raw, whole[len(frames)-1].Raw) {
			t.Fatalf("prefix of %d bytes has other frames", n)
		}
		if !errors.Is(cut, io.EOF) && !errors.Is(cut, io.ErrUnexpectedEOF) && cut.Error() != end.Error() {
			t.Fatalf("prefix of %d bytes ends with %v, the whole with %v", n, cut, end)
		}
	}
}

// twin is the dumb way to find a value's end: decode it.
func twin(b []byte) (length int, err error) {
	var raw codec.Raw
	err = codec.NewDecoderBytes(b, newHandle(fuzzLimits)).Decode(&raw)
	return len(raw), err
}

// agreesWithTwin holds the scanner to go-msgpack, which refuses more (nesting, odd times), but
// where it accepts must see the same bytes.
func agreesWithTwin(t *testing.T, frame []byte) {
	if n, err := twin(append(bytes.Clone(frame), 0)); err == nil && n != len(frame) {
		t.Fatalf("go-msgpack ends %x after %d bytes", frame, n)
	}
}

// memConn is a connection that brings data, once begin is closed, and keeps what is written.
type memConn struct {
	net.Conn // for the methods nobody calls
	begin    chan struct{}
	in       *bytes.Reader
	writes   int

	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (c *memConn) Read(b []byte) (int, error) {
	<-c.begin
	return c.in.Read(b)
}

func (c *memConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes--; c.writes == 0 {
		close(c.begin)
	}
	return c.out.Write(b)
}

func (c *memConn) Close() error                     { return nil }
func (c *memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// EchoService is what the fuzzer reaches.
type EchoService struct{}

func (EchoService) Echo(args *Everything, reply *Everything) error {
	*reply = *args
	return nil
}

func FuzzServerCodec(f *testing.F) {
	addSeeds(f)
	server := NewServer(ServerOptions{Limits: fuzzLimits})
	if err := server.Register("Test", EchoService{}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := &memConn{begin: make(chan struct{}), in: bytes.NewReader(data)}
		close(conn.begin)
		server.rpc.ServeCodec(newServerCodec(server, &Conn{conn: conn, done: make(chan struct{})}))

		requests, _ := scanAll(bytes.NewReader(data))
		waiting := make(map[uint32]int)
		for _, r := range requests {
			waiting[r.ID]++
		}
		replies, end := scanAll(&conn.out)
		if !errors.Is(end, io.EOF) {
			t.Fatalf("the server's bytes end with %v", end)
		}
		for _, r := range replies {
			if waiting[r.ID]--; r.Kind != Response || waiting[r.ID] < 0 {
				t.Fatalf("nobody asked for %x", r.Raw)
			}
		}
	})
}

func FuzzClientCodec(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		const calls = 3
		conn := &memConn{begin: make(chan struct{}), in: bytes.NewReader(data), writes: calls}
		dialed := false
		c := NewClient(ClientOptions{Limits: fuzzLimits, Dial: func(context.Context, string) (net.Conn, error) {
			if dialed {
				return nil, errors.New("once is enough")
			}
			dialed = true
			return conn, nil
		}})
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		var waiting []*Call
		for range calls {
			waiting = append(waiting, c.Go(ctx, "Test.Echo", &Item{}, new(Everything), nil))
		}
		for _, call := range waiting {
			if err := call.Wait(); errors.Is(err, context.DeadlineExceeded) {
				if _, remote := errors.AsType[*Error](err); !remote {
					t.Errorf("a call hangs: %v", err)
				}
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
