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
}

// moment is one step with the changes that it brought, or several alike.
type moment struct {
	Step
	effects []string // in the order in which they came; of Changed the first is its own
	major   bool     // one of them is more than book-keeping
	times   int      // so many alike
	beats   int      // heartbeats since the moment before
	past    bool     // the end may follow from it
	named   bool     // the end's text speaks of it
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
	s := &story{nodes: nodes}
	known := func(id protocol.NodeID) bool { return slices.Contains(nodes, id) }
	quiet := map[string]*moment{} // the last of each text that changed nothing, since its nodes changed
	beats := 0
	for i := 0; i < len(steps); {
		m := &moment{Step: steps[i], times: 1}
		if m.Kind == Changed {
			m.effects = append(m.effects, m.Text)
		}
		for i++; i < len(steps) && m.Node != "" && m.Kind != Lost && follows(steps[i], m); i++ {
			if steps[i].Kind == Changed {
				m.effects = append(m.effects, steps[i].Text)
			}
		}
		if m.Node != "" && !known(m.Node) || m.From != "" && !known(m.From) {
			continue
		}
		m.effects = s.sift(m)
		switch {
		case len(m.effects) > 0 || m.Kind != Delivered && m.Kind != Lost && m.Kind != Stored && m.Kind != Changed:
			forget(quiet, m)
		case m.Kind == Stored || m.Kind == Changed:
			continue
		case strings.HasPrefix(m.Text, "heartbeat"):
			beats++
			continue
		default:
			key := string(m.Kind) + " " + string(m.From) + " " + string(m.Node) + " " + m.Text
			if before := quiet[key]; before != nil {
				before.times++
				continue
			}
			quiet[key] = m
		}
		m.beats, beats = beats, 0
		s.moments = append(s.moments, m)
	}
	return s
}

// follows says whether a step is a consequence of the moment before it.
func follows(step Step, m *moment) bool {
	return (step.Kind == Changed || step.Kind == Stored && m.Kind != Stored) && step.Node == m.Node && step.At == m.At
}

// forget drops the quiet messages of a node that changed.
func forget(quiet map[string]*moment, m *moment) {
	for key, q := range quiet {
		if q.Node == m.Node || q.From == m.Node {
			delete(quiet, key)
		}
	}
}

// sift keeps those of a moment's changes that tell something, notes how the node's column goes on, and whether the moment
// is more than book-keeping.
func (s *story) sift(m *moment) []string {
	var telling []string
	was := s.columnOf(m.Node)
	for _, effect := range m.effects {
		role := word(effect, 0)
		switch role {
		case "LEADS":
			s.turn(m.Node, leads)
		case "down":
			s.turn(m.Node, down)
		case "up", "follower", "candidate", "pre-candidate":
			s.turn(m.Node, runs)
		}
		switch {
		case role == "votes" && word(effect, 1) == string(m.Node):
			continue // a candidate's own
		case role == "follower" && was != leads && len(m.effects) > 1:
			continue // the vote or the entries say it
		case role == "pre-candidate" || role == "follower" && was != leads || role == "commit" && was != leads || role == "snapshot":
		default:
			m.major = true
		}
		telling = append(telling, effect)
	}
	return telling
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

// relate walks back from the end: a node's changes, the deliveries that brought them, what their senders had done by then.
func (s *story) relate() {
	if len(s.moments) == 0 {
		return
	}
	end := s.moments[len(s.moments)-1]
	names := mentioned(end.Text)
	horizon := map[protocol.NodeID]time.Duration{} // a node's moments up to there are in the past
	seeds := nodesIn(end.Text, s.nodes)
	if end.Node != "" {
		seeds = append(seeds, end.Node)
	}
	if len(seeds) == 0 {
		seeds = s.nodes
	}
	for _, node := range seeds {
		horizon[node] = end.At
	}
	waited := map[protocol.NodeID]string{} // a node's next change that answers add up to
	for i := len(s.moments) - 1; i >= 0; i-- {
		m := s.moments[i]
		m.named = m.names(names)
		reach, ok := horizon[m.Node]
		switch m.Kind {
		case Faulted, Phase, Broken:
			m.past = true
			continue
		case Lost:
			reach, ok = horizon[m.From]
			m.past = ok && m.At <= reach
			m.major = hasEntries(m.Text) || strings.HasPrefix(m.Text, "RequestVote") || strings.HasPrefix(m.Text, "vote")
			continue
		case Answered:
			m.past, m.major = ok && m.At <= reach, m.named
			continue
		}
		m.past = ok && m.At <= reach && (len(m.effects) > 0 || addsUp(m.Text, waited[m.Node]))
		if m.past && m.Kind == Delivered {
			horizon[m.From] = max(horizon[m.From], m.Sent)
			m.major = m.major || len(m.effects) == 0
		}
		for _, effect := range m.effects {
			switch word(effect, 0) {
			case "LEADS", "commit", "candidate", "down":
				waited[m.Node] = effect
			}
		}
	}
}

// addsUp says whether an answer that changed nothing yet helped to bring a later change.
func addsUp(answer, change string) bool {
	switch word(change, 0) {
	case "LEADS":
		return word(answer, 0) == "vote" && word(answer, 1) == word(change, 1)
	case "commit":
		return word(answer, 0) == "ok" && lastIndex(word(answer, 1)) >= lastIndex(word(change, 1))
	}
	return false
}

func hasEntries(text string) bool { return strings.HasPrefix(text, "AppendEntries ") }

// names says whether a moment is of an operation, an entry or a leadership that names hold.
func (m *moment) names(names mentions) bool {
	texts := append([]string{m.Text}, m.effects...)
	for _, text := range texts {
		for name := range mentioned(text) {
			if !names[name] {
				continue
			}
			if name[0] != 't' || word(text, 0) == "LEADS" || word(text, 0) == "votes" {
				return true
			}
		}
	}
	return false
}

// rank says how much a reader would miss a moment: 0 not at all.
func (m *moment) rank() int {
	whole := m.Kind == Faulted || m.Kind == Asked && len(m.effects) > 0
	switch {
	case m.Kind == Broken:
		return 9
	case m.named && m.past:
		return 5
	case m.past && (m.major || whole):
		return 4
	case m.named:
		return 3
	case m.major && m.Kind != Lost:
		return 2
	case m.past || m.Kind == Phase || m.Kind == Answered || m.Kind == Asked:
		return 1
	}
	return 0
}

// worth are the moments of at least a rank, by their places.
func (s *story) worth(rank int) []int {
	var kept []int
	for i, m := range s.moments {
		if m.rank() >= rank {
			kept = append(kept, i)
		}
	}
	return kept
}

// drop leaves out n of the moments kept: those of the lowest rank, and of these the oldest.
func (s *story) drop(kept []int, n int) []int {
	order := slices.Clone(kept)
	slices.SortStableFunc(order, func(a, b int) int { return s.moments[a].rank() - s.moments[b].rank() })
	out := order[min(n, len(order)):]
	slices.Sort(out)
	return out
}
