// Package cluster is a running cluster as the harness sees it: N node processes, one proxy process
// with a link for every ordered pair of nodes, and what can be done to them.
//
// # In and out
//
// [Start] takes a folder, binaries and flags, and returns once every process has printed its ready
// line and every link knows its upstream. [Cluster.Await] waits for what the nodes' event logs say.
// The actions (Kill, Stop, Restart, Pause, Resume, Power, Wipe, Join) name nodes; who leads is for the caller to
// ask: [Cluster.Snapshot].
//
// # Invariants
//
//   - Everything lies in the folder: data, event logs, standard output and error of each process.
//   - No child outlives the harness, whatever ends it. All are started by one goroutine that keeps
//     its thread for good, with the parent-death signal SIGKILL, each in a process group of its own.
//   - Ports are the kernel's: processes listen on port 0 and tell. A restarted node has new ports;
//     its links learn them, which closes no listener.
//   - An exit that no action asked for is kept and told ([Cluster.Unexpected]).
//
// # Power loss
//
// A killed process loses nothing that it had written: the page cache stays. Power kills it and then
// takes from its data directory what its event log does not show to be synced: bytes behind the
// length of a file's last sync, and names made since their directory's last sync. What was removed stays
// removed; a disk that is ahead of the event log is left as it is. See disk.go.
//
// # What it does not do
//
// It judges nothing and drives no load; it knows the nodes by their command line, ready line,
// signals and event log alone.
package cluster
