package chaos

import (
	"bytes"
	"testing"
)

// rpcLink makes a msgpack-rpc link n1->n2 to a fresh upstream.
func rpcLink(f *proxyFixture) (addr string, up func() *peer) {
	ln := listener(f.t)
	addr = f.link(Proxy{Name: "n1->n2", Upstream: ln.Addr().String(), Protocol: ProtocolMsgpackRPC, Source: "n1", Target: "n2"})
	return addr, func() *peer { return accept(f.t, ln) }
}

func TestFrames_CallThrough(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	client.send(request(7, "Raft.X", 2))
	in := server.frame()
	if in.Method != "Raft.X" || !bytes.Equal(in.Body, body(2)) {
		t.Fatalf("upstream got %+v", in)
	}
	server.send(response(in.ID, 1))
	if out := client.frame(); out.ID != 7 || !bytes.Equal(out.Body, body(1)) {
		t.Fatalf("client got %+v", out)
	}
	client.send(request(8, "Raft.X", 0)[:5])
	client.silent()
}

func TestFrames_HalfCloseIsKept(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	client.send(request(1, "M", 0))
	must(t, client.CloseWrite())
	in := server.frame()
	server.expectEOF()
	server.send(response(in.ID, 0))
	client.frame()
	must(t, server.Close())
	client.expectEOF()
	f.awaitMetric(0, "chaosproxy_connections", "link=n1->n2")
}

func TestFrames_GarbageClosesThatConnectionOnly(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	good := dial(t, addr)
	goodServer := up()
	bad := dial(t, addr)
	badServer := up()
	bad.send([]byte("GET / HTTP/1.1\r\n\r\n"))
	badServer.expectEOF()
	good.send(request(1, "M", 0))
	goodServer.frame()
	f.awaitMetric(1, "chaosproxy_protocol_errors_total", "link=n1->n2")
	if n := bytes.Count([]byte(f.log.String()), []byte("bad frame")); n != 1 {
		t.Fatalf("%d log lines about it, want 1:\n%s", n, f.log.String())
	}
}

func TestWatch_CountsBeforeFaults(t *testing.T) {
	f := newProxyFixture(t, Options{})
	_, err := f.AddWatch(f.ctx, Watch{Name: "heartbeat", Method: "Raft.AppendEntries", Empty: "Entries"})
	must(t, err)
	addr, up := rpcLink(f)
	if v := f.metric("chaosproxy_watch_frames_total", "link=n1->n2", "watch=heartbeat"); v != 0 {
		t.Fatalf("the series is %v before the first frame, want 0", v)
	}
	client := dial(t, addr)
	server := up()
	_, err = f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultDrop, Probability: 1})
	must(t, err)
	client.send(request(1, "Raft.AppendEntries", 0))
	client.send(request(2, "Raft.AppendEntries", 1))
	client.send(request(3, "Raft.RequestVote", 0))
	f.awaitMetric(2, "chaosproxy_frames_total", "kind=request", "link=n1->n2", "method=Raft.AppendEntries")
	f.awaitMetric(1, "chaosproxy_watch_frames_total", "link=n1->n2", "watch=heartbeat")
	server.silent()
	f.awaitMetric(3, "chaosproxy_frames_affected_total", "action=drop", "kind=request", "link=n1->n2")
}
