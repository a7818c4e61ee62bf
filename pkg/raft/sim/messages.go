package sim

import "whitewater/pkg/raft/protocol"

func isRequest(b protocol.Body) bool {
	switch b.(type) {
	case protocol.AppendEntriesRequest, protocol.RequestVoteRequest, protocol.ConfirmLeaderRequest,
		protocol.ReadIndexRequest, protocol.InstallSnapshotRequest, protocol.TimeoutNowRequest:
		return true
	}
	return false
}

func isHeartbeat(b protocol.Body) bool {
	request, ok := b.(protocol.AppendEntriesRequest)
	return ok && len(request.Entries) == 0
}

// termOf is the term of which a message says that its sender is in it; 0: it says nothing of the kind.
func termOf(b protocol.Body) protocol.Term {
	switch b := b.(type) {
	case protocol.AppendEntriesRequest:
		return b.Term
	case protocol.AppendEntriesReply:
		return b.Term
	case protocol.RequestVoteRequest:
		if !b.PreVote {
			return b.Term
		}
	case protocol.RequestVoteReply:
		return b.Term
	case protocol.ConfirmLeaderRequest:
		return b.Term
	case protocol.ConfirmLeaderReply:
		return b.Term
	case protocol.ReadIndexRequest:
		return b.Term
	case protocol.ReadIndexReply:
		return b.Term
	case protocol.InstallSnapshotRequest:
		return b.Term
	case protocol.InstallSnapshotReply:
		return b.Term
	case protocol.TimeoutNowRequest:
		return b.Term
	case protocol.TimeoutNowReply:
		return b.Term
	}
	return 0
}

// promise is what a positive answer to a request says.
type promise struct {
	vote      bool
	heartbeat bool
	to        protocol.NodeID
	term      protocol.Term
	index     protocol.Index // the log is durable up to here
}

// promiseOf is what a positive answer to a request would promise.
func promiseOf(m protocol.Message) promise {
	switch b := m.Body.(type) {
	case protocol.RequestVoteRequest:
		return promise{vote: !b.PreVote, term: b.Term, to: m.From}
	case protocol.AppendEntriesRequest:
		return promise{
			heartbeat: len(b.Entries) == 0, to: m.From,
			term: b.Term, index: b.PrevLogIndex + protocol.Index(len(b.Entries)),
		}
	case protocol.InstallSnapshotRequest:
		return promise{term: b.Term, index: b.LastIncludedIndex, to: m.From}
	}
	return promise{term: termOf(m.Body)}
}

// accepted reports whether an answer is a positive one that promises something.
func accepted(b protocol.Body) bool {
	switch b := b.(type) {
	case protocol.RequestVoteReply:
		return b.VoteGranted
	case protocol.AppendEntriesReply:
		return b.Success
	case protocol.InstallSnapshotReply:
		return b.Installed
	}
	return false
}
