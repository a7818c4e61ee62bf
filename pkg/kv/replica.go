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
	// Entries returns at most count durable entries, from an index on, or from the first that the log still holds.
	// They must not be changed.
	Entries(from protocol.Index, count int) []protocol.Entry
	// TakeSnapshot has a snapshot taken of what is applied, and returns before it is stored. Errors: raft.ErrSnapshot
	// while one is under way, raft.ErrStopped.
	TakeSnapshot() error
	// TransferLeadership hands leadership to a member, empty for the most caught up, and returns when this node no
	// longer leads. Errors: raft.ErrNotLeader, ErrTransferring, ErrTransferTarget, without effect; ErrTransferFailed,
	// ErrStopped, the context's, with an effect that may yet come.
	TransferLeadership(ctx context.Context, to protocol.NodeID) error
	// ChangeMembers changes the members and returns once that is over: the last configuration of the change is committed.
	// Errors: raft.ErrNotLeader, ErrTransferring, ErrChanging, ErrChange, without effect; ErrCanceled when another call
	// took it back; ErrLeadershipLost, ErrStopped, the context's, with a change that may go on.
	ChangeMembers(ctx context.Context, change protocol.Change) error
	// Done is closed when the replica has ended; Err then says why, nil after a wanted end.
	Done() <-chan struct{}
	Err() error
}
