// Package blob is the disk of a replica whose program saves all its state at once, as two strings of bytes: what Raft
// must remember, and the service's snapshot. The lab's persister has this form, and so has a row of a database.
//
// # In and out
//
// Open reads a [Persister] and returns a [Disk], which is both a [raft.Storage] and a [raft.Snapshots], and the state
// that the replica starts from. The saved state is a sequence of records of the form
//
//	term uvarint | kind uvarint | size uvarint | data
//
// The first holds term and vote, the second what describes the snapshot (JSON; empty: there is none), each other an
// entry, from the one behind the snapshot on. Without its command an entry so takes three bytes while terms
// and commands are small. The saved snapshot is the service's own bytes and nothing else.
//
// # Invariants
//
//   - State and snapshot are saved together, always: no crash comes between a snapshot and the log that begins
//     behind it.
//   - What a snapshot covers leaves the saved log in the save that brings the snapshot, whatever tail of the log the
//     replica keeps in memory.
//   - A snapshot never takes the place of a newer one.
//
// # What it does not do
//
// The whole log is written at each save: it is for logs that snapshots keep short. It trusts the Persister to be
// atomic, and finds out at Open where it was not: size and checksum of the snapshot are part of the state.
package blob
