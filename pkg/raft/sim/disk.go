package sim

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"time"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// disk is a node's disk: the files that outlive its processes, how long they take, and what goes wrong with them.
type disk struct {
	s    *server
	fs   *vfs.Mem
	rand *rand.Rand

	crash   FaultKind // Kill or Power: the process ends in the middle of its crashIn-th change from now; empty: it does not
	crashIn int
	dead    bool // it has: nothing succeeds any more

	failSync bool          // the next sync of a file fails
	failed   bool          // one has
	again    time.Duration // after which the process is started again then

	stalledTo time.Duration
	rotten    bool // a bit was flipped
}

// dataDir is a node's data directory, on a disk of its own.
const dataDir = "/data"

// The errors of injected faults.
var (
	errDead = errors.New("the process is dead")
	errSync = errors.New("input/output error")
)

func newDisk(s *server) *disk {
	d := &disk{s: s, rand: stream(s.r.plan.Seed, "disk", uint64(s.index))}
	d.use(vfs.NewMem())
	return d
}

func (d *disk) use(fs *vfs.Mem) {
	d.fs = fs
	d.fs.Fault = d.change
}

// change is asked before each change of the disk.
func (d *disk) change(step vfs.Step) (keep int, err error) {
	if d.crashIn > 0 && !d.dead {
		d.crashIn--
		if d.crashIn == 0 && d.crash == Kill && step.Op == vfs.OpSync {
			d.crashIn++ // the kernel ends a sync whose caller is gone
		}
		if d.crashIn == 0 {
			d.dead = true
			if len(step.Data) > 0 {
				keep = d.rand.IntN(len(step.Data) + 1)
			}
			return keep, errDead
		}
	}
	if d.dead {
		return 0, errDead
	}
	if d.failSync && step.Op == vfs.OpSync {
		d.failSync, d.failed = false, true
		d.s.r.counts["syncs failed"]++
		return 0, errSync
	}
	return 0, nil
}

// faulted reports whether an error of storage is no fault of its own.
func (d *disk) faulted() bool { return d.dead || d.failed }

// stopped notes that the process is gone.
func (d *disk) stopped() { d.crashIn, d.dead, d.failSync, d.failed = 0, false, false, false }

// lose does to the disk what the end of a process, or of the power, does.
func (d *disk) lose(how FaultKind) {
	loss := vfs.KeepAll
	if how == Power {
		loss = one(d.rand, vfs.LoseAll, vfs.LoseSectors, vfs.LoseNames)
	}
	d.use(d.fs.Crash(loss, d.rand))
	d.stopped()
}

// replace puts an empty disk in the place of a lost one.
func (d *disk) replace() {
	d.use(vfs.NewMem())
	d.rotten = false
}

// rot flips one bit of one segment of the log.
func (d *disk) rot(r *rand.Rand) {
	files := d.fs.Contents(dataDir + "/log")
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(name string) bool { return path.Ext(name) != ".log" || len(files[name]) == 0 })
	if len(names) == 0 {
		return
	}
	name := one(r, names...)
	data := []byte(files[name])
	data[r.IntN(len(data))] ^= 1 << r.IntN(8)
	d.fs.Put(name, data)
	d.rotten = true
}

// random is where ids are drawn from.
func (d *disk) random() io.Reader { return randomBytes{d.rand} }

type randomBytes struct{ *rand.Rand }

func (r randomBytes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return len(p), nil
}

// latency draws how long a write takes.
func (d *disk) latency() time.Duration {
	set := d.s.r.plan.Disk
	took := upTo(d.rand, set.Latency)
	if d.rand.Float64() < set.Stall && !d.s.r.network.core[d.s.id] {
		took = upTo(d.rand, time.Second)
	}
	return max(took, d.stalledTo-d.s.r.now)
}

// write starts one write of all that has gathered, unless one is under way: group commit.
func (s *server) write() {
	if s.writing || len(s.unsaved) == 0 {
		return
	}
	s.writing = true
	batches := s.unsaved
	s.unsaved = nil
	s.later(s.disk.latency(), func() {
		s.writing = false
		if err := s.log.Persist(batches...); err != nil {
			s.storageFailed("persist", err)
			return
		}
		s.persisted(batches[len(batches)-1].Number)
		if s.up {
			s.write()
			s.storeChunk()
		}
	})
}

// persisted tells the node, and lets go what has waited for it.
func (s *server) persisted(number uint64) {
	s.input(func(now time.Time) protocol.Output {
		out := s.Persisted(now, number)
		for _, e := range out.Events {
			s.observe(e)
		}
		out.Events = nil
		s.release(number)
		return out
	})
}

// storageFailed ends the process as a node's does. An error that no fault explains is one of storage.
func (s *server) storageFailed(what string, err error) {
	d := s.disk
	switch {
	case d.dead:
		s.fall(d.crash)
	case d.failed:
		again := d.again
		s.stop("its disk failed")
		s.r.after(again, s.start)
	default:
		s.r.broken(StorageRecovers, "%s: %s: %v", s.id, what, err)
	}
}

// fall ends the process, or the power of its machine.
func (s *server) fall(how FaultKind) {
	s.stop(string(how))
	s.disk.lose(how)
}
