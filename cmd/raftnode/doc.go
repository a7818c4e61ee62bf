// Raftnode runs one member of a cluster: Raft, its durable log, the replicated key-value store and its
// HTTP API. docs/raftnode.md shows it by hand and lists flags, paths and codes.
//
// # What starts and what ends it
//
// [run] reads the settings, opens the data directory and both listeners, starts the replica and prints
// the line "ready rpc=HOST:PORT http=HOST:PORT". SIGTERM and SIGINT end it cleanly: clients' requests are
// drained, the replica is killed, the log is closed.
//
// # Exit codes
//
//	0  stopped by a signal
//	1  failed while running, or the log is damaged
//	3  bad settings, or a data directory that is not this node's
//
// # Output
//
// stdout is for people and for whoever waits for the ready line; logs go to stderr.
package main
