package protocol

// MaxTerm bounds the terms that a peer may speak of. No cluster counts that far; a damaged message could, and
// whoever believed it would have no later term left to elect a leader in.
const MaxTerm Term = 1 << 62

// tame takes the term from a message that speaks of one beyond MaxTerm, and any consent with it: what is
// left is refused or ignored as stale. It reports whether it had to.
func tame(body Body) (Body, bool) {
	switch b := body.(type) {
	case RequestVoteRequest:
		if b.Term > MaxTerm || b.LastLogTerm > MaxTerm {
			return RequestVoteRequest{CandidateID: b.CandidateID, PreVote: b.PreVote}, true
		}
	case RequestVoteReply:
		if b.Term > MaxTerm {
			return RequestVoteReply{}, true
		}
	case AppendEntriesRequest:
		if b.Term > MaxTerm {
			return AppendEntriesRequest{LeaderID: b.LeaderID}, true
		}
	case AppendEntriesReply:
		if b.Term > MaxTerm {
			return AppendEntriesReply{}, true
		}
	case ConfirmLeaderRequest:
		if b.Term > MaxTerm {
			return ConfirmLeaderRequest{LeaderID: b.LeaderID}, true
		}
	case ConfirmLeaderReply:
		if b.Term > MaxTerm {
			return ConfirmLeaderReply{}, true
		}
	case InstallSnapshotRequest:
		if b.Term > MaxTerm || b.LastIncludedTerm > MaxTerm {
			return InstallSnapshotRequest{LeaderID: b.LeaderID}, true
		}
	case InstallSnapshotReply:
		if b.Term > MaxTerm {
			return InstallSnapshotReply{}, true
		}
	case TimeoutNowRequest:
		if b.Term > MaxTerm {
			return TimeoutNowRequest{}, true
		}
	case TimeoutNowReply:
		if b.Term > MaxTerm {
			return TimeoutNowReply{}, true
		}
	case ReadIndexReply:
		if b.Term > MaxTerm {
			return ReadIndexReply{}, true
		}
	}
	return body, false
}
