package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"whitewater/pkg/wire"
)

// patience is how long a test waits for what must happen; unheard is how long it listens for what must not.
const (
	patience = 10 * time.Second
	unheard  = 60 * time.Millisecond
)

// proxyFixture is a server with its control API on a socket.
type proxyFixture struct {
	*Client
	t      *testing.T
	ctx    context.Context
	server *Server
	url    string
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newProxyFixture(t *testing.T, opts Options) *proxyFixture {
	t.Helper()
	log := &lockedBuffer{}
	opts.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := NewServer(opts)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	url := "http://" + ln.Addr().String()
	f := &proxyFixture{Client: NewClient(url), t: t, ctx: t.Context(), server: s, url: url, log: log}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
		f.Close()
		must(t, s.Close())
		must(t, <-served)
	})
	return f
}

// link makes a link and returns its address.
func (f *proxyFixture) link(p Proxy) string {
	f.t.Helper()
	p.Enabled = true
	made, err := f.Create(f.ctx, p)
	must(f.t, err)
	return made.Listen
}

func (f *proxyFixture) toxic(link, typ, stream, attributes string) {
	f.t.Helper()
	if attributes == "" {
		attributes = "{}"
	}
	_, err := f.AddToxic(f.ctx, link, Toxic{Type: typ, Stream: stream, Toxicity: 1, Attributes: json.RawMessage(attributes)})
	must(f.t, err)
}

// metric returns one series' value, -1 if it is not there.
func (f *proxyFixture) metric(name string, labels ...string) float64 {
	f.t.Helper()
	text, err := f.Metrics(f.ctx, name)
	must(f.t, err)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	must(f.t, err)
	want := strings.Join(labels, ",")
	for _, m := range families[name].GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		if strings.Join(have, ",") == want {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

// awaitMetric waits until a series has a value.
func (f *proxyFixture) awaitMetric(want float64, name string, labels ...string) {
	f.t.Helper()
	f.await(func() bool { return f.metric(name, labels...) == want }, name+" "+strings.Join(labels, ",")+" did not come to the value wanted")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await polls what has no event to wait for: counters and kernel state.
func (f *proxyFixture) await(ok func() bool, complaint string) {
	f.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			text, _ := f.Metrics(f.ctx)
			f.t.Fatalf("%s; metrics:\n%s", complaint, text)
		}
	}
}

// peer is one end of a connection as a test plays it.
type peer struct {
	*net.TCPConn
	t       *testing.T
	scanner *wire.Scanner
}

func newPeer(t *testing.T, c net.Conn) *peer {
	p := &peer{TCPConn: c.(*net.TCPConn), t: t, scanner: wire.NewScanner(c, wire.Limits{})}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	return newPeer(t, c)
}

// dialReset makes sure that a new connection is reset, which may be before the dial has returned.
func dialReset(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err == nil {
		newPeer(t, c).expectReset()
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("dial: %v, want a reset", err)
	}
}

// listener is an upstream.
func listener(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln.(*net.TCPListener)
}

func accept(t *testing.T, ln *net.TCPListener) *peer {
	t.Helper()
	must(t, ln.SetDeadline(time.Now().Add(patience)))
	c, err := ln.Accept()
	must(t, err)
	return newPeer(t, c)
}

// pair makes a connection through a link and returns both ends.
func pair(t *testing.T, addr string, ln *net.TCPListener) (client, server *peer) {
	t.Helper()
	client = dial(t, addr)
	return client, accept(t, ln)
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	_, err := p.Write(b)
	must(p.t, err)
}

// expect reads exactly want.
func (p *peer) expect(want string) {
	p.t.Helper()
	must(p.t, p.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p, got); err != nil || string(got) != want {
		p.t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

// silent makes sure that nothing comes, no end either.
func (p *peer) silent() {
	p.t.Helper()
	must(p.t, p.SetReadDeadline(time.Now().Add(unheard)))
	var b [1]byte
	if n, err := p.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("something came through: %d bytes %q, %v", n, b[:n], err)
	}
}

// expectEOF waits for the end of the stream.
func (p *peer) expectEOF() {
	p.t.Helper()
	if err := p.readError(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("got %v, want the end of the stream", err)
	}
}

// expectReset waits for a reset.
func (p *peer) expectReset() {
	p.t.Helper()
	if err := p.readError(); !errors.Is(err, syscall.ECONNRESET) {
		p.t.Fatalf("got %v, want a reset", err)
	}
}

// expectEnd waits for either: a connection given up while it was being made ends by a reset.
func (p *peer) expectEnd() {
	p.t.Helper()
	if err := p.readError(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		p.t.Fatalf("got %v, want an end", err)
	}
}

func (p *peer) readError() error {
	p.t.Helper()
	must(p.t, p.SetReadDeadline(time.Now().Add(patience)))
	var b [1]byte
	n, err := p.Read(b[:])
	if n > 0 {
		p.t.Fatalf("got a byte %q, want an end", b[:n])
	}
	return err
}

// frame reads one frame.
func (p *peer) frame() wire.Frame {
	p.t.Helper()
	must(p.t, p.SetReadDeadline(time.Now().Add(patience)))
	f, err := p.scanner.Next()
	must(p.t, err)
	return f
}

// request is a request frame with a body of one map {"Entries": array of n nils}.
func request(id byte, method string, n byte) []byte {
	b := append([]byte{0x94, 0, id, 0xa0 | byte(len(method))}, method...)
	return append(append(b, 0x91), body(n)...)
}

func body(n byte) []byte {
	b := append([]byte{0x81, 0xa7}, "Entries"...)
	return append(append(b, 0x90|n), bytes.Repeat([]byte{0xc0}, int(n))...)
}

// response answers f with a body of n entries.
func response(id uint32, n byte) []byte {
	b := []byte{0x94, 1, 0xce, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id), 0xc0}
	return append(b, body(n)...)
}
