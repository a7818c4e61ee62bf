package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"whitewater/pkg/wire"
)

// Echo is a service of pkg/wire.
type Echo struct{}

// EchoArgs asks for Text back, together with a payload.
type EchoArgs struct {
	Text    string
	Payload []byte
}

// EchoReply holds what was sent.
type EchoReply struct {
	Text    string
	Payload []byte
}

// Say implements the method.
func (Echo) Say(args *EchoArgs, reply *EchoReply) error {
	*reply = EchoReply(*args)
	return nil
}

// throughLink starts an echo service behind a msgpack-rpc link and returns a client that calls through it.
func throughLink(t testing.TB, addr string, ln net.Listener) *wire.Client {
	t.Helper()
	server := wire.NewServer(wire.ServerOptions{})
	must(t, server.Register("Echo", Echo{}))
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	client := wire.NewClient(wire.ClientOptions{Address: addr})
	t.Cleanup(func() {
		must(t, client.Close())
		must(t, server.Close())
		<-served
	})
	return client
}

func say(ctx context.Context, client *wire.Client, text string, size int) error {
	var reply EchoReply
	err := client.Call(ctx, "Echo.Say", EchoArgs{Text: text, Payload: make([]byte, size)}, &reply, nil)
	if err == nil && (reply.Text != text || len(reply.Payload) != size) {
		return fmt.Errorf("sent %q and %d bytes, got %q and %d", text, size, reply.Text, len(reply.Payload))
	}
	return err
}

// Many callers over one connection get their own replies, while faults come and go.
func TestWire_CallersGetTheirOwnReplies(t *testing.T) {
	f := newProxyFixture(t, Options{Seed: 7})
	ln := listener(t)
	addr := f.link(Proxy{Name: "l", Upstream: ln.Addr().String(), Protocol: ProtocolMsgpackRPC})
	client := throughLink(t, addr, ln)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				err := say(ctx, client, fmt.Sprintf("%d/%d", w, i), i%5000)
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, wire.ErrRemote) {
					if coded, ok := errors.AsType[*wire.Error](err); !ok || coded.Code != "injected" {
						t.Errorf("call: %v", err)
						return
					}
				}
			}
		})
	}
	for range 3 {
		_, err := f.AddPreset(f.ctx, PresetLabUnreliable, AllLinks())
		must(t, err)
		_, err = f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultDrop, Kind: KindResponse, Probability: 0.2})
		must(t, err)
		f.toxic("l", ToxicLatency, "downstream", `{"latency": 2, "jitter": 2}`)
		f.toxic("l", ToxicBandwidth, "upstream", `{"rate": 5000}`)
		before := f.metric("chaosproxy_faults_matched_total", "fault=drop", "link=l")
		f.await(func() bool { return f.metric("chaosproxy_faults_matched_total", "fault=drop", "link=l") > before+20 }, "no drops")
		must(t, f.Reset(f.ctx))
		before = f.metric("chaosproxy_frames_total", "kind=response", "link=l", "method=Echo.Say")
		f.await(func() bool {
			return f.metric("chaosproxy_frames_total", "kind=response", "link=l", "method=Echo.Say") > before+100
		}, "no replies")
	}
	close(stop)
	wg.Wait()
	must(t, say(t.Context(), client, "after", 1))
	if n := f.metric("chaosproxy_connections_total", "link=l", "result=accepted"); n != 1 {
		t.Errorf("%v connections: faults of messages must not cost the connection", n)
	}
}

// A partition is one step: once it has been answered, no call gets through on any link.
func TestWire_PartitionIsOneStep(t *testing.T) {
	f := newProxyFixture(t, Options{})
	var clients []*wire.Client
	for i := range 6 {
		ln := listener(t)
		addr := f.link(Proxy{Name: fmt.Sprint("l", i), Upstream: ln.Addr().String(), Protocol: ProtocolMsgpackRPC, Source: "a", Target: "b"})
		client := throughLink(t, addr, ln)
		must(t, say(t.Context(), client, "before", 1))
		clients = append(clients, client)
	}
	for range 5 {
		f.partition(Partition{Groups: [][]string{{"a"}, {"b"}}})
		var wg sync.WaitGroup
		for i, client := range clients {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), unheard)
				defer cancel()
				if err := say(ctx, client, "cut", 1); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("link %d: %v, want a time-out", i, err)
				}
			})
		}
		wg.Wait()
		f.heal()
		for _, client := range clients {
			must(t, say(t.Context(), client, "healed", 1))
		}
	}
}

// Whatever a client sends, the upstream sees whole frames alone, and the proxy lives on.
func FuzzFrames(f *testing.F) {
	f.Add(request(1, "M", 3))
	f.Add(append(request(1, "M", 3), request(2, "N", 0)[:6]...))
	f.Add(response(1, 1))
	f.Add([]byte("\x93\x02\xa1M\x90"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		s := NewServer(Options{Limits: Limits{MaxFrameBytes: 1 << 16}})
		p, err := s.Create(Proxy{Name: "l", Upstream: ln.Addr().String(), Enabled: true, Protocol: ProtocolMsgpackRPC})
		must(t, err)
		client, err := net.Dial("tcp", p.Listen)
		must(t, err)
		server, err := ln.Accept()
		must(t, err)
		_, err = client.Write(sent)
		must(t, err)
		must(t, client.(*net.TCPConn).CloseWrite())
		must(t, server.SetReadDeadline(time.Now().Add(patience)))
		received, err := io.ReadAll(server)
		if err != nil && errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("the connection hangs")
		}
		scanner := wire.NewScanner(bytes.NewReader(received), wire.Limits{})
		for {
			if _, err := scanner.Next(); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("the upstream got half a frame: %v in %x", err, received)
				}
				break
			}
		}
		must(t, errors.Join(s.Close(), ln.Close(), client.Close(), server.Close()))
	})
}
