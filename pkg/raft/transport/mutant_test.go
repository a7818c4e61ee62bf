//go:build mutants

package transport

import (
	"context"
	"net"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// follower accepts what follows index 1, and refuses the rest.
type follower struct{}

func (follower) AppendEntries(args *AppendEntriesArgs, reply *protocol.AppendEntriesReply) error {
	*reply = protocol.AppendEntriesReply{Term: 3, Success: args.PrevLogIndex == 1}
	if !reply.Success {
		reply.ConflictIndex = 2
	}
	return nil
}

// TestMutants: a refusal that comes behind a success, over one socket, is one.
func TestMutants(t *testing.T) {
	for _, mutant := range []string{"", "reply-reused"} {
		server := wire.NewServer(wire.ServerOptions{Codes: codes})
		if err := server.Register("Raft", follower{}); err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		caller := New(Options{
			Cluster: "c", ID: "n1", Peers: map[protocol.NodeID]string{"n2": listener.Addr().String()},
			Mutation: protocol.Mutation{Name: mutant},
		})
		var replies []protocol.AppendEntriesReply
		for _, before := range []protocol.Index{1, 5} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			reply, err := caller.Call(ctx, "n2", protocol.AppendEntriesRequest{Term: 3, LeaderID: "n1", PrevLogIndex: before}, nil)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			replies = append(replies, reply.(protocol.AppendEntriesReply))
		}
		if !replies[0].Success || replies[1].ConflictIndex != 2 {
			t.Errorf("mutant %q: got %+v", mutant, replies)
		}
		if replies[1].Success != (mutant != "") {
			t.Errorf("mutant %q: the refusal reads %+v", mutant, replies[1])
		}
		if err := caller.Close(); err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
	}
}
