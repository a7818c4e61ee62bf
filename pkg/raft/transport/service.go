package transport

import (
	"context"
	"fmt"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// Receiver is the replica that peers' requests are for.
type Receiver interface {
	// Receive takes a request in; requests of one peer come in the order in which they were sent.
	Receive(from protocol.NodeID, request protocol.Body) *raft.Pending
	// ConnectionLost tells that from has closed the last connection over which it calls.
	ConnectionLost(from protocol.NodeID)
}

// maxNameBytes bounds a sender's name, which is logged and remembered.
const maxNameBytes = 256

// Service is what net/rpc calls, under the name Raft.
type Service struct {
	t        *Transport
	receiver Receiver
}

// AppendEntries serves Raft.AppendEntries.
func (s *Service) AppendEntries(args *AppendEntriesArgs, reply *protocol.AppendEntriesReply) error {
	return serve(s, &args.Header, args.AppendEntriesRequest, reply)
}

// RequestVote serves Raft.RequestVote.
func (s *Service) RequestVote(args *RequestVoteArgs, reply *protocol.RequestVoteReply) error {
	return serve(s, &args.Header, args.RequestVoteRequest, reply)
}

// ConfirmLeader serves Raft.ConfirmLeader.
func (s *Service) ConfirmLeader(args *ConfirmLeaderArgs, reply *protocol.ConfirmLeaderReply) error {
	return serve(s, &args.Header, args.ConfirmLeaderRequest, reply)
}

// ReadIndex serves Raft.ReadIndex.
func (s *Service) ReadIndex(args *ReadIndexArgs, reply *protocol.ReadIndexReply) error {
	return serve(s, &args.Header, args.ReadIndexRequest, reply)
}

// InstallSnapshot serves Raft.InstallSnapshot.
func (s *Service) InstallSnapshot(args *InstallSnapshotArgs, reply *protocol.InstallSnapshotReply) error {
	return serve(s, &args.Header, args.InstallSnapshotRequest, reply)
}

// TimeoutNow serves Raft.TimeoutNow.
func (s *Service) TimeoutNow(args *TimeoutNowArgs, reply *protocol.TimeoutNowReply) error {
	return serve(s, &args.Header, args.TimeoutNowRequest, reply)
}

// serve brings one request to the replica, in its turn, and its reply back.
func serve[R protocol.Body](s *Service, h *Header, request protocol.Body, reply *R) error {
	pending, err := s.admit(h, request)
	if err != nil {
		return codes.Encode(err)
	}
	answer, err := pending.Wait(context.Background())
	if err != nil {
		return codes.Encode(fmt.Errorf("%w: %v", ErrStopping, err))
	}
	*reply = answer.(R)
	return nil
}

func (s *Service) admit(h *Header, request protocol.Body) (*raft.Pending, error) {
	conn, seq := h.arrival.conn, h.arrival.seq
	conn.Enter(seq)
	defer conn.Leave(seq)
	switch {
	case h.Cluster != s.t.opts.Cluster:
		return nil, fmt.Errorf("%w: this is %q, the request is for %q", ErrWrongCluster, s.t.opts.Cluster, h.Cluster)
	case h.To != s.t.opts.ID:
		return nil, fmt.Errorf("%w: this is %s, the request is for %.40s", ErrWrongReceiver, s.t.opts.ID, h.To)
	case len(h.From) > maxNameBytes:
		return nil, fmt.Errorf("%w: the sender's name has %d bytes, at most %d", wire.ErrMalformed, len(h.From), maxNameBytes)
	}
	if _, bulk := request.(protocol.InstallSnapshotRequest); !bulk {
		s.t.callers.called(conn, h.From)
	}
	return s.receiver.Receive(h.From, request), nil
}
