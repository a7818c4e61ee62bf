package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"unicode/utf8"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// FS is what a Log asks of a file system, File an open file of it.
type (
	FS   = vfs.FS
	File = vfs.File
)

// The operations of a FileOp.
const (
	OpCreate  = "create"  // File has a name that is not yet durable
	OpRename  = "rename"  // File became To, not yet durably
	OpRemove  = "remove"  // File lost its name, not yet durably
	OpSync    = "sync"    // File is durable through Length bytes
	OpSyncDir = "syncdir" // the names in directory File are durable
)

const (
	defaultSegmentBytes = 64 << 20
	minSegmentBytes     = 512
	maxSegmentBytes     = 1 << 40
	maxNameBytes        = 1024 // cluster and node ids
)

// Options configure Open. Zero values mean the documented defaults.
type Options struct {
	Dir       string          // data directory, created if it is missing; required
	ClusterID string          // stored in a new directory; empty accepts whatever an old one holds
	NodeID    protocol.NodeID // stored in a new directory and must match an old one's; required
	// Bootstrap are the voters that a new cluster begins with, this node or not, in any order; stored in a new
	// directory and not looked at for an old one. None: the node joins a cluster.
	Bootstrap    []protocol.NodeID
	SegmentBytes int64        // a segment is followed by the next before it outgrows this; 0 = 64 MiB
	FS           FS           // nil = the real one
	Rand         io.Reader    // a new directory's id is drawn from it; nil = crypto/rand
	Logger       *slog.Logger // nil discards
	Metrics      *Metrics     // nil = none
	// Observe is called after each step that matters for durability, in order, and before the call
	// that made the step returns, from one goroutine at a time. It must not call the Log. nil = nobody.
	Observe  func(FileOp)
	Mutation protocol.Mutation
}

// FileOp is one step towards durability. Names are relative to the data directory and use slashes;
// "." is the data directory itself. The mark file is created but never synced: it may lag or be lost.
type FileOp struct {
	Op       string // one of OpCreate, OpRename, OpRemove, OpSync, OpSyncDir
	File, To string
	Length   int64 // OpSync: bytes of File known durable
}

func (o FileOp) String() string {
	switch o.Op {
	case OpSync:
		return fmt.Sprintf("sync %s %d", o.File, o.Length)
	case OpRename:
		return fmt.Sprintf("rename %s %s", o.File, o.To)
	}
	return o.Op + " " + o.File
}

// Recovered is what Open found.
type Recovered struct {
	State       protocol.State    // term, vote, newest snapshot and the whole log behind it, all of it durable
	DirectoryID string            // random, written once when the directory was made; 32 hex digits
	ClusterID   string            // as stored
	Bootstrap   []protocol.NodeID // as stored, ascending; none: the node joined its cluster
	TornBytes   int64             // bytes of an unfinished write that were cut; 0 = none
	TornFile    string            // the segment they were cut from, relative to the data directory
	TornCopy    string            // where they were kept, relative to the data directory; empty if all were zero
}

func (o Options) withDefaults() Options {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.FS == nil {
		o.FS = vfs.Disk()
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// bootstrap is the set in its stored form.
func (o Options) bootstrap() []protocol.NodeID {
	return append([]protocol.NodeID{}, slices.Sorted(slices.Values(o.Bootstrap))...)
}

// Validate reports every fault of the options with its mend.
func (o Options) Validate() error {
	var faults []error
	if o.Dir == "" {
		faults = append(faults, errors.New("data directory Dir is empty: name one"))
	}
	if o.NodeID == "" {
		faults = append(faults, errors.New("node id NodeID is empty: name this node"))
	}
	if n := len(o.NodeID); n > maxNameBytes {
		faults = append(faults, fmt.Errorf("NodeID has %d bytes: use at most %d", n, maxNameBytes))
	}
	if n := len(o.ClusterID); n > maxNameBytes {
		faults = append(faults, fmt.Errorf("ClusterID has %d bytes: use at most %d", n, maxNameBytes))
	}
	if !utf8.ValidString(string(o.NodeID)) || !utf8.ValidString(o.ClusterID) {
		faults = append(faults, fmt.Errorf("NodeID %q or ClusterID %q is not UTF-8: use text", o.NodeID, o.ClusterID))
	}
	faults = append(faults, o.bootstrapFaults()...)
	if n := o.SegmentBytes; n != 0 && (n < minSegmentBytes || n > maxSegmentBytes) {
		faults = append(faults, fmt.Errorf("SegmentBytes %d: use 0 for %d, or %d to %d",
			n, defaultSegmentBytes, minSegmentBytes, int64(maxSegmentBytes)))
	}
	return errors.Join(faults...)
}

func (o Options) bootstrapFaults() (faults []error) {
	if n := len(o.Bootstrap); n > protocol.MaxMembers {
		faults = append(faults, fmt.Errorf("the set Bootstrap has %d names: use at most %d", n, protocol.MaxMembers))
	}
	for i, id := range o.Bootstrap {
		switch {
		case id == "" || len(id) > maxNameBytes || !utf8.ValidString(string(id)):
			faults = append(faults, fmt.Errorf("the set Bootstrap names %q: use 1 to %d bytes of text", id, maxNameBytes))
		case slices.Contains(o.Bootstrap[:i], id):
			faults = append(faults, fmt.Errorf("the set Bootstrap names %q twice: name each voter once", id))
		}
	}
	return faults
}
