// Package storage keeps what Raft must not forget (Figure 2, persistent state) on disk: term, vote and
// log in append-only segments, and snapshots (§7) in files of their own. docs/storage.md draws every byte.
//
// # In and out
//
// [Open] locks a directory and returns what it holds; [Log.Persist] makes batches durable with one
// write and one fdatasync for all of them (group commit); [Log.Close] lets go.
//
//	DIR/lock                        flock of the process that has the directory open
//	DIR/meta                        whose directory this is, and its cluster's first voters, written once
//	DIR/mark                        how far the log was synced when it was last acknowledged
//	DIR/log/0000000000000001.log    segments: a header, then batches
//	DIR/snap/INDEX-TERM-CRC.snap    snapshots: a header, the configuration, data, checksums
//	DIR/snap/saving, receiving      snapshots that are not whole
//
// A batch is records (hard state when it changed, where the log begins, entries) between a head and a
// commit record whose CRC-32C covers the batch and the place where it stands.
//
// # Invariants
//
//   - When Persist returns nil, its batches survive a loss of power; nothing is half there.
//   - At most the last batch of the last segment can be torn, because the next write waits for the sync.
//   - A tear is copied, cut and the cut synced before anything is written behind it.
//   - Damage that is not a tear is never cut: Open refuses with a [CorruptError].
//   - After a failed or short write or sync the log is dead. Nothing is retried, the files stay as they are.
//   - A failed sync may leave clean pages that the disk lacks. So Open writes once more what no mark promises, and
//     syncs it and the names, before it returns it.
//   - The log is gap-free. An entry at or below the last index replaces it and all behind.
//   - A snapshot file gets its name once it is synced. It counts once the durable log holds its position.
//   - A segment goes once a durable record says that the log begins behind all that it still held, which
//     such a snapshot covers; a snapshot goes once two newer ones count and nobody reads it. Whichever of these
//     a loss of power gives back, the same is recovered.
//
// # Concurrency
//
// One caller at a time uses Persist. All else may be called at any time, beside it. Locks, in their order:
// Log.disk (files of the log; held by Persist over its I/O); snapshots.save, then receive, then names (held
// over the I/O of a snapshot, never wanted by Persist); snapshots.mu (held over no I/O); volume.observing.
// The package starts no goroutine.
//
// # What it does not do
//
// It keeps no entries in memory and reads none back after Open. It does not judge terms, votes, commits or
// configurations, and does not say when to take a snapshot or what to compact.
package storage
