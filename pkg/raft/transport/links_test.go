package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// answering is a peer that answers requests for votes with its name, over real sockets.
type answering struct {
	name    string
	address string
	lost    chan struct{} // one for each connection that ended
	asked   chan struct{} // one for each request
	hold    chan struct{} // not nil: answers wait until it is closed
}

// RequestVote is what net/rpc calls.
func (a *answering) RequestVote(args *RequestVoteArgs, reply *protocol.RequestVoteReply) error {
	args.arrival.conn.Enter(args.arrival.seq)
	args.arrival.conn.Leave(args.arrival.seq)
	a.asked <- struct{}{}
	if a.hold != nil {
		<-a.hold
	}
	*reply = protocol.RequestVoteReply{Identity: protocol.Identity{Directory: a.name, Address: a.address}, Term: args.Term}
	return nil
}

// InstallSnapshot is what net/rpc calls, over the connection of its own.
func (a *answering) InstallSnapshot(args *InstallSnapshotArgs, reply *protocol.InstallSnapshotReply) error {
	args.arrival.conn.Enter(args.arrival.seq)
	args.arrival.conn.Leave(args.arrival.seq)
	*reply = protocol.InstallSnapshotReply{Identity: protocol.Identity{Directory: a.name + args.Configuration}}
	return nil
}

func startAnswering(t *testing.T, name string, hold chan struct{}) *answering {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &answering{
		name: name, address: listener.Addr().String(), hold: hold,
		lost: make(chan struct{}, 1000), asked: make(chan struct{}, 1000),
	}
	server := wire.NewServer(wire.ServerOptions{Codes: codes, OnClose: func(*wire.Conn) { a.lost <- struct{}{} }})
	if err := server.Register("Raft", a); err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, wire.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		served.Wait()
	})
	return a
}

// who names the peer that answers for a member.
func who(t *testing.T, caller *Transport, to protocol.NodeID) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reply, err := caller.Call(ctx, to, protocol.RequestVoteRequest{Term: 3}, func() {})
	if err != nil {
		t.Fatalf("call %s: %v", to, err)
	}
	return reply.(protocol.RequestVoteReply).Directory
}

func wantError(t *testing.T, caller *Transport, to protocol.NodeID, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := caller.Call(ctx, to, protocol.RequestVoteRequest{Term: 3}, func() {}); !errors.Is(err, want) {
		t.Errorf("call %s: %v, want %v", to, err, want)
	}
}

func await(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-event:
	case <-ctx.Done():
		t.Fatalf("waited in vain for %s", what)
	}
}

// seriesOf counts a peer's series in a registry.
func seriesOf(t *testing.T, registry *prometheus.Registry, peer string) (count int, connected []string) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			for _, label := range m.Label {
				if label.GetName() == "peer" && label.GetValue() == peer {
					count++
					if family.GetName() == "rpc_peer_connection" && m.GetGauge().GetValue() == 1 {
						connected = append(connected, m.String())
					}
				}
			}
		}
	}
	return count, connected
}

func TestSetMembers_DialsWhereTheMembersSay(t *testing.T) {
	registry := prometheus.NewRegistry()
	first, second := startAnswering(t, "first", nil), startAnswering(t, "second", nil)
	caller := New(Options{Cluster: "c", ID: "n1", Linger: 1, Metrics: NewMetrics(registry)})
	defer caller.Close()
	wantError(t, caller, "n2", ErrNoAddress)
	caller.SetMembers(map[protocol.NodeID]string{"n1": "127.0.0.1:1", "n2": first.address, "n3": ""})
	wantError(t, caller, "n1", ErrNoAddress) // itself
	wantError(t, caller, "n3", ErrNoAddress) // it has not said yet
	if got := who(t, caller, "n2"); got != "first" {
		t.Errorf("%s answers", got)
	}
	caller.SetMembers(map[protocol.NodeID]string{"n2": first.address, "n4": second.address})
	if got := who(t, caller, "n2") + who(t, caller, "n4"); got != "firstsecond" || len(first.lost) > 0 {
		t.Errorf("%s answer; %d connections to a member that stayed were closed", got, len(first.lost))
	}

	// The member is elsewhere now: the connection to where it was is closed, and counters go on.
	caller.SetMembers(map[protocol.NodeID]string{"n2": second.address})
	if got := who(t, caller, "n2"); got != "second" {
		t.Errorf("%s answers after the address changed", got)
	}
	await(t, "the connection to the former address to be closed", first.lost)
	if _, connected := seriesOf(t, registry, "n2"); len(connected) != 1 || !strings.Contains(connected[0], `"connected"`) {
		t.Errorf("states of the connection: %v", connected)
	}

	// A member that is gone: nothing is left of it.
	caller.SetMembers(nil)
	for range 2 { // n4's too
		await(t, "the connections to former members to be closed", second.lost)
	}
	for _, peer := range []string{"n2", "n4"} {
		wantError(t, caller, protocol.NodeID(peer), ErrNoAddress)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for count := 1; count > 0 && t.Context().Err() == nil; runtime.Gosched() {
				count, _ = seriesOf(t, registry, peer)
			}
		}()
		await(t, "a former member's series to go", gone)
	}
	caller.SetMembers(map[protocol.NodeID]string{"n2": first.address})
	if got := who(t, caller, "n2"); got != "first" {
		t.Errorf("%s answers after the member came back", got)
	}
}

// A member that Options.Peers names may have a proxy before it: nothing it advertises leads past that.
func TestSetMembers_NeverLeadsPastOptionsPeers(t *testing.T) {
	proxy, itself := startAnswering(t, "proxy", nil), startAnswering(t, "itself", nil)
	caller := New(Options{Cluster: "c", ID: "n1", Peers: map[protocol.NodeID]string{"n2": proxy.address}})
	defer caller.Close()
	for _, members := range []map[protocol.NodeID]string{{}, {"n2": itself.address}, {"n2": ""}, {"n3": itself.address}, nil} {
		caller.SetMembers(members)
		if got := who(t, caller, "n2"); got != "proxy" {
			t.Errorf("%s answers with members %v", got, members)
		}
	}
	if len(proxy.lost) > 0 {
		t.Errorf("%d connections were closed", len(proxy.lost))
	}
}

// The answer tells who gave it and where that is; a snapshot's configuration goes over the connection for snapshots.
func TestTransport_CarriesIdentityAndConfiguration(t *testing.T) {
	peer := startAnswering(t, "d2", nil)
	caller := New(Options{Cluster: "c", ID: "n1"})
	defer caller.Close()
	caller.SetMembers(map[protocol.NodeID]string{"n2": peer.address})
	vote, err := caller.Call(t.Context(), "n2", protocol.RequestVoteRequest{Term: 7, ToDirectory: "d2"}, func() {})
	if want := (protocol.RequestVoteReply{Identity: protocol.Identity{Directory: "d2", Address: peer.address}, Term: 7}); err != nil || vote != want {
		t.Errorf("%+v, %v", vote, err)
	}
	chunk, err := caller.Call(t.Context(), "n2", protocol.InstallSnapshotRequest{Configuration: "{…}"}, func() {})
	if want := (protocol.InstallSnapshotReply{Identity: protocol.Identity{Directory: "d2{…}"}}); err != nil || chunk != want {
		t.Errorf("%+v, %v", chunk, err)
	}
}

// A member that was removed can be told so; one that comes back meanwhile stays.
func TestSetMembers_Lingers(t *testing.T) {
	removed, back := startAnswering(t, "removed", nil), startAnswering(t, "back", nil)
	caller := New(Options{Cluster: "c", ID: "n1", Linger: time.Hour})
	defer caller.Close()
	members := map[protocol.NodeID]string{"n2": removed.address, "n3": back.address}
	for range 2 {
		caller.SetMembers(members)
		caller.SetMembers(nil)
		if got := who(t, caller, "n2") + who(t, caller, "n3"); got != "removedback" {
			t.Errorf("%s answer", got)
		}
	}
	caller.SetMembers(map[protocol.NodeID]string{"n3": back.address})
	leaving := func(id protocol.NodeID) bool {
		caller.mu.Lock()
		defer caller.mu.Unlock()
		return caller.links[id].departs != nil
	}
	if !leaving("n2") || leaving("n3") {
		t.Errorf("n2 is leaving: %v, n3: %v", leaving("n2"), leaving("n3"))
	}
	caller.SetMembers(map[protocol.NodeID]string{"n2": back.address})
	if got := who(t, caller, "n2"); got != "back" {
		t.Errorf("%s answers at another address", got)
	}
	await(t, "the connection to the former address to be closed", removed.lost)
}

// SetMembers is called under the replica's lock: it does not wait for calls to a member that is dropped, which end.
func TestSetMembers_EndsCallsWithoutWaiting(t *testing.T) {
	hold := make(chan struct{})
	peer := startAnswering(t, "n2", hold)
	defer close(hold)
	caller := New(Options{Cluster: "c", ID: "n1", Linger: 1})
	defer caller.Close()
	caller.SetMembers(map[protocol.NodeID]string{"n2": peer.address})
	ended := make(chan error)
	go func() {
		_, err := caller.Call(t.Context(), "n2", protocol.RequestVoteRequest{}, func() {})
		ended <- err
	}()
	await(t, "the request", peer.asked)
	var replica sync.Mutex
	replica.Lock() // a call's end may need it
	caller.SetMembers(nil)
	replica.Unlock()
	if err := <-ended; !errors.Is(err, wire.ErrClientClosed) {
		t.Errorf("the call to the former member ended with %v", err)
	}
}

// Close ends links that are there and those that are just being dropped; then nothing is dialled any more.
func TestSetMembers_AndClose(t *testing.T) {
	peers := []*answering{startAnswering(t, "a", nil), startAnswering(t, "b", nil)}
	asked := make(chan struct{}, 1000)
	peers[0].asked, peers[1].asked = asked, asked
	caller := New(Options{Cluster: "c", ID: "n1", Linger: 1, Metrics: NewMetrics(prometheus.NewRegistry())})
	var work sync.WaitGroup
	for i := range 4 {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		work.Go(func() {
			for range 200 {
				id := protocol.NodeID(fmt.Sprint("n", 2+random.IntN(3)))
				if i == 0 { // whoever moves a peer also asks it, so that some request comes however the others fare
					caller.SetMembers(map[protocol.NodeID]string{id: peers[random.IntN(2)].address})
				}
				_, err := caller.Call(t.Context(), id, protocol.RequestVoteRequest{}, func() {})
				if err != nil && !errors.Is(err, ErrNoAddress) && !errors.Is(err, wire.ErrClientClosed) {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		await(t, "some request", asked)
	}
	if err := caller.Close(); err != nil {
		t.Error(err)
	}
	work.Wait()
	caller.SetMembers(map[protocol.NodeID]string{"n2": peers[0].address})
	wantError(t, caller, "n2", wire.ErrClientClosed)
}
