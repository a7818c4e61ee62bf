package chaos

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"time"
)

// byteLink makes a byte link "b" with one connection through it.
func byteLink(f *proxyFixture) (client, server *peer) {
	f.t.Helper()
	ln := listener(f.t)
	return pair(f.t, f.link(Proxy{Name: "b", Upstream: ln.Addr().String()}), ln)
}

func TestLatency_DelaysAStandingConnectionAndGoesAtOnce(t *testing.T) {
	f := newProxyFixture(t, Options{})
	client, server := byteLink(f)
	client.send([]byte("spliced"))
	server.expect("spliced")
	f.toxic("b", ToxicLatency, "upstream", `{"latency": 60}`)
	start := time.Now()
	client.send([]byte("slow"))
	server.expect("slow")
	if took := time.Since(start); took < 60*time.Millisecond {
		t.Fatalf("came after %v", took)
	}
	server.send([]byte("other direction"))
	client.expect("other direction")
	_, err := f.UpdateToxic(f.ctx, "b", "latency_upstream", ToxicUpdate{Attributes: json.RawMessage(`{"latency": 3600000}`)})
	must(t, err)
	client.send([]byte("an hour"))
	server.silent()
	must(t, f.RemoveToxic(f.ctx, "b", "latency_upstream"))
	server.expect("an hour")
	client.send([]byte("spliced again"))
	server.expect("spliced again")
	f.awaitMetric(1, "chaosproxy_faults_matched_total", "fault=latency", "link=b")
}

// Bytes that the kernel has taken for a receiver that does not read are not lost when a toxic interrupts.
func TestToxic_InterruptsASpliceWithoutLoss(t *testing.T) {
	f := newProxyFixture(t, Options{})
	client, server := byteLink(f)
	sent := make([]byte, 24<<20)
	for i := range sent {
		sent[i] = byte(i * i >> 7)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := client.Write(sent)
		wrote <- err
	}()
	f.await(func() bool { return f.metric("chaosproxy_sent_bytes_total", "direction=upstream", "link=b") > 1<<16 }, "nothing moves")
	f.toxic("b", ToxicLatency, "upstream", `{"latency": 5, "jitter": 5}`)
	got := make([]byte, len(sent))
	half := len(sent) / 2
	must(t, server.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.ReadFull(server, got[:half])
	must(t, err)
	must(t, f.RemoveToxic(f.ctx, "b", "latency_upstream"))
	_, err = io.ReadFull(server, got[half:])
	must(t, err)
	must(t, <-wrote)
	if !bytes.Equal(got, sent) {
		t.Fatal("what arrived is not what was sent")
	}
}

func TestBandwidth(t *testing.T) {
	f := newProxyFixture(t, Options{})
	client, server := byteLink(f)
	f.toxic("b", ToxicBandwidth, "downstream", `{"rate": 100}`)
	payload := bytes.Repeat([]byte("x"), 20_000) // 200 ms
	start := time.Now()
	server.send(payload)
	client.expect(string(payload))
	if took := time.Since(start); took < 190*time.Millisecond || took > 2*time.Second {
		t.Errorf("20 kB at 100 kB/s took %v", took)
	}
	_, err := f.UpdateToxic(f.ctx, "b", "bandwidth_downstream", ToxicUpdate{Attributes: json.RawMessage(`{"rate": 0}`)})
	must(t, err)
	server.send([]byte("stuck"))
	client.silent()
	must(t, f.RemoveToxic(f.ctx, "b", "bandwidth_downstream"))
	client.expect("stuck")
}

func TestTimeout_ClosesAfterSilence(t *testing.T) {
	f := newProxyFixture(t, Options{})
	client, server := byteLink(f)
	f.toxic("b", ToxicTimeout, "upstream", `{"timeout": 50}`)
	client.send([]byte("swallowed"))
	server.expectEOF()
	client.expectEOF()
}

func TestTimeout_RemovalClosesTheConnectionsThatLostBytes(t *testing.T) {
	f := newProxyFixture(t, Options{})
	ln := listener(t)
	addr := f.link(Proxy{Name: "b", Upstream: ln.Addr().String()})
	losing, losingServer := pair(t, addr, ln)
	other, otherServer := pair(t, addr, ln)
	f.toxic("b", ToxicTimeout, "upstream", `{"timeout": 0}`)
	losing.send([]byte("swallowed"))
	f.awaitMetric(9, "chaosproxy_received_bytes_total", "direction=upstream", "link=b")
	must(t, f.RemoveToxic(f.ctx, "b", "timeout_upstream"))
	losingServer.expectEOF()
	other.send([]byte("fine"))
	otherServer.expect("fine")
}

func TestResetPeer_ResetsWhatStandsAndWhatComes(t *testing.T) {
	f := newProxyFixture(t, Options{})
	ln := listener(t)
	addr := f.link(Proxy{Name: "b", Upstream: ln.Addr().String()})
	standing, standingServer := pair(t, addr, ln)
	f.toxic("b", ToxicResetPeer, "downstream", `{"timeout": 10}`)
	standing.expectReset()
	standingServer.expectReset()
	fresh, freshServer := pair(t, addr, ln)
	fresh.silent()
	freshServer.send([]byte("x"))
	fresh.expectReset()
}

// A toxic's time comes also while its receiver does not read.
func TestResetPeer_WhileBlocked(t *testing.T) {
	f := newProxyFixture(t, Options{})
	client, server := byteLink(f)
	f.toxic("b", ToxicNoop, "upstream", ``)
	go func() { _, _ = client.Write(make([]byte, 32<<20)) }()
	f.await(func() bool { return f.metric("chaosproxy_sent_bytes_total", "direction=upstream", "link=b") > 1<<16 }, "nothing moves")
	f.toxic("b", ToxicResetPeer, "upstream", `{"timeout": 1}`)
	f.awaitMetric(0, "chaosproxy_connections", "link=b")
	_ = server
}

func TestToxicity_IsDecidedPerConnection(t *testing.T) {
	f := newProxyFixture(t, Options{Seed: 9})
	ln := listener(t)
	addr := f.link(Proxy{Name: "b", Upstream: ln.Addr().String()})
	_, err := f.AddToxic(f.ctx, "b", Toxic{Type: ToxicResetPeer, Stream: "upstream", Toxicity: 0.5})
	must(t, err)
	hit := 0
	for n := range uint64(12) {
		client, server := pair(t, addr, ln)
		client.send([]byte("x"))
		key := decisionKey{purpose: "fate", fault: "reset_peer_upstream", link: "b", dir: upstream, n: n + 1}
		if draw(9, key) < 0.5 {
			client.expectReset()
			hit++
		} else {
			server.expect("x")
		}
	}
	if hit == 0 || hit == 12 {
		t.Errorf("%d of 12 connections hit: this seed shows nothing", hit)
	}
}

func TestToxics_OnAFrameLink(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	f.toxic("n1->n2", ToxicLatency, "upstream", `{"latency": 40, "jitter": 40}`)
	f.toxic("n1->n2", ToxicBandwidth, "upstream", `{"rate": 1}`)
	for i := range byte(8) {
		client.send(request(i, "M", i))
	}
	for i := range byte(8) {
		in := server.frame()
		if !bytes.Equal(in.Body, body(i)) {
			t.Fatalf("frame %d came out of order or torn: %x", i, in.Raw)
		}
	}
}

// The parts that read no clock, by a clock of the test's own.
func TestChain_RemovalKeepsOrder(t *testing.T) {
	now := time.Unix(1000, 0)
	a := &toxic{id: new(int), name: "a", toxicity: 1, attributes: &latency{Latency: 10}}
	b := &toxic{id: new(int), name: "b", toxicity: 1, attributes: &latency{Latency: 20}}
	var c chain
	c.sync(now, []*toxic{a, b}, site{})
	c.push(now, chunk{data: []byte("1"), received: now})
	c.advance(now.Add(15 * time.Millisecond)) // 1 is in b
	c.push(now, chunk{data: []byte("2"), received: now.Add(15 * time.Millisecond)})
	c.sync(now, []*toxic{a}, site{})
	c.push(now, chunk{data: []byte("3"), received: now.Add(15 * time.Millisecond)})
	c.sync(now, nil, site{})
	got := ""
	for {
		x, ok, _ := c.pop(now)
		if !ok {
			break
		}
		got += string(x.data)
	}
	if got != "123" || c.active() || c.held() != 0 {
		t.Errorf("came out as %q, active %v, held %d", got, c.active(), c.held())
	}
}
