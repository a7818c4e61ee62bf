// Package wire carries calls between processes: MessagePack-RPC frames under net/rpc. docs/wire.md
// has the bytes, the limits and the error codes.
//
// Three things can be taken from it, each without the others:
//
//   - Scanner cuts a stream into Frames and decodes nothing; ParseFrame, Field and their like look into one.
//   - Client calls one peer. It dials by itself, paces its dials, and queues calls in order.
//   - Server serves the methods of any values, in net/rpc's form.
//
// The codecs are our own, on go-msgpack's encoder and decoder, because its ready-made ones read
// unbuffered, hang on what cannot be encoded and know no limits.
//
// Invariants:
//
//   - Bytes are buffered only once received; nothing is decoded before the scanner has seen its whole frame within
//     the Limits; values are decoded fresh.
//   - A frame is written whole or its connection is closed.
//   - An abandoned call frees all it held and closes nothing.
//   - Errors keep their identity: see Codes.
//
// Goroutines:
//
//	goroutine            waits on                                    ended by
//	session.run          dial; its calls, the codec's end            Client.Close, a lost connection
//	net/rpc's input      the connection, abandoned calls             the connection's end
//	Server.Serve         the listener                                Shutdown, Close
//	net/rpc's ServeCodec the connection, a free slot                 the connection's end, Shutdown
//	net/rpc's call       the method                                  the method
//	Server.Shutdown's    the connections' ends                       them
//
// Locks: Client.mu, Call.mu, clientCodec.mu, reader.mu, serverCodec.mu, Conn.mu, gate.mu and Server.mu are
// never held together.
//
// The package knows nothing of Raft, of names for peers, or of who may call whom; it encrypts nothing.
package wire
