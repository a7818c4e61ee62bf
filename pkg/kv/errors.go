package kv

import "errors"

var (
	// ErrBadCommand is returned by Machine.Apply when a committed entry is no command of this version;
	// the node must stop, because it no longer knows the cluster's state.
	ErrBadCommand = errors.New("undecodable command")
	// ErrGap is returned by Machine.Apply when an entry does not follow the last one applied, and by Machine.Restore
	// when the snapshot is older than the state; in both cases the replica has lost count.
	ErrGap = errors.New("entry out of order")

	// errInFlight: an earlier write of the session had not ended by the request's deadline.
	errInFlight = errors.New("an earlier write of this session is still in flight")
	// errLost: the entry's fate is no longer observed by this node; it may or may not be committed.
	errLost = errors.New("leadership was lost before the write was known to be committed")
	// errCovered: another leader's snapshot stands in the entry's place; the entry may or may not be part of it.
	errCovered = errors.New("a snapshot of another leader came before the write was known to be committed")
)
