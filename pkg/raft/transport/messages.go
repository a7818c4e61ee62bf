package transport

import (
	"errors"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// The methods that a node serves.
const (
	appendEntries = "Raft.AppendEntries"
	requestVote   = "Raft.RequestVote"
	confirmLeader = "Raft.ConfirmLeader"
	readIndex     = "Raft.ReadIndex"

	installSnapshot = "Raft.InstallSnapshot"
	timeoutNow      = "Raft.TimeoutNow"
)

var (
	// ErrNoAddress is returned by Call for a peer that neither Options.Peers nor the members' addresses name.
	ErrNoAddress = errors.New("no address is known for it")
	// ErrWrongCluster is returned by Call when the peer belongs to another cluster; one of the two has a wrong address.
	ErrWrongCluster = errors.New("peer belongs to another cluster")
	// ErrWrongReceiver is returned by Call when another member answers at the peer's address; correct the address.
	ErrWrongReceiver = errors.New("another member answers at this address")
	// ErrStopping is returned by Call when the peer is shutting down.
	ErrStopping = errors.New("peer is stopping")
)

// codes are the errors that cross the wire beside package wire's own.
var codes = wire.Codes{
	{Name: "wrong_cluster", Err: ErrWrongCluster},
	{Name: "wrong_receiver", Err: ErrWrongReceiver},
	{Name: "stopping", Err: ErrStopping},
}

// Header says who a request is from and whom it is for.
type Header struct {
	Cluster   string
	From, To  protocol.NodeID
	Directory string // id of the sender's data directory

	arrival arrival
}

// arrival is when a request came, in the order of its connection.
type arrival struct {
	conn *wire.Conn
	seq  uint64
}

// Arrived implements wire.Arriver.
func (h *Header) Arrived(conn *wire.Conn, seq uint64) { h.arrival = arrival{conn, seq} }

// The requests as they cross the wire: the fields of both parts in one map.
type (
	// AppendEntriesArgs is the argument of Raft.AppendEntries.
	AppendEntriesArgs struct {
		Header
		protocol.AppendEntriesRequest
	}
	// RequestVoteArgs is the argument of Raft.RequestVote.
	RequestVoteArgs struct {
		Header
		protocol.RequestVoteRequest
	}
	// ConfirmLeaderArgs is the argument of Raft.ConfirmLeader.
	ConfirmLeaderArgs struct {
		Header
		protocol.ConfirmLeaderRequest
	}
	// ReadIndexArgs is the argument of Raft.ReadIndex.
	ReadIndexArgs struct {
		Header
		protocol.ReadIndexRequest
	}
	// InstallSnapshotArgs is the argument of Raft.InstallSnapshot.
	InstallSnapshotArgs struct {
		Header
		protocol.InstallSnapshotRequest
	}
	// TimeoutNowArgs is the argument of Raft.TimeoutNow.
	TimeoutNowArgs struct {
		Header
		protocol.TimeoutNowRequest
	}
)
