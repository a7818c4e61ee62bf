package lab

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"whitewater/pkg/raft/protocol"
)

// record is what each server has applied, over all its incarnations, and what was offered.
type record struct {
	t *testing.T

	mu        sync.Mutex // guards all below
	applied   []map[int]any
	accepted  map[any]int // how often a server took a command
	snapshots snapshotRecord
	err       error
}

func newRecord(t *testing.T, n int) *record {
	r := &record{t: t, accepted: map[any]int{}}
	r.snapshots.contents, r.snapshots.onDisk = map[int][]byte{}, map[int]protocol.Index{}
	for range n {
		r.applied = append(r.applied, map[int]any{})
	}
	return r
}

// apply is one incarnation's applier. Its indices must run from 1 without a gap, its values must be everybody's.
func (r *record) apply(server int, applyCh <-chan ApplyMsg) {
	for last := 0; ; last++ {
		msg, ok := <-applyCh
		if !ok {
			return
		}
		if !msg.CommandValid || msg.CommandIndex != last+1 {
			r.fail(fmt.Errorf("server %d applied out of order: %+v after index %d", server, msg, last))
		}
		r.add(server, msg)
	}
}

func (r *record) add(server int, msg ApplyMsg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, applied := range r.applied {
		if value, ok := applied[msg.CommandIndex]; ok && value != msg.Command {
			r.failLocked(fmt.Errorf("index %d: server %d applied %v, server %d %v", msg.CommandIndex, server, msg.Command, other, value))
		}
	}
	r.applied[server][msg.CommandIndex] = msg.Command
}

func (r *record) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failLocked(err)
}

func (r *record) failLocked(err error) {
	r.err = errors.Join(r.err, err)
	r.t.Error(err)
}

// took notes that a server has taken a command.
func (r *record) took(command any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted[command]++
}

// at tells how many servers have applied something at index, and what.
func (r *record) at(index int) (count int, command any, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, applied := range r.applied {
		if value, ok := applied[index]; ok {
			count, command = count+1, value
		}
	}
	return count, command, r.err
}

// last is the highest index that any server has applied.
func (r *record) last() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := 0
	for _, applied := range r.applied {
		last = max(last, len(applied))
	}
	return last
}

// finish judges the whole log: nobody applied a command that was never taken, or more often than it was.
func (r *record) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	log, times := map[int]any{}, map[any]int{}
	for _, applied := range r.applied {
		for index, command := range applied {
			if _, ok := log[index]; !ok {
				times[command]++
			}
			log[index] = command
		}
	}
	for command, count := range times {
		if count > r.accepted[command] {
			r.t.Errorf("command %v was applied at %d indices and taken %d times", command, count, r.accepted[command])
		}
	}
	for index := range log {
		if _, ok := log[index-1]; !ok && index > 1 {
			r.t.Errorf("index %d was applied and index %d never", index, index-1)
		}
	}
}
