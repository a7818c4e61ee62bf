package storage

import "whitewater/pkg/raft/protocol"

// maxDropped is how many segments one call of Persist removes at most: giving blocks free takes its time.
const maxDropped = 4

// closedSegment is a segment that another follows.
type closedSegment struct {
	number uint64
	bytes  int64
	// live is the highest index at which the log still has an entry from this segment or one before.
	live protocol.Index
}

// closedSegments are ascending, without gaps in their numbers.
type closedSegments []closedSegment

// cut notes that the log was overwritten from index on.
func (c closedSegments) cut(index protocol.Index) {
	for i := len(c) - 1; i >= 0 && c[i].live >= index; i-- {
		c[i].live = index - 1
	}
}

func (c closedSegments) bytes() int64 {
	sum := int64(0)
	for _, s := range c {
		sum += s.bytes
	}
	return sum
}

// drop removes at most limit of the oldest segments that hold nothing behind what is compacted. That
// the log begins there, and a snapshot that covers the rest, must be durable.
func (l *Log) drop(limit int) error {
	begins, names := l.outline.compacted.Index, []string(nil)
	for ; limit > 0 && begins > 0 && len(l.closed) > 0 && l.closed[0].live <= begins; limit-- {
		names = append(names, segmentName(l.closed[0].number))
		l.closed = l.closed[1:]
	}
	return l.volume.remove(names...)
}

// discard removes segments that a loss of power gave back.
func (l *Log) discard(numbers []uint64) error {
	var names []string
	for _, number := range numbers {
		names = append(names, segmentName(number))
		l.options.Logger.Info("remove a segment that was removed before", "file", l.volume.path(segmentName(number)))
	}
	return l.volume.remove(names...)
}
