package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Suffrage is a member's part in the majorities of a configuration.
type Suffrage string

// The suffrages. Voters make up both halves of a joint configuration (§6).
const (
	Voter   Suffrage = "voter"
	Learner Suffrage = "learner" // gets the log and never counts
	Joining Suffrage = "joining" // a learner that becomes a voter: it counts in the new half alone
	Leaving Suffrage = "leaving" // a voter on its way out: it counts in the old half alone
)

// Member is one server of a configuration.
type Member struct {
	ID       NodeID   `json:"id"`
	Suffrage Suffrage `json:"suffrage"`
	// Address is where the member says that it can be dialled. A node that knows better dials elsewhere.
	Address string `json:"address,omitempty"`
	// Directory is the id of the member's data directory: with another one it is a stranger, since it may have lost
	// what it voted and acknowledged. Empty until the member has been heard.
	Directory string `json:"directory,omitempty"`
}

// Configuration says who the members are (§6). A change of voters goes from one without joining or leaving members, over
// one in which the joining catch up, and one that is joint, to one without them again: each is an entry of the log, in
// force from the moment at which it is in the log.
type Configuration struct {
	Joint   bool     `json:"joint,omitempty"` // decisions need a majority of the old half and one of the new
	Members []Member `json:"members"`         // ascending by id
}

// Limits of what is accepted as a configuration.
const (
	MaxMembers            = 64
	maxMemberText         = 256 // bytes of an id, an address, a directory id
	MaxConfigurationBytes = 128 << 10
)

// Bootstrap is the configuration of a new cluster of voters.
func Bootstrap(voters []NodeID) Configuration {
	var c Configuration
	for _, id := range slices.Sorted(slices.Values(voters)) {
		c.Members = append(c.Members, Member{ID: id, Suffrage: Voter})
	}
	return c
}

// Encode is the configuration's form in the log and in snapshots; ParseConfiguration reads it.
func (c Configuration) Encode() []byte {
	data, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("encode configuration: %v", err)) // strings and booleans always encode
	}
	return data
}

// ParseConfiguration reads what Encode wrote, and refuses what no correct leader writes.
func ParseConfiguration(data []byte) (Configuration, error) {
	if len(data) > MaxConfigurationBytes {
		return Configuration{}, fmt.Errorf("configuration of %d bytes: at most %d", len(data), MaxConfigurationBytes)
	}
	var c Configuration
	if err := json.Unmarshal(data, &c); err != nil {
		return Configuration{}, fmt.Errorf("configuration: %w", err)
	}
	if string(c.Encode()) != string(data) {
		return Configuration{}, errors.New("configuration: it is not in the form that this version writes")
	}
	return c, c.validate()
}

func (c Configuration) validate() error {
	if len(c.Members) > MaxMembers {
		return fmt.Errorf("configuration of %d members: at most %d", len(c.Members), MaxMembers)
	}
	for i, m := range c.Members {
		switch {
		case m.ID == "" || !isText(string(m.ID)) || !isText(m.Address) || !isText(m.Directory):
			return fmt.Errorf("configuration: member %.40q has an empty id, or text that is not UTF-8 or of more than %d bytes", m.ID, maxMemberText)
		case i > 0 && m.ID <= c.Members[i-1].ID:
			return fmt.Errorf("configuration: member %q follows %q", m.ID, c.Members[i-1].ID)
		case !slices.Contains([]Suffrage{Voter, Learner, Joining, Leaving}, m.Suffrage):
			return fmt.Errorf("configuration: member %q is a %q", m.ID, m.Suffrage)
		}
	}
	if size := len(c.Encode()); size > MaxConfigurationBytes {
		return fmt.Errorf("configuration of %d bytes: at most %d", size, MaxConfigurationBytes)
	}
	for _, half := range c.halves() {
		if len(half) == 0 {
			return errors.New("configuration: a half without voters decides nothing")
		}
	}
	return nil
}

// isText reports whether a member's id, address or directory id can stand in a configuration.
func isText(s string) bool { return len(s) <= maxMemberText && utf8.ValidString(s) }

// Member finds a member by id.
func (c Configuration) Member(id NodeID) (Member, bool) {
	if i := c.find(id); i >= 0 {
		return c.Members[i], true
	}
	return Member{}, false
}

func (c Configuration) find(id NodeID) int {
	return slices.IndexFunc(c.Members, func(m Member) bool { return m.ID == id })
}

// IDs are the members' ids, ascending.
func (c Configuration) IDs() []NodeID {
	ids := make([]NodeID, 0, len(c.Members))
	for _, m := range c.Members {
		ids = append(ids, m.ID)
	}
	return ids
}

// Changing reports whether a change of voters is under way.
func (c Configuration) Changing() bool {
	return c.moving() > 0
}

// moving counts the members that become voters or leave.
func (c Configuration) moving() int {
	count := 0
	for _, m := range c.Members {
		if m.Suffrage == Joining || m.Suffrage == Leaving {
			count++
		}
	}
	return count
}

// Votes reports whether a member counts in some half.
func (c Configuration) Votes(id NodeID) bool {
	m, ok := c.Member(id)
	return ok && (m.Suffrage == Voter || m.Suffrage == Leaving || c.Joint && m.Suffrage == Joining)
}

func (c Configuration) String() string {
	var words []string
	for _, m := range c.Members {
		word := string(m.ID)
		if m.Suffrage != Voter {
			word += " (" + string(m.Suffrage) + ")"
		}
		words = append(words, word)
	}
	if c.Joint {
		return "joint: " + strings.Join(words, ", ")
	}
	return strings.Join(words, ", ")
}

func (c Configuration) sameSuffrages(other Configuration) bool {
	return c.Joint == other.Joint && slices.EqualFunc(c.Members, other.Members, func(a, b Member) bool {
		return a.ID == b.ID && a.Suffrage == b.Suffrage
	})
}

// halves are the sets of which each must agree by majority: the voters, or, in a joint configuration, the old and the
// new ones (§6).
func (c Configuration) halves() [][]NodeID {
	var before, after []NodeID
	for _, m := range c.Members {
		if m.Suffrage == Voter || m.Suffrage == Leaving {
			before = append(before, m.ID)
		}
		if m.Suffrage == Voter || m.Suffrage == Joining {
			after = append(after, m.ID)
		}
	}
	if c.Joint {
		return [][]NodeID{before, after}
	}
	return [][]NodeID{before}
}

// Decides reports whether those for whom in is true make up a majority of each half.
func (c Configuration) Decides(in func(NodeID) bool) bool {
	votes := make(map[NodeID]bool, len(c.Members))
	for _, m := range c.Members {
		votes[m.ID] = in(m.ID)
	}
	won, _ := c.tally(votes)
	return won
}

// tally counts votes: won with a majority of each half, lost when some half's majority has refused.
func (c Configuration) tally(votes map[NodeID]bool) (won, lost bool) {
	won = true
	for _, half := range c.halves() {
		granted, refused := 0, 0
		for _, id := range half {
			switch vote, ok := votes[id]; {
			case ok && vote:
				granted++
			case ok:
				refused++
			}
		}
		quorum := len(half)/2 + 1
		won = won && granted >= quorum
		lost = lost || refused > len(half)-quorum
	}
	return won, lost
}

// majorityValue is the highest value that a majority of each half reaches, as compare orders them.
func majorityValue[T any](halves [][]NodeID, value func(NodeID) T, compare func(a, b T) int) T {
	var least T
	var few [7]T // as many voters as most clusters have cost no allocation
	for i, half := range halves {
		values := few[:0]
		for _, id := range half {
			values = append(values, value(id))
		}
		slices.SortFunc(values, compare)
		reached := values[len(values)-(len(half)/2+1)]
		if i == 0 || compare(reached, least) < 0 {
			least = reached
		}
	}
	return least
}
