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
	// ErrTooLarge is returned by Propose for a command above Options.MaxCommandBytes; nothing was appended.
	ErrTooLarge = errors.New("the command is too large")
	// ErrStopped is returned by every method that needs a running replica after Kill or a fatal error.
	ErrStopped = errors.New("the replica has stopped")
)
