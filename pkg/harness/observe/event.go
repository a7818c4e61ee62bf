package observe

import (
	"encoding/json"
	"fmt"
)

// Names of events.
const (
	EventStart         = "start"
	EventRole          = "role"
	EventLeader        = "leader"
	EventVote          = "vote"
	EventAppend        = "append"
	EventDurable       = "durable"
	EventTruncate      = "truncate"
	EventCommit        = "commit"
	EventApply         = "apply"
	EventSnapshot      = "snapshot"
	EventInstall       = "install"
	EventSync          = "sync"
	EventCreate        = "create"
	EventRemove        = "remove"
	EventRename        = "rename"
	EventSyncDir       = "syncdir"
	EventConfiguration = "configuration"
	EventStop          = "stop"
	// EventWipe is the harness' own: it has taken the data directory away, and writes that into the node's log.
	EventWipe = "wipe"
)

// RoleLeader is the role of a node that leads; the others are follower, pre_candidate and candidate.
const RoleLeader = "leader"

// Mark names an entry's content at its index: [term, checksum].
type Mark [2]uint64

// Term of the entry.
func (m Mark) Term() uint64 { return m[0] }

// Checksum of the entry (CRC-32C over kind, term, index and data).
func (m Mark) Checksum() uint64 { return m[1] }

func (m Mark) String() string { return fmt.Sprintf("term %d checksum %08x", m[0], m[1]) }

// Event is one line of a node's event log; which fields are set depends on Event.
type Event struct {
	Seq   uint64 `json:"seq"`  // from 1, gap-free within the incarnation
	Inc   string `json:"inc"`  // incarnation: one run of the process
	Mono  int64  `json:"mono"` // CLOCK_MONOTONIC, nanoseconds
	Node  string `json:"node"`
	Term  uint64 `json:"term"` // the node's current term
	Event string `json:"event"`

	VotedFor string `json:"voted_for,omitempty"` // start
	LastTerm uint64 `json:"last_term,omitempty"` // start, snapshot, install

	Role   string `json:"role,omitempty"`   // role, commit
	Reason string `json:"reason,omitempty"` // role, stop

	Leader    string `json:"leader,omitempty"`    // leader
	Candidate string `json:"candidate,omitempty"` // vote
	Granted   bool   `json:"granted,omitempty"`   // vote

	// First and Last bound the entries of append, durable, commit and apply, and the log of start. A snapshot
	// reaches Last, and the log begins behind First; an install's log begins behind Last.
	First   uint64 `json:"first,omitempty"`
	Last    uint64 `json:"last,omitempty"`
	Entries []Mark `json:"entries,omitempty"` // append, commit, apply: First … Last
	Durable bool   `json:"durable,omitempty"` // append

	From    uint64 `json:"-"` // truncate: this index and all behind it are gone; "from" on the wire
	OldRole string `json:"-"` // role: the role before; "from" on the wire, too

	// Of configuration: the index of its entry (0: the one that the cluster began with; of a snapshot, where that one holds it).
	Index     uint64   `json:"index,omitempty"`
	Committed bool     `json:"committed,omitempty"`
	Joint     bool     `json:"joint,omitempty"`
	Members   []Member `json:"members,omitempty"`
	Directory string   `json:"directory,omitempty"` // wipe: the id by which the members knew it; "" if they did not

	File   string `json:"file,omitempty"` // sync, create, remove, rename, syncdir
	To     string `json:"to,omitempty"`   // rename
	Length int64  `json:"length,omitempty"`
}

// Member is one member of a configuration.
type Member struct {
	ID       string `json:"id"`
	Suffrage string `json:"suffrage"`
}

// What a member is.
const (
	Voter   = "voter"
	Learner = "learner" // never counts
	Joining = "joining" // catches up, and counts in the new half of a joint configuration
	Leaving = "leaving" // counts in the old half alone
)

// UnmarshalJSON tells the two meanings of "from" apart.
func (e *Event) UnmarshalJSON(data []byte) error {
	type plain Event
	line := struct {
		*plain
		From json.RawMessage `json:"from"`
	}{plain: (*plain)(e)}
	if err := json.Unmarshal(data, &line); err != nil {
		return err
	}
	if len(line.From) == 0 {
		return nil
	}
	var into any = &e.From
	if line.From[0] == '"' {
		into = &e.OldRole
	}
	if err := json.Unmarshal(line.From, into); err != nil {
		return fmt.Errorf("field from: %w", err)
	}
	return nil
}
