package main

import (
	"time"

	"whitewater/pkg/kv"
	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
	"whitewater/pkg/wire"
)

// config is every setting of a node. What belongs to a part of it stands in that part's options.
type config struct {
	raft    raft.Options
	kv      kv.Options
	storage storage.Options
	limits  wire.Limits

	local         int
	peers         string
	join          bool
	bootstrap     string
	rpcListen     string
	rpcAdvertise  string
	httpListen    string
	httpAdvertise string
	preVote       bool
	checkQuorum   bool
	readMode      string
	logLevel      string
	logFormat     string
	eventLog      string

	printConfig bool
	version     bool

	members   []member          // of peers, in its order; members of the cluster or not
	sources   map[string]string // where each flag's value comes from
	addresses map[protocol.NodeID]string
}

// The ways to make a read linearizable.
const (
	readIndexMode = "read-index"
	leaseMode     = "lease"
)

// replicaOptions are the replica's settings as it wants them told: to it, 0 means its own default.
func (c *config) replicaOptions() raft.Options {
	options := c.raft
	for _, n := range []*int{&options.SnapshotEntries, &options.SnapshotKeep} {
		if *n == 0 {
			*n = -1
		}
	}
	return options
}

// defaults are what docs/raftnode.md promises.
func defaults() *config {
	return &config{
		raft: raft.Options{
			HeartbeatInterval: 120 * time.Millisecond,
			ElectionTimeout:   600 * time.Millisecond,
			RPCTimeout:        500 * time.Millisecond,
			MaxBatch:          1024,
			MaxBatchBytes:     1 << 20,
			MaxInflight:       4,
			MaxInflightBytes:  8 << 20,
			MaxPending:        4096,
			MaxPendingBytes:   64 << 20,
			SnapshotEntries:   10000,
			SnapshotKeep:      1000,

			SnapshotChunkBytes: 256 << 10,
		},
		kv:          kv.Options{MaxKeyBytes: 1 << 10, MaxValueBytes: 1 << 20, SessionTTL: time.Hour},
		limits:      wire.Limits{MaxFrameBytes: 16 << 20},
		preVote:     true,
		checkQuorum: true,
		readMode:    readIndexMode,
		logLevel:    "info",
		logFormat:   "text",
		sources:     map[string]string{},
	}
}
