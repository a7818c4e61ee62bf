// Package lab puts a [raft.Replica] under a test suite that was written for a lab Raft: one that makes its
// Raft with Make, gives it commands with Start, and stands a network of its own, a byte persister and an
// apply channel around it. It is an example of how small an embedding is: adapter.go is all of it, over the library
// and its package blob, which is the disk.
//
// # In and out
//
// Make takes one [Caller] per server, the suite's [Persister] and its apply channel. Peers' calls come in at
// [Raft.Receive], whose shape a reflecting RPC package accepts; on the network it is called Raft.Receive. Committed
// commands go out on the apply channel, in order and without a gap, from index 1 or behind a snapshot: the one that is
// saved, when a server starts, and a leader's, when this server's log is too far behind. Snapshots of its own come from
// the service, by [Raft.Snapshot].
//
// # Invariants
//
//   - Indices count commands: a new leader appends no entry of its own.
//   - An isolated leader stays leader in its term and keeps taking commands: check-quorum is off.
//   - A leader sends a peer at most ten heartbeats in any second.
//   - Calls may hang, be lost, doubled or reordered, in each direction. None delays a heartbeat.
//   - Each save hands the whole state to the persister, with the snapshot: term and vote, what tells of the snapshot,
//     and per entry behind it its command and, while terms and commands stay small, three bytes more. Nothing that a
//     snapshot covers is kept.
//   - A snapshot on the apply channel takes the service forward, or, at a start, to where it was.
//   - Snapshot may be called from where applied messages are received, from several goroutines, and late: what is
//     not newer than the last one is ignored. It returns when the snapshot is saved.
//   - After Kill has returned nothing is saved, sent or applied any more, and the apply channel is closed. Only
//     calls that the network still holds live on, until it answers them; their results are ignored.
//
// # What it does not do
//
// It serves no reads, and never asks the service for a snapshot. It is no way to run a service: a state written whole
// at each save is for logs of a test's length, and bytes that no server has saved make it panic.
//
// # Its tests
//
// They rebuild the lab's own suite: its network, its tester and its tests by their names, in virtual time, so that
// go test -run 2A (2B, 2C, 2D) takes seconds. What the original leaves unseen is judged besides: each fault must have
// had an effect, every election, vote, commit and heartbeat is held to the rules, every saved state to its size and
// to being one that a server can start from, and every snapshot to the others of its index. LAB_SEED sets what is drawn.
package lab
