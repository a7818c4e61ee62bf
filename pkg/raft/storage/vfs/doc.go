// Package vfs is the file system as storage sees it: the interface [FS], the machine's own ([Disk], [ReadOnlyDisk]),
// and [Mem], one in memory that can be crashed.
//
// # What a Mem knows
//
// It keeps, beside the bytes and names that everybody sees, those that a loss of power would leave. [File].Sync makes
// a file's bytes and length durable, [FS].SyncDir the names in a directory; [Mem.Crash] returns what the next
// process finds, in one of several ways:
//
//   - [KeepAll]: the process was killed, the page cache lives on.
//   - [LoseAll]: power went, and with it everything that was not synced.
//   - [LoseSectors]: power went while the kernel was writing: any of the 512-byte sectors arrived, in any order, some
//     of them torn, some as zeros; names arrived as a journal keeps them, up to any one.
//   - [LoseNames]: power went, all bytes arrived, and any of the names.
//
// Its faults are those of Linux. A Sync that fails leaves the pages clean: reads still see what was written, no later
// Sync makes it durable, only writing it again does. A SyncDir that fails leaves the names to the next one, as a
// journal does.
//
// # Determinism
//
// Equal calls, with equal random numbers, come to equal crashes. A Mem starts no goroutine and knows no clock.
//
// # What it does not do
//
// Links, permissions, renames between directories and the removal of directories. It writes nothing back by itself,
// except that of many writes at one place it remembers the last few alone.
package vfs
