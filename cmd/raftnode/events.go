package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/storage"
)

// events passes what happens in Raft on: to the event log, if there is one, and as lines for people to stdout.
type events struct {
	log   *raft.EventLog // nil: none
	lines chan string    // changes of role, leader and members; a full one loses lines rather than hold Raft up
	done  chan struct{}  // closed once the last line is written

	mu      sync.Mutex // guards the rest, and the order of what is recorded
	started bool
	members string           // as last told
	early   []storage.FileOp // of opening the directory: an incarnation's first event is its start
}

// newEvents starts the goroutine that writes lines to w; finish ends it.
func newEvents(log *raft.EventLog, w io.Writer) *events {
	e := &events{log: log, lines: make(chan string, 256), done: make(chan struct{})}
	go func() {
		defer close(e.done)
		for line := range e.lines {
			fmt.Fprintln(w, line)
		}
	}()
	return e
}

// Record implements raft.EventSink.
func (e *events) Record(event raft.Event) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tell(event)
	if e.log == nil {
		return 0
	}
	position := e.log.Record(event)
	if !e.started {
		e.started = true
		for _, op := range e.early {
			e.log.RecordFile(op.Op, op.File, op.To, op.Length)
		}
		e.early = nil
	}
	return position
}

// Await implements raft.EventSink.
func (e *events) Await(ctx context.Context, position uint64) error {
	if e.log == nil {
		return nil
	}
	return e.log.Await(ctx, position)
}

// fileOp records a step of storage.
func (e *events) fileOp(op storage.FileOp) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.log == nil:
	case !e.started:
		e.early = append(e.early, op)
	default:
		e.log.RecordFile(op.Op, op.File, op.To, op.Length)
	}
}

// tell turns changes of role, term, leader and members into lines.
func (e *events) tell(event raft.Event) {
	var line string
	switch event.Name {
	case "role":
		line = fmt.Sprintf("term %d: %s, was %s (%s)", event.Term, event.Role, event.OldRole, event.Reason)
	case "leader":
		line = fmt.Sprintf("term %d: leader %s", event.Term, orDash(string(event.Leader)))
	case "configuration":
		now := event.Configuration.String()
		if now == e.members {
			return // committed, or with another address
		}
		e.members = now
		line = fmt.Sprintf("term %d: members %s", event.Term, orDash(now))
	default:
		return
	}
	select {
	case e.lines <- line:
	default:
	}
}

// finish writes what is left. Nothing may be recorded afterwards.
func (e *events) finish() error {
	close(e.lines)
	<-e.done
	if e.log == nil {
		return nil
	}
	return e.log.Close()
}
