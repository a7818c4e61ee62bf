package protocol

import "errors"

var (
	// ErrNotLeader is returned by Propose, and by reads, on a node that does not lead or that lost its
	// office meanwhile; the caller should ask the leader.
	ErrNotLeader = errors.New("not the leader")
	// ErrNoLeader is returned by reads on a node that knows no leader; the caller should try again later.
	ErrNoLeader = errors.New("no leader is known")
	// ErrOverloaded is returned by Propose when Options.MaxPending proposals wait for a majority; nothing
	// was appended, so the caller may try again later.
	ErrOverloaded = errors.New("too many proposals wait for a majority")
	// ErrTransferring is returned by Propose and Transfer while leadership is being handed over; the caller should try
	// again, at the new leader.
	ErrTransferring = errors.New("leadership is being transferred")
	// ErrTransferFailed is a transfer's result when the target did not take over within an election time-out; this
	// node leads on.
	ErrTransferFailed = errors.New("leadership transfer timed out")
	// ErrTransferTarget is returned by Transfer for a target that is no other member.
	ErrTransferTarget = errors.New("leadership can go to another member alone")
	// ErrDiverged is an Output's Err when a leader contradicts what is committed here. Raft's promise is
	// broken already; the node must stop.
	ErrDiverged = errors.New("the leader's log contradicts a committed entry")
)
