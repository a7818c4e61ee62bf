package transport

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// TestCall_TellsOfMistakesOnce: what only a person can mend is logged once, and again after it was mended and came back.
func TestCall_TellsOfMistakesOnce(t *testing.T) {
	var log bytes.Buffer
	peer := startAnswering(t, "n2", nil)
	other := startServing(t, "another cluster")
	caller := New(Options{Cluster: "c", ID: "n1", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	t.Cleanup(func() {
		if err := caller.Close(); err != nil {
			t.Error(err)
		}
	})
	call := func(want error) {
		t.Helper()
		_, err := caller.Call(context.Background(), "n2", protocol.RequestVoteRequest{Term: 1}, func() {})
		if !errors.Is(err, want) {
			t.Fatalf("Call = %v, want %v", err, want)
		}
	}
	warned := func(want int) {
		t.Helper()
		if got := strings.Count(log.String(), "level=WARN"); got != want {
			t.Fatalf("%d warnings, want %d:\n%s", got, want, log.String())
		}
	}
	call(ErrNoAddress)
	call(ErrNoAddress)
	warned(1)
	caller.SetMembers(map[protocol.NodeID]string{"n2": other})
	call(ErrWrongCluster)
	call(ErrWrongCluster)
	warned(2)
	caller.SetMembers(map[protocol.NodeID]string{"n2": peer.address})
	call(nil)
	caller.SetMembers(map[protocol.NodeID]string{"n2": other})
	call(ErrWrongCluster)
	warned(3)
}

// nobody is a replica that no request reaches.
type nobody struct{}

func (nobody) Receive(protocol.NodeID, protocol.Body) *raft.Pending {
	panic("a request was let in")
}

func (nobody) ConnectionLost(protocol.NodeID) {}

// startServing serves a cluster's n2 and returns its address.
func startServing(t *testing.T, cluster string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := New(Options{Cluster: cluster, ID: "n2"})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener, nobody{}) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// TestServe_BoundsTheSendersName: a name that is logged and remembered has a bound.
func TestServe_BoundsTheSendersName(t *testing.T) {
	caller := New(Options{Cluster: "c", ID: protocol.NodeID(strings.Repeat("n", 300)), Peers: map[protocol.NodeID]string{"n2": startServing(t, "c")}})
	t.Cleanup(func() {
		if err := caller.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err := caller.Call(context.Background(), "n2", protocol.RequestVoteRequest{Term: 1}, func() {})
	if !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("Call = %v", err)
	}
}
