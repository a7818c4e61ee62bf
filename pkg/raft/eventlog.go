package raft

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"whitewater/pkg/raft/protocol"
)

// EventLog is a sink that appends one JSON object per event to a file (docs/events.md). What Await has
// returned for survives the death of the process, not a loss of power.
type EventLog struct {
	node        protocol.NodeID
	incarnation string
	file        *os.File
	clock       func() int64

	mu      sync.Mutex // guards all below
	changed *sync.Cond
	lines   []byte // not yet written
	seq     uint64 // of the last event recorded
	written uint64 // of the last event in the file
	term    protocol.Term
	err     error
	closing bool
	done    chan struct{} // closed when the writer has ended
}

// OpenEventLog appends to the file at path, and makes it if there is none. An incarnation names one run of
// the process; seq counts from 1 in each.
func OpenEventLog(path string, node protocol.NodeID, incarnation string) (*EventLog, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	l := &EventLog{node: node, incarnation: incarnation, file: file, clock: monotonic, done: make(chan struct{})}
	l.changed = sync.NewCond(&l.mu)
	go l.write()
	return l, nil
}

// monotonic is CLOCK_MONOTONIC in nanoseconds: the same clock for all processes of a machine.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return time.Now().UnixNano() // no Linux lacks this clock
	}
	return now.Nano()
}

// Record notes an event; the writer takes it from there.
func (l *EventLog) Record(e Event) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.term = max(l.term, e.Term)
	return l.record(e)
}

// RecordFile notes what storage did to a file, under the newest term known.
func (l *EventLog) RecordFile(operation, file, to string, length int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record(Event{Name: operation, Term: l.term, File: file, To: to, Length: length})
}

func (l *EventLog) record(e Event) uint64 {
	l.seq++
	line, err := json.Marshal(l.line(e))
	if err != nil {
		l.fail(fmt.Errorf("encode event %s: %w", e.Name, err))
	}
	l.lines = append(append(l.lines, line...), '\n')
	l.changed.Broadcast()
	return l.seq
}

// Await returns when the file holds the event at position.
func (l *EventLog) Await(ctx context.Context, position uint64) error {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.written < position && l.err == nil && ctx.Err() == nil {
		l.changed.Wait()
	}
	if l.written >= position {
		return nil
	}
	if l.err != nil {
		return l.err
	}
	return ctx.Err()
}

// Close writes what is left and closes the file.
func (l *EventLog) Close() error {
	l.mu.Lock()
	l.closing = true
	l.changed.Broadcast()
	l.mu.Unlock()
	<-l.done
	if err := l.file.Close(); err != nil && l.err == nil {
		return fmt.Errorf("close event log: %w", err)
	}
	return l.err
}

// write is the one writer: it takes all lines that have gathered and writes them with one call.
func (l *EventLog) write() {
	defer close(l.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.lines) == 0 && !l.closing {
			l.changed.Wait()
		}
		if len(l.lines) == 0 || l.err != nil {
			return
		}
		lines, last := l.lines, l.seq
		l.lines = nil
		l.mu.Unlock()
		_, err := l.file.Write(lines)
		l.mu.Lock()
		if err != nil {
			l.fail(fmt.Errorf("write event log: %w", err))
			return
		}
		l.written = last
		l.changed.Broadcast()
	}
}

func (l *EventLog) fail(err error) {
	if l.err == nil {
		l.err = err
	}
	l.changed.Broadcast()
}

// line is the form of an event in the file.
type line struct {
	Seq         uint64          `json:"seq"`
	Incarnation string          `json:"inc"`
	Mono        int64           `json:"mono"`
	Node        protocol.NodeID `json:"node"`
	Term        protocol.Term   `json:"term"`
	Event       string          `json:"event"`

	VotedFor  protocol.NodeID `json:"voted_for,omitempty"`
	LastTerm  protocol.Term   `json:"last_term,omitempty"`
	Role      string          `json:"role,omitempty"`
	From      any             `json:"from,omitempty"` // truncate: an index; role: the old role
	Reason    string          `json:"reason,omitempty"`
	Leader    protocol.NodeID `json:"leader,omitempty"`
	Candidate protocol.NodeID `json:"candidate,omitempty"`
	Granted   bool            `json:"granted,omitempty"`
	First     protocol.Index  `json:"first,omitempty"`
	Last      protocol.Index  `json:"last,omitempty"`
	Entries   [][2]uint64     `json:"entries,omitempty"` // term and checksum of each
	Durable   bool            `json:"durable,omitempty"`
	File      string          `json:"file,omitempty"`
	To        string          `json:"to,omitempty"`
	Length    int64           `json:"length,omitempty"`

	*configurationLine // of configuration alone
}

// configurationLine is what a configuration event has beside: who the members are, not where.
type configurationLine struct {
	Index     protocol.Index `json:"index"` // of its entry, or of the snapshot that holds it; 0: the one that the cluster began with
	Committed bool           `json:"committed"`
	Joint     bool           `json:"joint"`
	Members   []memberLine   `json:"members"`
}

type memberLine struct {
	ID       protocol.NodeID   `json:"id"`
	Suffrage protocol.Suffrage `json:"suffrage"`
}

func (l *EventLog) line(e Event) line {
	out := line{
		Seq: l.seq, Incarnation: l.incarnation, Mono: l.clock(), Node: l.node, Term: e.Term, Event: e.Name,
		VotedFor: e.VotedFor, LastTerm: e.LastTerm, Role: e.Role, Reason: e.Reason, Leader: e.Leader,
		Candidate: e.Candidate, Granted: e.Candidate != "", First: e.First, Last: e.Last, Durable: e.Durable,
		File: e.File, To: e.To, Length: e.Length,
	}
	if e.Configuration != nil {
		out.Last, out.Durable = 0, false
		out.configurationLine = &configurationLine{Index: e.Last, Committed: e.Durable, Joint: e.Configuration.Joint, Members: []memberLine{}}
		for _, m := range e.Configuration.Members {
			out.Members = append(out.Members, memberLine{m.ID, m.Suffrage})
		}
	}
	switch {
	case e.OldRole != "":
		out.From = e.OldRole
	case e.From != 0:
		out.From = e.From
	}
	for _, entry := range e.Entries {
		out.Entries = append(out.Entries, [2]uint64{uint64(entry.Term), uint64(entry.Checksum())})
	}
	return out
}
