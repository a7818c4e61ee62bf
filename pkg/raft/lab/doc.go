// Package lab puts a [raft.Replica] under a test suite that was written for a lab Raft: one that makes its
// Raft with Make, gives it commands with Start, and stands a network of its own, a byte persister and an
// apply channel around it. It is an example of how small an embedding is: adapter.go is all of it.
//
// # In and out
//
// Make takes one [Caller] per server, the suite's [Persister] and its apply channel. Peers' calls come in at
// [Raft.Receive], whose shape a reflecting RPC package accepts; on the network it is called Raft.Receive. Committed
// commands go out on the apply channel, in order and without a gap, from index 1.
//
// # Invariants
//
//   - Indices count commands: a new leader appends no entry of its own.
//   - An isolated leader stays leader in its term and keeps taking commands: check-quorum is off.
//   - A leader sends a peer at most ten heartbeats in any second.
//   - Calls may hang, be lost, doubled or reordered, in each direction. None delays a heartbeat.
//   - Each save hands the whole state to the persister: term and vote, and per entry its command and, while terms
//     and commands stay small, two bytes more.
//   - After Kill has returned nothing is saved, sent or applied any more, and the apply channel is closed. Only
//     calls that the network still holds live on, until it answers them; their results are ignored.
//
// # What it does not do
//
// It serves no reads and takes no snapshots. It is no way to run a service: a state written whole at each save is
// for logs of a test's length, and bytes that no server has saved make it panic.
//
// # Its tests
//
// They rebuild the lab's own suite: its network, its tester and its tests by their names, in virtual time, so that
// go test -run 2A (2B, 2C) takes seconds. What the original leaves unseen is judged besides: each fault must have
// had an effect, and every election, vote, commit and heartbeat is held to the rules. LAB_SEED sets what is drawn.
package lab
