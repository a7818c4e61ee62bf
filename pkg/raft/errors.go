package raft

import (
	"errors"

	"whitewater/pkg/raft/protocol"
)

var (
	// ErrNotLeader: see protocol.ErrNotLeader.
	ErrNotLeader = protocol.ErrNotLeader
	// ErrNoLeader: see protocol.ErrNoLeader.
	ErrNoLeader = protocol.ErrNoLeader
	// ErrOverloaded: see protocol.ErrOverloaded.
	ErrOverloaded = protocol.ErrOverloaded
	// ErrTransferring: see protocol.ErrTransferring.
	ErrTransferring = protocol.ErrTransferring
	// ErrTransferFailed: see protocol.ErrTransferFailed.
	ErrTransferFailed = protocol.ErrTransferFailed
	// ErrChanging: see protocol.ErrChanging.
	ErrChanging = protocol.ErrChanging
	// ErrChange: see protocol.ErrChange.
	ErrChange = protocol.ErrChange
	// ErrCanceled: see protocol.ErrCanceled.
	ErrCanceled = protocol.ErrCanceled
	// ErrLeadershipLost is returned by ChangeMembers when this node led no more before the change was over; the next
	// leader goes on with it if it is in its log.
	ErrLeadershipLost = errors.New("leadership was lost before the change of members was over")
	// ErrTransferTarget: see protocol.ErrTransferTarget.
	ErrTransferTarget = protocol.ErrTransferTarget
	// ErrNoSnapshot is returned by Snapshots.OpenSnapshot for a snapshot that is gone; the replica then sends a newer
	// one.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrSnapshot is returned by Snapshot for an index that is not applied or not above the last snapshot's, and when
	// the replica has no place for snapshots; nothing was changed.
	ErrSnapshot = errors.New("no snapshot can be taken there")
	// ErrTooLarge is returned by Propose for a command above Options.MaxCommandBytes; nothing was appended.
	ErrTooLarge = errors.New("the command is too large")
	// ErrStopped is returned by every method that needs a running replica after Kill or a fatal error.
	ErrStopped = errors.New("the replica has stopped")
)
