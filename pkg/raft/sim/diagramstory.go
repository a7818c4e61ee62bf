package sim

import (
	"slices"
	"strings"
	"time"

	"whitewater/pkg/raft/protocol"
)

// story is a run as a diagram tells it: steps put together into moments, and how they hang together.
type story struct {
	nodes   []protocol.NodeID
	moments []*moment
	signs   []sign

	waiting map[protocol.NodeID][]*moment // what reached a node since it last changed by itself, and changed nothing
	quiet   map[string]*moment            // the last of each message that changed nothing, since its nodes changed
	told    map[toldEntry]bool            // entries appended
	reached map[string]uint64             // how far a node's commits, and its followers' answers, went
	members string                        // as last told
	beats   int                           // heartbeats since the last moment
	faulty  bool                          // something was broken
}

// moment is one step with the changes that it brought, or several alike.
type moment struct {
	Step
	effects []string  // in the order in which they came; of Changed the first is its own
	entries []reaches // of which it is
	major   bool      // it is more than book-keeping
	times   int       // so many alike
	beats   int       // heartbeats since the moment before
	past    bool      // the end may follow from it
	named   bool      // the end's text speaks of it
	aside   bool      // it is of entries alone, and the end's text of others
	telling bool      // the end is that nothing happens, and this may be why
}

// sign is how a node's column looks from a moment on.
type sign struct {
	moment int
	node   protocol.NodeID
	column rune
}

const (
	runs  = '│'
	leads = '║'
	down  = ':'
)

// newStory puts steps together.
func newStory(steps []Step, nodes []protocol.NodeID) *story {
	s := &story{
		nodes: nodes, waiting: map[protocol.NodeID][]*moment{}, quiet: map[string]*moment{}, told: map[toldEntry]bool{},
		reached: map[string]uint64{},
	}
	for i := 0; i < len(steps); {
		m := &moment{Step: steps[i], times: 1}
		if m.Kind == Changed || m.Kind == Stored {
			m.effects = append(m.effects, m.Text)
		}
		for i++; i < len(steps) && m.Node != "" && m.Kind != Lost && follows(steps[i], m); i++ {
			m.effects = append(m.effects, steps[i].Text)
		}
		if s.knows(m.Node) && s.knows(m.From) {
			s.add(m, i < len(steps) && steps[i].Kind == Broken)
		}
	}
	return s
}

func (s *story) knows(id protocol.NodeID) bool { return id == "" || slices.Contains(s.nodes, id) }

// follows says whether a step is a consequence of the moment before it.
func follows(step Step, m *moment) bool {
	return (step.Kind == Changed || step.Kind == Stored) && step.Node == m.Node && step.At == m.At
}

// add takes a moment in, unless it tells nothing; the last before the end always does.
func (s *story) add(m *moment, last bool) {
	was := s.columnOf(m.Node)
	m.effects = s.sift(m)
	s.measure(m)
	message := m.Kind == Delivered || m.Kind == Lost
	switch {
	case len(m.effects) > 0:
		if s.completes(m, was) {
			return
		}
		s.forget(m.Node)
	case last && m.Kind != Phase:
		m.major = true
	case m.Kind == Stored || m.Kind == Changed:
		return
	case strings.HasPrefix(m.Text, "heartbeat") && message:
		s.beats++
		return
	case message:
		key := string(m.Kind) + " " + string(m.From) + " " + string(m.Node) + " " + m.Text
		if before := s.quiet[key]; before != nil {
			before.times++
			return
		}
		s.quiet[key] = m
	}
	if len(m.effects) == 0 && (m.Kind == Delivered || m.Kind == Asked) {
		s.waiting[m.Node] = append(s.waiting[m.Node], m)
	}
	s.faulty = s.faulty || m.Kind == Faulted
	if m.Kind == Phase && !s.faulty {
		return // nothing to heal
	}
	m.beats, s.beats = s.beats, 0
	s.moments = append(s.moments, m)
}

// forget drops the quiet messages of a node that changed.
func (s *story) forget(node protocol.NodeID) {
	delete(s.waiting, node)
	for key, q := range s.quiet {
		if q.Node == node || q.From == node {
			delete(s.quiet, key)
		}
	}
}

// completes says whether a moment is what something waited for at its node: then both are one.
func (s *story) completes(m *moment, was rune) bool {
	if m.Kind != Changed && m.Kind != Stored {
		return false
	}
	for i, asked := range s.waiting[m.Node] {
		if !asks(asked, m, was) {
			continue
		}
		asked.effects, asked.major = append(asked.effects, m.effects...), true
		asked.entries = append(asked.entries, m.entries...)
		s.waiting[m.Node] = slices.Delete(slices.Clone(s.waiting[m.Node]), i, i+1)
		return true
	}
	return false
}

// asks says whether a request is for what a node then did, once that was durable, or as soon as it had time.
func asks(asked, m *moment, was rune) bool {
	effect := m.effects[0]
	switch {
	case asked.Kind == Asked:
		return word(effect, 0) == "append" && was == leads && word(asked.Text, 1) != string(Get) && m.At-asked.At < 50*time.Millisecond
	case word(effect, 0) == "votes":
		return word(asked.Text, 0) == "RequestVote" && word(effect, 1) == string(asked.From) && word(effect, 2) == word(asked.Text, 1)
	case word(effect, 0) == "append":
		entries, _, _ := strings.Cut(strings.TrimPrefix(asked.Text, "AppendEntries "), ",")
		_, of, ok := strings.Cut(entries, " ")
		return ok && "append "+of == effect
	}
	return false
}

// sift keeps those of a moment's changes that tell something, notes how the node's column goes on, and whether the moment
// is more than book-keeping.
func (s *story) sift(m *moment) []string {
	var telling []string
	was := s.columnOf(m.Node)
	for _, effect := range m.effects {
		if synced, ok := strings.CutPrefix(effect, "synced "); ok {
			if synced == "" || synced[0] == 't' || s.tell(m.Node, synced) {
				continue
			}
			effect = "append " + span1(synced) // a follower tells of entries once they are durable
		}
		minor := false
		switch first := word(effect, 0); first {
		case "LEADS":
			s.turn(m.Node, leads)
		case "down":
			s.turn(m.Node, down)
			was = down
		case "append":
			s.tell(m.Node, effect)
			if n := len(telling); n > 0 {
				if both := joined(telling[n-1], effect); both != "" {
					telling[n-1] = both
					continue
				}
			}
		case "votes":
			if word(effect, 1) == string(m.Node) {
				continue // a candidate's own
			}
		case "members":
			if s.members == "" || s.members == effect {
				s.members = effect
				continue
			}
			s.members = effect
		case "up", "follower", "candidate", "pre_candidate":
			s.turn(m.Node, runs)
			if first == "up" && was != down || first == "follower" && was != leads && len(m.effects) > 1 {
				continue // the beginning; what the vote or the entries say
			}
			minor = first != "candidate" && first != "up" && was != leads
		case "commit", "snapshot":
			minor = was != leads
		}
		m.major = m.major || !minor
		telling = append(telling, effect)
	}
	return telling
}

// tell notes that a node appended entries. It says whether it had told of all of them.
func (s *story) tell(node protocol.NodeID, entries string) bool {
	all := true
	for _, r := range reachesIn(entries) {
		for index := r.first; index <= r.last && index < r.first+maxTold; index++ {
			entry := toldEntry{node, index, r.term}
			all = all && s.told[entry]
			s.told[entry] = true
		}
	}
	return all
}

// maxTold is how many entries of one range are told apart.
const maxTold = 1 << 10

type toldEntry struct {
	node        protocol.NodeID
	index, term uint64
}

// measure notes of which entries a moment is: a commit or an answer is of those since the one before.
func (s *story) measure(m *moment) {
	since := func(who string, to uint64) {
		m.entries = append(m.entries, reaches{first: s.reached[who] + 1, last: to})
		s.reached[who] = max(s.reached[who], to)
	}
	if m.Kind == Delivered && word(m.Text, 0) == "ok" {
		since(string(m.From)+" "+string(m.Node), lastIndex(word(m.Text, 1)))
	} else if hasEntries(m.Text) || strings.HasPrefix(m.Text, "InstallSnapshot") {
		m.entries = append(m.entries, reachesIn(m.Text)...)
	}
	for _, effect := range m.effects {
		if word(effect, 0) == "commit" {
			since(string(m.Node), lastIndex(word(effect, 1)))
			continue
		}
		m.entries = append(m.entries, reachesIn(effect)...)
	}
}

func (s *story) turn(node protocol.NodeID, column rune) {
	s.signs = append(s.signs, sign{len(s.moments), node, column})
}

func (s *story) columnOf(node protocol.NodeID) rune {
	for i := len(s.signs) - 1; i >= 0; i-- {
		if s.signs[i].node == node {
			return s.signs[i].column
		}
	}
	return runs
}
