// Package raft runs one replica: it gives [whitewater/pkg/raft/protocol] a clock, a disk, peers and a
// state machine, each behind a small interface that the embedding program fills.
//
// # In and out
//
// Commands go in through [Replica.Propose] (or the lab's [Replica.Start]); committed entries come
// out, in order, at [Options.StateMachine]. Peers' requests go in through [Replica.Receive]; this node's
// go out through [Options.Transport].
//
// # Goroutines
//
// One mutex guards the protocol value; nothing waits or sends while holding it, and of the embedding program only
// Options.Configured is called. All goroutines
// are started in New, in peer.dispatch and, as members come, in peerLocked; Kill ends them, and the replicator of a
// member that has gone ends by itself.
//
//	goroutine              selects on                                  does
//	election timer         heartbeat, leadership, timer, done          resets on a heartbeat, campaigns on time-out
//	disk writer            work, done                                  one Persist for all that has gathered
//	replicator, per peer   work, timer, done                           asks the protocol what to send the peer
//	call, per request      the call before it, reply, deadline, done   one request and its reply
//	applier                work, done                                  hands committed entries over in batches
//	receiver               work, done                                  stores the chunks of a leader's snapshot
//	snapshot, when due     -                                           writes a view of the state machine
//
// Signals have capacity one: a burst of them wakes their reader once.
//
// # Invariants
//
//   - Nothing that rests on unsaved state leaves before Storage.Persist has returned for it.
//   - Nothing that rests on an event leaves before the event sink holds it.
//   - Requests to one peer leave in the order in which the protocol made them.
//   - A failed Persist, Apply or event ends the replica; it is never retried.
//
// # What it does not do
//
// It knows no addresses, no file formats and no commands.
package raft
