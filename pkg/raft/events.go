package raft

import (
	"context"

	"whitewater/pkg/raft/protocol"
)

// EventSink keeps the events of a replica.
type EventSink interface {
	// Record notes an event and returns its position. It is called in order and never blocks.
	Record(Event) (position uint64)
	// Await returns once the event at position, and all before it, outlive this process. Its error is fatal:
	// the replica stops.
	Await(ctx context.Context, position uint64) error
}

// noEvents keeps nothing.
type noEvents struct{}

func (noEvents) Record(Event) uint64                 { return 0 }
func (noEvents) Await(context.Context, uint64) error { return nil }

// Event is one thing that happened to a replica, as docs/events.md describes it. Fields that an event does not
// have are zero.
type Event struct {
	Name string        // start, role, leader, vote, append, durable, truncate, commit, apply, snapshot, install, configuration, and storage's
	Term protocol.Term // current when it happened

	VotedFor  protocol.NodeID // start
	LastTerm  protocol.Term   // start, snapshot, install
	Role      string          // role, commit
	OldRole   string          // role
	Reason    string          // role, stop
	Leader    protocol.NodeID // leader
	Candidate protocol.NodeID // vote
	From      protocol.Index  // truncate
	First     protocol.Index  // append, durable, commit, apply, snapshot, start
	Last      protocol.Index  // these, and install
	Entries   []protocol.Entry
	Durable   bool // append; of configuration: it is committed

	Configuration *protocol.Configuration // configuration, whose entry is Last

	File, To string // storage's
	Length   int64  // sync
}

func startEvent(s Status) Event {
	return Event{Name: "start", Term: s.Term, VotedFor: s.VotedFor, First: s.FirstIndex, Last: s.LastIndex, LastTerm: s.LastTerm}
}

// configurationEvent tells of the configuration that is in force at the start.
func configurationEvent(s Status) Event {
	return Event{Name: "configuration", Term: s.Term, Last: s.ConfigurationIndex, Durable: s.ConfigurationCommitted, Configuration: &s.Configuration}
}

// StopEvent is the last event of a clean end.
func StopEvent(term protocol.Term, reason string) Event {
	return Event{Name: "stop", Term: term, Reason: reason}
}

func applyEvent(term protocol.Term, entries []protocol.Entry) Event {
	return entriesEvent("apply", term, entries)
}

func entriesEvent(name string, term protocol.Term, entries []protocol.Entry) Event {
	return Event{Name: name, Term: term, First: entries[0].Index, Last: entries[len(entries)-1].Index, Entries: entries}
}

// eventOf translates what the protocol tells; the rest is for metrics alone.
func eventOf(e protocol.Event) (Event, bool) {
	switch e := e.(type) {
	case protocol.RoleChanged:
		return Event{Name: "role", Term: e.Term, Role: e.To.String(), OldRole: e.From.String(), Reason: string(e.Trigger)}, true
	case protocol.LeaderChanged:
		return Event{Name: "leader", Term: e.Term, Leader: e.Leader}, true
	case protocol.VoteCast:
		return Event{Name: "vote", Term: e.Term, Candidate: e.Candidate}, true
	case protocol.EntriesAppended:
		event := entriesEvent("append", e.Term, e.Entries)
		event.Durable = e.Durable
		return event, true
	case protocol.EntriesDurable:
		return Event{Name: "durable", Term: e.Term, First: e.First, Last: e.Last}, true
	case protocol.LogTruncated:
		return Event{Name: "truncate", Term: e.Term, From: e.From}, true
	case protocol.SnapshotSaved:
		return Event{Name: "snapshot", Term: e.Term, First: e.Compacted.Index, Last: e.Meta.Index, LastTerm: e.Meta.Term}, true
	case protocol.SnapshotInstalled:
		return Event{Name: "install", Term: e.Term, Last: e.Meta.Index, LastTerm: e.Meta.Term}, true
	case protocol.ConfigurationChanged:
		return Event{Name: "configuration", Term: e.Term, Last: e.Index, Durable: e.Committed, Configuration: &e.Configuration}, true
	case protocol.EntriesCommitted:
		event := entriesEvent("commit", e.Term, e.Entries)
		event.Role = e.Role.String()
		return event, true
	}
	return Event{}, false
}
