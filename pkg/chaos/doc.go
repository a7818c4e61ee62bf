// Package chaos is a TCP fault proxy: links (one listener, one upstream each), the faults on them, and a
// control API in Toxiproxy's shape with a Go client for it.
//
// In: connections to a link's listener, changes through the control API. Out: connections to the link's
// upstream, and metrics. A link is of one of two kinds:
//
//   - bytes: copied by the kernel (splice) while no toxic is in force, through small buffers while one is;
//   - msgpack-rpc: cut into frames from each connection's first byte, so that whole requests and replies can be
//     lost, delayed, answered with an error or counted. Ids are translated per connection.
//
// # Invariants
//
//  1. Every decision of the data path rests on one immutable view, swapped as a whole: a change that
//     concerns many links takes effect on all of them in one step.
//  2. A frame is forwarded whole or not at all, unless its receiver goes away.
//  3. A byte that no fault is meant to lose arrives, in order; the end of one direction leaves the other open.
//  4. No lock is held while waiting for a connection: the lock over the control state covers memory, bind and
//     listen; a change pokes connections and waits for none of them.
//  5. What falls to chance is a hash of the seed and of what it is about (decide.go), never a draw from a
//     shared stream: another interleaving does not change another message's fate.
//
// Lock order: Server.mu, link.mu, conn.mu; each is a leaf towards the next, none is held over I/O that waits.
//
// # Goroutines
//
//	goroutine                     waits for                               ended by
//	link.serve, one per listener  accept                                  link disabled, moved or deleted
//	pump, two per connection      its source, its next due time, a poke   end of both streams, a fault, conn.close
//
// A poke sets the pump's read deadline into the past and fills its wake channel; the pump then looks at the
// current view. Only the pump writes to its destination.
//
// It does not interpret what the frames say (method names and body fields are strings to it), it is
// no load balancer, and it needs Linux (splice, and sockets that are bound without listening).
package chaos
