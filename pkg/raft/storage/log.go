package storage

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"whitewater/pkg/raft/protocol"
)

// keptBuffer is the largest encoding buffer that is kept between calls.
const keptBuffer = 4 << 20

// lateSync is how many bytes the mutant ack-before-fsync lets lie in the page cache.
const lateSync = 16 << 10

// Log is an open data directory.
type Log struct {
	options Options
	volume  *volume
	lock    io.Closer

	// disk makes Persist and Close take turns. It is held over I/O on purpose: it guards the files
	// themselves and all fields below, and only who must wait for the disk takes it.
	disk      sync.Mutex
	err       error // why every further Persist fails; nil while the log lives
	directory directoryID
	mark      *handle
	segment   *handle // the last one; writes go to its offset
	number    uint64
	offset    int64
	before    int64 // length of the segment before
	fresh     bool  // the segment's name is not yet durable
	closed    closedSegments
	outline   outline // of the log that is written
	hard      protocol.HardState
	base      base // where the log begins; never with reset
	buffer    []byte

	snapshots *snapshots // has locks of its own

	stats atomic.Pointer[Stats]
}

// Stats is a snapshot of a Log's size.
type Stats struct {
	LogBytes  int64             // of all segments
	Segments  int               // files
	Compacted protocol.Position // the log begins behind it; zero = at index 1
	LastIndex protocol.Index    // last durable entry, or the compacted one's; 0 = empty log
}

// Stats returns the state after the last Persist. It waits for nothing.
func (l *Log) Stats() Stats { return *l.stats.Load() }

// Persist makes the batches durable, in order, with one write and one fdatasync for all (larger
// groups than 16 MiB take several). When it returns nil, a loss of power loses none of them; when it
// does not, the log is dead: every later call returns the same error, and what is on disk is known
// only to the next Open. It keeps no reference to the entries. One caller at a time.
func (l *Log) Persist(batches ...protocol.Persist) error {
	l.disk.Lock()
	defer l.disk.Unlock()
	if l.err != nil {
		return l.err
	}
	start := time.Now()
	g, err := l.gather(batches)
	if err != nil {
		return l.fail(err)
	}
	if g.isEmpty(l.hard) {
		return nil
	}
	if err := l.write(g); err != nil {
		return l.fail(err)
	}
	l.volume.metrics.appended(len(g.entries), time.Since(start))
	return nil
}

// write makes a group durable in as few batches as may be.
func (l *Log) write(g group) error {
	if l.options.Mutation.Is("term-after-entries") && g.install == nil && len(g.entries) > 0 && g.hard != l.hard {
		if err := l.write(group{hard: l.hard, entries: g.entries}); err != nil {
			return err
		}
		g.entries = nil
	}
	if g.install != nil {
		// A segment of its own lets all before it go.
		if err := l.roll(); err != nil {
			return err
		}
	}
	for rest := g.entries; ; {
		n := batchPrefix(rest)
		b := batch{hard: &g.hard, entries: rest[:n]}
		if g.install != nil {
			b.bases = append(b.bases, *g.install)
			g.install = nil
		}
		rest = rest[n:]
		if len(rest) == 0 && g.compact != nil {
			b.bases = append(b.bases, *g.compact) // its entries are there now
		}
		if err := l.append(b); err != nil || len(rest) == 0 {
			return err
		}
	}
}

// batchPrefix is how many entries the next batch takes.
func batchPrefix(entries []protocol.Entry) int {
	size := int64(0)
	for i, e := range entries {
		if size += entrySize(e); i > 0 && size > batchTarget {
			return i
		}
	}
	return len(entries)
}

// append writes and syncs one batch.
func (l *Log) append(b batch) error {
	if l.offset > 0 && l.offset+batchSize(b) > l.options.SegmentBytes {
		if err := l.roll(); err != nil {
			return err
		}
	}
	hard, buf := *b.hard, l.buffer[:0]
	if l.offset == 0 {
		// The first batch says all that is in force, so that the segments before can be dropped.
		buf = appendHeader(buf, header{l.directory, l.number, l.outline.last + 1, l.before})
		if l.base != (base{}) {
			b.bases = append([]base{l.base}, b.bases...)
		}
	} else if hard == l.hard {
		b.hard = nil
	}
	buf = appendBatch(buf, place{l.directory, l.number, l.offset + int64(len(buf))}, b)
	if cap(buf) <= keptBuffer {
		l.buffer = buf
	}
	if err := l.volume.write(l.segment, buf, l.offset); err != nil {
		return err
	}
	l.offset += int64(len(buf))
	l.hard = hard
	l.follow(b)
	if l.options.Mutation.Is("ack-before-fsync") && l.offset%lateSync > int64(len(buf)) {
		return nil
	}
	return l.commit()
}

// follow brings what is known of the log up to a batch that was just written.
func (l *Log) follow(b batch) {
	for _, base := range b.bases {
		if base.reset {
			l.closed.cut(1)
			l.outline.reset(base.compacted)
		}
		l.base = base
		l.base.reset = false
	}
	if len(b.entries) > 0 {
		l.closed.cut(b.entries[0].Index)
	}
	for _, e := range b.entries {
		l.outline.put(e.Position())
	}
	if to := l.base.compacted; to.Index > l.outline.compacted.Index {
		l.outline.compact(to)
	}
}

// commit makes what was written durable and says so in the mark.
func (l *Log) commit() error {
	err := l.volume.sync(l.segment, l.offset)
	if err != nil && l.options.Mutation.Is("fsync-retry") {
		err = l.volume.sync(l.segment, l.offset)
	}
	if err != nil {
		return err
	}
	if l.fresh && !l.options.Mutation.Is("dir-not-synced") {
		if err := l.volume.syncDir(logDir); err != nil {
			return err
		}
		l.fresh = false
	}
	l.snapshots.anchor(&l.outline)
	if err := l.writeMark(); err != nil {
		return err
	}
	if err := l.drop(maxDropped); err != nil {
		return err
	}
	l.publish()
	return nil
}

func (l *Log) writeMark() error {
	return l.volume.write(l.mark, encodeMark(l.directory, mark{l.number, l.offset}), 0)
}

func (l *Log) publish() {
	s := Stats{
		LogBytes: l.closed.bytes() + l.offset, Segments: len(l.closed) + 1,
		Compacted: l.base.compacted, LastIndex: l.outline.last,
	}
	l.stats.Store(&s)
	l.volume.metrics.holds(s.LogBytes)
}

// roll begins the next segment. The one before is synced whole, because each batch was.
func (l *Log) roll() error {
	if l.options.Mutation.Is("ack-before-fsync") {
		if err := l.commit(); err != nil {
			return err
		}
	}
	next, err := l.volume.create(segmentName(l.number + 1))
	if err != nil {
		return err
	}
	if err := l.segment.Close(); err != nil {
		return errors.Join(err, next.Close())
	}
	l.closed = append(l.closed, closedSegment{l.number, l.offset, l.outline.last})
	l.segment, l.number, l.before, l.offset, l.fresh = next, l.number+1, l.offset, 0, true
	return nil
}

// fail ends the log. What was written stays as it is: to write or sync again could only hide that
// something is lost.
func (l *Log) fail(cause error) error {
	l.err = fmt.Errorf("%w: %w; end this process and start it again once the cause is mended", ErrFailed, cause)
	l.options.Logger.Error("storage failed", "err", cause)
	return l.err
}

// Close waits for a running Persist and lets go of the directory. Persist fails with ErrClosed after
// it, unless the log has failed already: then both return that error. A second Close closes nothing.
func (l *Log) Close() error {
	l.disk.Lock()
	defer l.disk.Unlock()
	failed := l.err
	if errors.Is(failed, ErrClosed) {
		return nil
	}
	if failed == nil {
		l.err = ErrClosed
	}
	l.snapshots.close()
	return errors.Join(failed, l.release())
}

// release closes what is open; the lock goes last.
func (l *Log) release() error {
	var errs []error
	for _, h := range []*handle{l.segment, l.mark} {
		if h != nil {
			errs = append(errs, h.Close())
		}
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	l.segment, l.mark, l.lock = nil, nil, nil
	return errors.Join(errs...)
}
