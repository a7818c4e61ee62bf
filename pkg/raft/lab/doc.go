// Package lab puts a [raft.Replica] under a test suite that was written for a lab Raft: one that makes its
// Raft with Make, gives it commands with Start, and stands a network of its own, a byte persister and an
// apply channel around it. It is an example of how small an embedding is: adapter.go is all of it.
//
// # In and out
//
// Make takes one [Caller] per server, the suite's [Persister] and its apply channel. Peers' calls come in at
// [Raft.AppendEntries] and [Raft.RequestVote], whose signatures a reflecting RPC package accepts; their names on
// the wire are Raft.AppendEntries and Raft.RequestVote. Committed commands go out on the apply channel, in order
// and without a gap, from index 1.
//
// # Invariants
//
//   - Indices count commands: a new leader appends no entry of its own.
//   - An isolated leader stays leader in its term and keeps taking commands: check-quorum is off.
//   - A leader sends a peer at most ten heartbeats in any second.
//   - Calls may hang, be lost, doubled or reordered, in each direction. None delays a heartbeat.
//   - Each save hands the whole state to the persister: term, vote, and per entry its command and three
//     bytes more, as long as terms rise and commands stay small.
//   - After Kill has returned nothing is saved, sent or applied any more, and the apply channel is closed. Only
//     calls that the network still holds live on, until it answers them; their results are ignored.
//
// # What it does not do
//
// It serves no reads and takes no snapshots. It is no way to run a service: a state written whole at each save is
// for logs of a test's length.
package lab
