package protocol

import "errors"

var (
	// ErrNotLeader is returned by Propose, Transfer and Change, and by reads, on a node that does not lead or that lost its
	// office meanwhile; the caller should ask the leader.
	ErrNotLeader = errors.New("not the leader")
	// ErrNoLeader is returned by reads on a node that knows no leader; the caller should try again later.
	ErrNoLeader = errors.New("no leader is known")
	// ErrOverloaded is returned by Propose when Options.MaxPending or MaxPendingBytes of proposals wait for a majority; nothing
	// was appended, so the caller may try again later.
	ErrOverloaded = errors.New("too many proposals wait for a majority")
	// ErrTransferring is returned by Propose, Transfer and Change while leadership is being handed over; the caller should try
	// again, at the new leader.
	ErrTransferring = errors.New("leadership is being transferred")
	// ErrTransferFailed is a transfer's result when the target did not take over within an election time-out; this
	// node leads on.
	ErrTransferFailed = errors.New("leadership transfer timed out")
	// ErrTransferTarget is returned by Transfer for a target that is no other voter that stays.
	ErrTransferTarget = errors.New("leadership can go to another voter alone")
	// ErrChanging is returned by Change while another change of members is under way; the caller should try again later.
	ErrChanging = errors.New("a change of members is under way")
	// ErrCanceled is a change's result when another one took it back.
	ErrCanceled = errors.New("the change of members was taken back")
	// ErrChange is returned by Change for one that makes no sense; nothing was appended.
	ErrChange = errors.New("the members cannot be changed so")
	// ErrForgotten is an Output's Err when the cluster knows this node by another data directory: what it voted and
	// acknowledged is lost, so it must not go on under its old name.
	ErrForgotten = errors.New("the cluster knows this node by another data directory")
	// ErrDiverged is an Output's Err when a leader contradicts what is committed here. Raft's promise is
	// broken already; the node must stop.
	ErrDiverged = errors.New("the leader's log contradicts a committed entry")
)
