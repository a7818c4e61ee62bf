package sim

import (
	"slices"
	"strings"
	"time"

	"whitewater/pkg/raft/protocol"
)

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
	names.nodes = seeds
	for _, node := range seeds {
		horizon[node] = end.At
	}
	waited := map[protocol.NodeID]string{} // a node's next change that answers add up to
	for i := len(s.moments) - 1; i >= 0; i-- {
		m := s.moments[i]
		m.named, m.aside, m.telling = m.in(names), m.asideOf(names), names.stuck && len(m.entries) == 0
		m.judge(i == len(s.moments)-2, horizon, waited)
		for _, effect := range m.effects {
			switch word(effect, 0) {
			case "LEADS", "commit", "candidate", "down":
				waited[m.Node] = effect
			}
		}
	}
}

// judge says whether the end may follow from a moment.
func (m *moment) judge(last bool, horizon map[protocol.NodeID]time.Duration, waited map[protocol.NodeID]string) {
	reach, ok := horizon[m.Node]
	switch m.Kind {
	case Faulted, Phase, Broken:
		m.past = true
	case Lost:
		reach, ok = horizon[m.From]
		m.past = ok && m.At <= reach
		m.major = hasEntries(m.Text) || strings.HasPrefix(m.Text, "RequestVote") || strings.HasPrefix(m.Text, "vote")
	case Asked, Answered:
		m.past = last || ok && m.At <= reach && (m.named || len(m.effects) > 0)
		m.major = m.named || len(m.effects) > 0
	default:
		m.past = last || ok && m.At <= reach && (len(m.effects) > 0 || addsUp(m.Text, waited[m.Node]))
		if m.past && m.Kind == Delivered {
			horizon[m.From] = max(horizon[m.From], m.Sent)
			m.major = m.major || len(m.effects) == 0
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

// in says whether names hold a moment's operation, one of its entries or its vote or leadership.
func (m *moment) in(names mentions) bool {
	for _, operation := range anOperation.FindAllString(m.Text, -1) {
		if names.operations[operation] {
			return true
		}
	}
	concerned := slices.Contains(names.nodes, m.Node) || slices.Contains(names.nodes, m.From)
	for _, text := range append([]string{m.Text}, m.effects...) {
		switch word(text, 0) {
		case "LEADS", "candidate":
			if names.terms[word(text, 1)] {
				return true
			}
		case "RequestVote", "vote":
			if concerned && names.terms[word(text, 1)] {
				return true
			}
		case "votes":
			if names.terms[word(text, 2)] {
				return true
			}
		}
	}
	return m.covers(names) && (m.major || concerned || len(m.effects) == 0)
}

func (m *moment) covers(names mentions) bool {
	return slices.ContainsFunc(m.entries, func(r reaches) bool {
		return slices.ContainsFunc(names.indexes, func(index uint64) bool { return r.first <= index && index <= r.last })
	})
}

// asideOf says whether a moment is of nothing but entries that do not matter to the end.
func (m *moment) asideOf(names mentions) bool {
	if len(m.entries) == 0 || len(names.indexes) == 0 && !names.elections || m.covers(names) {
		return false
	}
	return !slices.ContainsFunc(m.effects, func(effect string) bool {
		return !slices.Contains([]string{"append", "commit", "snapshot"}, word(effect, 0))
	})
}

// rank says how much a reader would miss a moment: 0 not at all.
func (m *moment) rank() int {
	first, second := word(m.Text, 0), word(m.Text, 1)
	switch {
	case m.Kind == Broken:
		return 9
	case m.named && m.past:
		return 5
	case m.Kind == Faulted, m.past && m.major && !m.aside:
		return 4
	case m.named:
		return 3
	case m.telling && (m.Kind == Delivered || m.Kind == Changed):
		return 2
	case m.Kind == Asked, m.Kind == Answered && (second == "refused" || second == "unknown"):
		return 0
	case m.Kind == Lost, m.Kind == Delivered && len(m.effects) == 0:
		return 0
	case first == "pre_candidate":
		return 0
	case m.major && !m.aside && len(m.entries) == 0:
		return 2
	}
	return 1
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
