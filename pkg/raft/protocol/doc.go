// Package protocol is Raft (§5, §8, thesis §6.4 and §9.6) as a value: inputs are methods, outputs are
// data. It reads no clock, starts no goroutine, does no I/O and holds no randomness of its own, so a
// run is replayed from its seed.
//
// # In and out
//
// Every input (the time, a request, a reply, a proposal, "persisted up to here") is one method of
// [Node]; each returns one [Output]:
//
//   - Persist must reach the disk, in the order of the batches' numbers; [Node.Persisted] reports it.
//   - Send may leave at once.
//   - SendAfterPersist rests on state that is not yet durable: it leaves when the batch it names is.
//   - Reads are finished linearizable reads.
//   - Events tell what happened, in order, for logs and judges.
//
// Three things are pulled rather than pushed, so that a slow peer or disk holds nobody up and work
// gathers into batches meanwhile: [Node.Replicate] (the next request for one peer),
// [Node.Committed] (the next entries to apply) and [Node.Deadline] (when [Node.Tick] is due).
//
// # Invariants
//
// They carry the names of Figure 3 and stand in invariants.go:
//
//   - ElectionSafety: at most one leader per term; here, one vote per term and node.
//   - LeaderAppendOnly: a leader never cuts its own log.
//   - LogMatching: entries are gap-free and terms never fall along the log.
//   - LeaderCompleteness: nothing at or below the commit index is ever cut.
//   - StateMachineSafety: applied ≤ committed, and neither goes back.
//
// One function, become, changes the role; its table, and that of a leader's peers, is on docs/raft.md.
//
// # What it does not do
//
// It does not know how a member is dialled, what a command means, or where bytes are stored.
package protocol
