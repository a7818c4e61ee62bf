// Package kv is the replicated key-value service: an ordered map and a table of client sessions, changed
// only by committed log entries, and the HTTP API that clients and operators see.
//
// # In and out
//
// [Machine] is the state machine. The replica hands it committed entries through Apply; each command
// entry is one encoded [Command] (command.go draws its bytes). [Service] is the http.Handler: it turns
// a write into a command, proposes it to the [Replica] and waits for its entry to be applied; it turns
// a read into a read index of the replica and waits until the machine has applied that far. The machine
// writes its state into snapshots and takes another's out of them; docs/raftnode.md draws their bytes.
//
// # Invariants
//
//   - Apply is deterministic: the state is a function of the entries alone. Whatever a node decides by
//     itself (its clock, its limits, its time to live for sessions) is stamped into the command by the
//     proposing leader, so nodes with other settings still agree.
//   - A key's revision is the log index of the entry that last changed it.
//   - Log time is the greatest time stamp applied so far; it never goes back. Sessions expire by it.
//   - A write with a session takes effect at most once: the session remembers its last sequence number,
//     a digest of what was asked, and the answer.
//   - A snapshot is the whole state: a machine restored from one answers every later entry as the machine
//     does that wrote it, repeats of earlier writes included. Equal states have equal bytes.
//   - Whoever waits on this node is answered although its entry is skipped by an installed snapshot.
//   - An answer of 504, and no other, means that a write may or may not take effect.
//
// # Locks and goroutines
//
// The package starts no goroutine but those of net/http that call it. Three locks: proposals.mu, which may be
// held while calling Replica.Propose (so that an entry cannot be applied between being accepted and
// being awaited), Machine.mu, which guards the state, and leadership.mu. They are never held together. Apply must not
// be called with a lock of the replica held.
//
// # What it does not do
//
// It knows no network between nodes, no disk and no election. It keeps no history of values, and it
// never retries on a client's behalf.
package kv
