package kv

import (
	"context"
	"errors"

	"whitewater/pkg/raft/protocol"
)

var (
	ErrNotLeader  = errors.New("not the leader")
	ErrNoLeader   = errors.New("no leader known")
	ErrOverloaded = errors.New("overloaded")
	ErrTooLarge   = errors.New("too large")
	ErrStopped    = errors.New("stopped")
)

type Status struct {
	ID                                                 protocol.NodeID
	Role                                               protocol.Role
	Term                                               protocol.Term
	Leader                                             protocol.NodeID
	LeaderURL                                          string
	LastIndex, DurableIndex, CommitIndex, AppliedIndex protocol.Index
	Members                                            []protocol.NodeID
}

// Replica is what the service needs of a running raft replica. All methods may be called from any
// goroutine.
type Replica interface {
	// Propose appends a command to the log if this node leads, and returns where. It takes the command's
	// bytes over. The entry may still be lost.
	Propose(command []byte) (protocol.Position, error)
	// ReadIndex returns an index: a read made once that much is applied is linearizable (§8).
	ReadIndex(ctx context.Context) (protocol.Index, error)
	// Status is one consistent snapshot.
	Status() Status
	// Entries returns at most max entries of the log, from an index on.
	Entries(from protocol.Index, max int) []protocol.Entry
	// Done is closed when the replica has ended; Err then says why, nil after a wanted end.
	Done() <-chan struct{}
	Err() error
}
