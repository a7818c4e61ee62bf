// Package sim runs whole clusters under one seed: the real protocol and the real storage of three to seven nodes, one
// virtual clock, one network that loses, delays, doubles, reorders and cuts, disks that lose what was not synced, clients
// that repeat what was not answered, an operator that changes the members. After every input of every node it judges.
//
// # In and out
//
// [Draw] makes the [Plan] of a seed: how many nodes, how tuned, which requests, which faults, all by their times. [Run]
// carries a plan out and returns a [Report]; a [Campaign] runs many seeds on all processors. [Shrink] reduces a plan that
// breaks a promise to the least that still breaks it, [Diagram] draws what led there, [Replay] shows both. The state
// machine is an argument, a [Service]: the tests of pkg/kv give the real one.
//
// # How a run goes
//
// Safety first, under faults; then a majority is healed, and must commit, and keep its leader, whatever the rest does; then
// all is healed, and every member must come to hold the same. [Checks] lists the promises.
//
//	plan ──> run ──┬─ server   one node: protocol, storage, machine, and what a replica's goroutines do, as events
//	               ├─ network  fates of messages, drawn for each link apart
//	               ├─ disk     a file system in memory that knows what a crash leaves (storage/vfs)
//	               ├─ faults   strike and end as planned; an operator looks after the members
//	               ├─ client   one operation after another, each until it is answered
//	               └─ oracle   what was seen, in tables; each step is judged in constant time
//
// # Invariants
//
//   - A run is one function of its options and its plan: one goroutine, no clock, no order of a map. Its digest says so.
//     Only the search for an order of all operations has goroutines and a clock, and may end undecided.
//   - What one link, disk, node or client draws depends on no other, so that a plan with less in it changes little else.
//   - A promise is judged from what nodes say, send, store and apply, never from what they believe.
//   - A fault that no cluster need survive is not drawn: a disk is lost where a majority of others remains, and no
//     configuration is about to count on it.
//
// # What it does not do
//
// It runs no replica (pkg/raft), transport or HTTP: their goroutines and sockets are the harness's and the lab suite's
// to try. server.go mirrors the replica's order of work and has to follow it.
package sim
