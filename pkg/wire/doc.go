// Package wire carries calls between processes: MessagePack-RPC frames (docs/wire.md) under net/rpc.
//
// Three things can be taken from it, each without the others: a Scanner that cuts a stream into frames and
// decodes nothing, a Client for one peer, and a Server.
package wire
