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

// Log is an open data directory.
type Log struct {
	options Options
	volume  *volume
	lock    io.Closer
	mutant  mutant

	// disk makes Persist and Close take turns. It is held over I/O on purpose: it guards the files
	// themselves and all fields below, and only who must wait for the disk takes it.
	disk        sync.Mutex
	err         error // why every further Persist fails; nil while the log lives
	directory   directoryID
	mark        *handle
	segment     *handle // the last one; writes go to its offset
	number      uint64
	offset      int64
	before      int64 // length of the segment before
	fresh       bool  // the segment's name is not yet durable
	closedBytes int64 // of all segments before
	last        protocol.Index
	hard        protocol.HardState
	buffer      []byte

	stats atomic.Pointer[Stats]
}

// Stats is a snapshot of a Log's size.
type Stats struct {
	LogBytes  int64          // of all segments
	Segments  uint64         // files
	LastIndex protocol.Index // last durable entry; 0 = empty log
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
	entries, hard, err := l.gather(batches)
	if err != nil {
		return l.fail(err)
	}
	total := len(entries)
	if total == 0 && hard == l.hard {
		return nil
	}
	for rest := entries; len(rest) > 0 || hard != l.hard; {
		n := batchPrefix(rest)
		if err := l.append(hard, rest[:n]); err != nil {
			return l.fail(err)
		}
		rest = rest[n:]
	}
	l.volume.metrics.appended(total, time.Since(start))
	return nil
}

// gather checks the batches and joins them. The last hard state stands for all: a term or vote may
// become durable before entries that were made under an earlier one, never after its own.
func (l *Log) gather(batches []protocol.Persist) ([]protocol.Entry, protocol.HardState, error) {
	last, hard := l.last, l.hard
	var entries []protocol.Entry
	for _, b := range batches {
		for i, e := range b.Entries {
			if e.Index == 0 || e.Index > last+1 || i > 0 && e.Index != last+1 {
				return nil, hard, fmt.Errorf("%w: batch %d: entry %v follows index %d", ErrBatch, b.Number, e.Position(), last)
			}
			if len(e.Data) > maxEntryBytes || !e.Kind.Valid() {
				return nil, hard, fmt.Errorf("%w: batch %d: entry %v of %v has %d bytes, at most %d can be stored",
					ErrBatch, b.Number, e.Position(), e.Kind, len(e.Data), maxEntryBytes)
			}
			last = e.Index
		}
		if hard = b.HardState; len(hard.VotedFor) > maxNameBytes {
			return nil, hard, fmt.Errorf("%w: batch %d: vote for a name of %d bytes, at most %d can be stored",
				ErrBatch, b.Number, len(hard.VotedFor), maxNameBytes)
		}
		if entries == nil {
			entries = b.Entries[:len(b.Entries):len(b.Entries)]
		} else {
			entries = append(entries, b.Entries...)
		}
	}
	return entries, hard, nil
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
func (l *Log) append(hard protocol.HardState, entries []protocol.Entry) error {
	if l.offset+batchSize(hard, entries) > l.options.SegmentBytes {
		if err := l.roll(); err != nil {
			return err
		}
	}
	buf := l.buffer[:0]
	var state *protocol.HardState
	if l.offset == 0 {
		buf = appendHeader(buf, header{l.directory, l.number, l.last + 1, l.before})
		state = &hard // so that the segments before can be dropped one day
	}
	if hard != l.hard {
		state = &hard
	}
	buf = appendBatch(buf, place{l.directory, l.number, l.offset + int64(len(buf))}, state, entries)
	if cap(buf) <= keptBuffer {
		l.buffer = buf
	}
	if err := l.volume.write(l.segment, buf, l.offset); err != nil {
		return err
	}
	l.offset += int64(len(buf))
	l.hard = hard
	if n := len(entries); n > 0 {
		l.last = entries[n-1].Index
	}
	if l.mutant.postpones(l) {
		return nil
	}
	return l.commit()
}

// commit makes what was written durable and says so in the mark.
func (l *Log) commit() error {
	if err := l.volume.sync(l.segment, l.offset); err != nil {
		return err
	}
	if l.fresh {
		if err := l.volume.syncDir(logDir); err != nil {
			return err
		}
		l.fresh = false
	}
	l.publish()
	return l.writeMark()
}

func (l *Log) writeMark() error {
	return l.volume.write(l.mark, encodeMark(l.directory, mark{l.number, l.offset}), 0)
}

func (l *Log) publish() {
	s := Stats{LogBytes: l.closedBytes + l.offset, Segments: l.number, LastIndex: l.last}
	l.stats.Store(&s)
	l.volume.metrics.holds(s.LogBytes)
}

// roll begins the next segment. The one before is synced whole, because each batch was.
func (l *Log) roll() error {
	if err := l.mutant.settle(l); err != nil {
		return err
	}
	next, err := l.volume.create(segmentName(l.number + 1))
	if err != nil {
		return err
	}
	if err := l.segment.Close(); err != nil {
		return errors.Join(err, next.Close())
	}
	l.closedBytes += l.offset
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
	l.mutant.stop(l)
	l.disk.Lock()
	defer l.disk.Unlock()
	failed := l.err
	if errors.Is(failed, ErrClosed) {
		return nil
	}
	if failed == nil {
		l.err = ErrClosed
	}
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
