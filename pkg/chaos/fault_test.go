package chaos

import (
	"errors"
	"slices"
	"testing"
	"time"

	"whitewater/pkg/wire"
)

// throughFault sends 100 requests through a fresh proxy and returns the ids (the first 100) that arrived.
func throughFault(t *testing.T, seed uint64) (arrived []byte) {
	f := newProxyFixture(t, Options{Seed: seed})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	_, err := f.AddFault(f.ctx, OnLinks("n1->n2"), Fault{Type: FaultDrop, Method: "M", Probability: 0.3})
	must(t, err)
	for i := range byte(100) {
		client.send(request(i, "M", i%8))
		client.send(request(100, "Other", 0)) // its fate does not change M's
	}
	must(t, client.CloseWrite())
	for {
		in, err := server.scanner.Next()
		if err != nil {
			return arrived
		}
		if in.Method == "M" {
			n, _ := wire.ArrayLen(in.Body[9:])
			arrived = append(arrived, byte(n))
		}
	}
}

func TestFault_DropWithProbabilityFollowsTheSeed(t *testing.T) {
	var want []byte
	for i := range uint64(100) {
		key := decisionKey{"fate", "drop_request", "n1->n2", upstream, "M", i + 1}
		if draw(5, key) >= 0.3 {
			want = append(want, byte(i%8))
		}
	}
	first, second, other := throughFault(t, 5), throughFault(t, 5), throughFault(t, 6)
	if !slices.Equal(first, want) || !slices.Equal(second, want) {
		t.Errorf("one seed, arrivals\n%v\n%v\nwant\n%v", first, second, want)
	}
	if slices.Equal(other, want) {
		t.Error("another seed makes no difference")
	}
}

func TestFault_DropReplyIsSilentAndReachesStandingConnections(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	client.send(request(1, "M", 0)) // before the fault: a certain fault hits its reply, too
	one := server.frame()
	_, err := f.AddLinkFault(f.ctx, "n1->n2", Fault{Name: "lose", Type: FaultDrop, Kind: KindResponse, Method: "M", Probability: 1})
	must(t, err)
	client.send(request(2, "M", 0))
	server.send(response(one.ID, 0))
	server.send(response(server.frame().ID, 0))
	client.silent()
	f.awaitMetric(2, "chaosproxy_faults_matched_total", "fault=drop", "link=n1->n2")
	f.awaitMetric(1, "chaosproxy_faults_active", "fault=drop", "link=n1->n2")
	must(t, f.RemoveLinkFault(f.ctx, "n1->n2", "lose"))
	client.send(request(3, "M", 0))
	server.send(response(server.frame().ID, 0))
	if out := client.frame(); out.ID != 3 {
		t.Fatalf("got a reply to %d, want 3", out.ID)
	}
}

func TestFault_ErrorAnswersAtOnce(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	for _, kind := range []string{KindRequest, KindResponse} {
		_, err := f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultError, Kind: kind, Method: kind, Probability: 1})
		must(t, err)
	}
	client.send(request(1, KindRequest, 0))
	if out := client.frame(); out.ID != 1 || !out.Failed() {
		t.Fatalf("got %+v, want an error for 1", out)
	}
	client.send(request(2, KindResponse, 0))
	in := server.frame() // the first that arrives: the handler has run
	server.send(response(in.ID, 0))
	if out := client.frame(); out.ID != 2 || !out.Failed() || in.Method != KindResponse {
		t.Fatalf("got %+v, want an error for 2", out)
	}
}

func TestFault_DelayIsTheFramesOwn(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	_, err := f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultDelay, Method: "Slow", Probability: 1, DelayMS: 80})
	must(t, err)
	start := time.Now()
	client.send(request(1, "Slow", 0))
	client.send(request(2, "Fast", 0))
	if in := server.frame(); in.Method != "Fast" {
		t.Fatalf("%s came first", in.Method)
	}
	in := server.frame()
	if took := time.Since(start); in.Method != "Slow" || took < 80*time.Millisecond {
		t.Fatalf("%s came after %v", in.Method, took)
	}
	f.awaitMetric(1, "chaosproxy_injected_delay_seconds", "link=n1->n2")
	f.awaitMetric(1, "chaosproxy_forward_duration_seconds", "link=n1->n2")
}

// An end of the stream waits for the frames before it.
func TestFault_DelayedFramesComeBeforeTheEnd(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	_, err := f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultDelay, Probability: 1, DelayMS: 30})
	must(t, err)
	client.send(request(1, "M", 0))
	must(t, client.CloseWrite())
	server.frame()
	server.expectEOF()
}

func TestPreset_LabUnreliable(t *testing.T) {
	f := newProxyFixture(t, Options{Seed: 3})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	_, err := f.AddPreset(f.ctx, PresetLabUnreliable, AllLinks())
	must(t, err)
	const calls = 200
	received := make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			in, err := server.scanner.Next()
			if err != nil {
				received <- n
				return
			}
			if _, err := server.Write(response(in.ID, 0)); err != nil {
				received <- n
				return
			}
		}
	}()
	for i := range calls {
		client.send(request(byte(i%100), "M", 0))
	}
	failed := 0
	for range calls {
		if client.frame().Failed() {
			failed++
		}
	}
	must(t, client.CloseWrite())
	n := <-received
	if n < 160 || n > 195 || failed < 20 || failed > 58 { // 180 and 38 expected
		t.Errorf("of %d calls %d arrived and %d failed", calls, n, failed)
	}
	if _, err := f.RemovePreset(f.ctx, PresetLabUnreliable); err != nil {
		t.Error(err)
	}
	if _, err := f.RemovePreset(f.ctx, PresetLabUnreliable); !errors.Is(err, ErrPresetNotFound) {
		t.Errorf("removing it twice: %v", err)
	}
}

func TestFault_Refusals(t *testing.T) {
	f := newProxyFixture(t, Options{})
	ln := listener(t)
	f.link(Proxy{Name: "bytes", Upstream: ln.Addr().String()})
	rpcLink(f)
	good := Fault{Type: FaultDrop, Probability: 1}
	for name, err := range map[string]error{
		"byte link":       second(f.AddFault(f.ctx, OnLinks("bytes"), good)),
		"no link":         second(f.AddFault(f.ctx, Targets{}, good)),
		"unknown type":    second(f.AddFault(f.ctx, AllLinks(), Fault{Type: "x"})),
		"unknown kind":    second(f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultDrop, Kind: "x"})),
		"probability":     second(f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultDrop, Probability: 1.5})),
		"no delay":        second(f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultDelay})),
		"delay of a drop": second(f.AddFault(f.ctx, AllLinks(), Fault{Type: FaultDrop, DelayMS: 1})),
	} {
		if statusOf(err).Status != 400 {
			t.Errorf("%s: %v, want 400", name, err)
		}
	}
	if _, err := f.AddFault(f.ctx, OnLinks("none"), good); !errors.Is(err, ErrProxyNotFound) {
		t.Errorf("unknown link: %v", err)
	}
	if _, err := f.RemoveFault(f.ctx, "none"); !errors.Is(err, ErrFaultNotFound) {
		t.Errorf("unknown fault: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
