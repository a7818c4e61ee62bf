package kv

import (
	"context"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// Replica is what the service needs of a running replica; *raft.Replica is one. All methods may be called
// from any goroutine.
type Replica interface {
	// Propose appends a command to the log if this node leads, and returns where. It keeps the command's
	// bytes. The entry may still be lost. Errors: raft.ErrNotLeader, ErrOverloaded, ErrTooLarge, ErrStopped.
	Propose(command []byte) (protocol.Position, error)
	// ReadIndex returns an index: a read made once that much is applied is linearizable (§8).
	ReadIndex(ctx context.Context) (protocol.Index, error)
	// Status is one consistent snapshot.
	Status() raft.Status
	// Entries returns at most count durable entries, from an index on. They must not be changed.
	Entries(from protocol.Index, count int) []protocol.Entry
	// Done is closed when the replica has ended; Err then says why, nil after a wanted end.
	Done() <-chan struct{}
	Err() error
}
