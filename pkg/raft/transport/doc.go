// Package transport carries a replica's requests over package wire, and brings peers' requests to it.
//
// Every request names the cluster, the sender, the receiver it is meant for and the sender's data directory
// (docs/wire.md); what is not meant for this node is refused with wrong_cluster or wrong_receiver.
//
// net/rpc runs the requests of one connection concurrently; a replica needs them in order. So each waits at
// the connection's gate until the one before it has been taken in; replies may overtake each other.
//
// Each peer is called over two connections: control for everything small, in order, and bulk for chunks of snapshots.
// It is dialled where Options.Peers says, so that a proxy can stand on every way, or else where the members' configuration
// says (SetMembers, which may come under the replica's lock: links are closed in goroutines that Close waits for).
//
// When the last control connection over which a peer has called ends, the replica is told: that is how the death
// of a leader is noticed within milliseconds.
//
// The package does not choose what to send or when, and trusts the network: whoever can connect can vote.
package transport
