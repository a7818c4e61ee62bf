package chaos

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func (f *proxyFixture) partition(p Partition) Partition {
	f.t.Helper()
	p.Name = "p"
	made, err := f.Partition(f.ctx, p)
	must(f.t, err)
	return made
}

func (f *proxyFixture) heal() {
	f.t.Helper()
	_, err := f.Heal(f.ctx, "p")
	must(f.t, err)
}

func TestPartition_BlackHoleLosesFramesBothWaysAndTheConnectionGoesOn(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	client.send(request(1, "M", 0))
	first := server.frame()
	made := f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}})
	if !slices.Equal(made.Links, []string{"n1->n2"}) {
		t.Fatalf("links touched: %v", made.Links)
	}
	client.send(request(2, "M", 0))
	server.send(response(first.ID, 0))
	f.awaitMetric(1, "chaosproxy_frames_affected_total", "action=black_hole", "kind=request", "link=n1->n2")
	f.awaitMetric(1, "chaosproxy_frames_affected_total", "action=black_hole", "kind=response", "link=n1->n2")
	server.silent()
	client.silent()
	f.heal()
	client.send(request(3, "M", 0))
	in := server.frame()
	server.send(response(in.ID, 0))
	if out := client.frame(); out.ID != 3 {
		t.Fatalf("after healing the client got a reply to %d, want 3", out.ID)
	}
}

func TestPartition_OneWayPackets(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	f.partition(Partition{Groups: [][]string{{"n2"}, {"n1"}}, Direction: DirectionOneWay, OneWay: OneWayPackets})
	client.send(request(1, "M", 0)) // n1's packets reach n2, n2's do not reach n1
	in := server.frame()
	server.send(response(in.ID, 0))
	client.silent()
	f.heal()
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}, Direction: DirectionOneWay, OneWay: OneWayPackets})
	client.send(request(2, "M", 0))
	server.silent()
}

func TestPartition_OneWayCallLeavesTheOtherLinkAlone(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	f.link(Proxy{Name: "n2->n1", Upstream: "127.0.0.1:0", Protocol: ProtocolMsgpackRPC, Source: "n2", Target: "n1"})
	client := dial(t, addr)
	server := up()
	f.partition(Partition{Groups: [][]string{{"n2"}, {"n1"}}, Direction: DirectionOneWay, OneWay: OneWayCall})
	client.send(request(1, "M", 0))
	server.frame()
	f.heal()
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}, Direction: DirectionOneWay, OneWay: OneWayCall})
	client.send(request(2, "M", 0))
	server.silent()
}

func TestPartition_EndsAreNotPassedOnUntilHealed(t *testing.T) {
	ends := map[string]func(*peer){
		"end of stream": func(p *peer) { must(t, p.Close()) },
		"reset":         func(p *peer) { reset(p.TCPConn) },
	}
	for name, end := range ends {
		for _, who := range []string{"client", "server"} {
			t.Run(who+"'s "+name, func(t *testing.T) {
				f := newProxyFixture(t, Options{})
				addr, up := rpcLink(f)
				gone := dial(t, addr)
				left := up()
				if who == "server" {
					gone, left = left, gone
				}
				f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}})
				end(gone)
				left.silent()
				f.heal()
				left.expectReset()
			})
		}
	}
}

// One way, what is written to an end that went away is lost without a word, too.
func TestPartition_OneWayKeepsAResetToItself(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	client.send(request(1, "M", 0))
	in := server.frame()
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}, Direction: DirectionOneWay, OneWay: OneWayPackets})
	reset(client.TCPConn)
	server.send(response(in.ID, 0))
	server.silent()
	f.heal()
	server.expectReset()
}

// The cut falls between frames: one that has begun to leave is completed.
func TestPartition_CompletesAFrameThatHasBegun(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	const size = 12 << 20
	large := append([]byte{0x94, 0, 1, 0xa1, 'M', 0x91, 0xc6, byte(size >> 24), byte(size >> 16), byte(size >> 8 & 0xff), byte(size & 0xff)}, make([]byte, size)...)
	client.send(large)
	f.await(func() bool { return f.metric("chaosproxy_sent_bytes_total", "direction=upstream", "link=n1->n2") > 0 }, "nothing moves")
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}})
	client.send(request(2, "M", 0))
	if in := server.frame(); len(in.Raw) != len(large) {
		t.Fatalf("%d bytes came, want %d", len(in.Raw), len(large))
	}
	server.silent()
}

func TestPartition_NewConnectionsHang(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}})
	client := dial(t, addr)
	client.send(request(1, "M", 0))
	gone := dial(t, addr)
	must(t, gone.CloseWrite())
	client.silent()
	f.awaitMetric(1, "chaosproxy_frames_affected_total", "action=black_hole", "kind=request", "link=n1->n2")
	f.heal()
	gone.expectReset()
	server := up()
	client.send(request(2, "M", 0))
	in := server.frame()
	server.send(response(in.ID, 0))
	if out := client.frame(); out.ID != 2 {
		t.Fatalf("got a reply to %d, want 2", out.ID)
	}
}

func TestPartition_RefuseResetsWhatStandsAndWhatComes(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}, Mode: ModeRefuse})
	client.expectReset()
	server.expectReset()
	dialReset(t, addr)
	if _, err := f.HealAll(f.ctx); err != nil {
		t.Fatal(err)
	}
	dial(t, addr).send(request(1, "M", 0))
	up().frame()
}

func TestPartition_ByteLinkHoldsBytes(t *testing.T) {
	f := newProxyFixture(t, Options{})
	ln := listener(t)
	addr := f.link(Proxy{Name: "b", Upstream: ln.Addr().String(), Source: "n1", Target: "n2"})
	client, server := pair(t, addr, ln)
	client.send([]byte("one"))
	server.expect("one")
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}})
	client.send([]byte("two"))
	must(t, client.CloseWrite())
	server.silent()
	f.heal()
	server.expect("two")
	server.expectEOF()
}

func TestPartition_Refusals(t *testing.T) {
	f := newProxyFixture(t, Options{})
	two := [][]string{{"n1"}, {"n2"}}
	for _, p := range []Partition{
		{Name: "", Groups: two},
		{Name: "p", Groups: [][]string{{"n1"}}},
		{Name: "p", Groups: [][]string{{"n1"}, {"n1"}}},
		{Name: "p", Groups: two, Mode: "hole"},
		{Name: "p", Groups: two, Direction: DirectionOneWay},
		{Name: "p", Groups: two, OneWay: OneWayCall},
		{Name: "p", Groups: two, Direction: DirectionOneWay, OneWay: OneWayPackets, Mode: ModeRefuse},
	} {
		if _, err := f.Partition(f.ctx, p); statusOf(err).Status != 400 {
			t.Errorf("%+v: %v, want a refusal", p, err)
		}
	}
	if _, err := f.Heal(f.ctx, "p"); !errors.Is(err, ErrPartitionNotFound) {
		t.Errorf("healing nothing: %v", err)
	}
}

// A partition that would do nothing is refused, and the answer says why.
func TestPartition_MustTouchALink(t *testing.T) {
	f := newProxyFixture(t, Options{})
	rpcLink(f)
	for _, row := range []struct{ groups, more, want string }{
		{`[["n1"],["n2","n9"]]`, ``, `no link has node \"n9\" as source or target; links have [\"n1\" \"n2\"]`},
		{`[["n1","n2"],[]]`, ``, `no link runs between them`},
		{`[["n2"],["n1"]]`, `,"direction":"one_way","one_way":"call"`, `no link runs between them`},
	} {
		status, body, _ := f.call("POST", "/partitions", `{"name":"p","groups":`+row.groups+row.more+`}`)
		if status != 400 || !strings.Contains(body, row.want) {
			t.Errorf("%s: %d %s, want 400 and %s", row.groups, status, body, row.want)
		}
	}
	if _, body, _ := f.call("GET", "/partitions", ""); body != "[]" {
		t.Errorf("in force after refusals: %s", body)
	}
}

func TestPartition_AnswersAlwaysHaveLinks(t *testing.T) {
	f := newProxyFixture(t, Options{})
	rpcLink(f)
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}})
	must(t, f.Delete(f.ctx, "n1->n2"))
	for _, method := range []string{"GET", "DELETE"} {
		if _, body, _ := f.call(method, "/partitions", ""); !strings.Contains(body, `"links":[]`) {
			t.Errorf("%s: %s", method, body)
		}
	}
}
