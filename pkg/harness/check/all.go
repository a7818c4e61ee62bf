package check

// All are the checks, in the order in which they are reported.
func All() []Check {
	return []Check{
		{"heartbeat-rate", "no node sends a peer more than ten heartbeats in any second", heartbeatRate},
		{"heartbeat-agreement", "a node's count of its heartbeats agrees with the proxy's", heartbeatAgreement},
		{"commit-progress", "the commit index moves while a majority is connected and clients write", commitProgress},
		{"commit-monotonic", "a process's commit index never goes back", commitMonotonic},
		{"applied-behind-commit", "nothing is applied before it is committed, nor committed before it is in the log", appliedBehindCommit},
		{"election-safety", "at most one leader is elected in a term", electionSafety},
		{"vote-once", "a node gives at most one candidate its vote in a term, also over restarts", voteOnce},
		{"term-monotonic", "a node's term never falls, also over restarts", termMonotonic},
		{"commit-rule", "a leader commits by counting only entries of its own term", commitRule},
		{"log-matching", "logs that agree on an entry's index and term agree on it and on all before", logMatching},
		{"leader-completeness", "a leader's log holds all that was committed in earlier terms", leaderCompleteness},
		{"state-machine-safety", "no two nodes apply different entries at an index", stateMachineSafety},
		{"membership", "members change by joint consensus, and majorities are those of the configuration in force", membership},
		{"stale-leader", "a leader that hears of a later term steps down", staleLeader},
		{"linearizability", "each key's history could come from one store that does one operation at a time", linearizability},
		{"durability", "no acknowledged write is lost", durability},
		{"exactly-once", "a retried write takes effect once", exactlyOnce},
		{"load", "the run was worth judging", leastLoad},
	}
}
