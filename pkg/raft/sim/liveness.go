package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"whitewater/pkg/raft/protocol"
)

// liveness notes, once a majority is healed, what nodes do to get or keep a leader, so that a cluster that gets nowhere
// can be explained: who waits for whom.
type liveness struct {
	r     *run
	core  []*server
	began time.Duration
	open  bool

	campaigns map[protocol.NodeID]int
	ledBefore map[protocol.NodeID]bool // when it began
	led       map[protocol.NodeID]int
	gaveWay   map[pair]int // a leader, to the candidate of a later term
	lostTouch map[protocol.NodeID]int
	refused   map[refusal]int
	put       map[delay]int // off: an election timer
}

type pair struct{ node, by protocol.NodeID }

type delay struct {
	pair
	message string
}

type refusal struct {
	pair
	why protocol.VoteDecision
}

func (l *liveness) begin(core []*server) {
	*l = liveness{
		r: l.r, core: core, began: l.r.now, open: true,
		campaigns: map[protocol.NodeID]int{}, ledBefore: map[protocol.NodeID]bool{}, led: map[protocol.NodeID]int{}, gaveWay: map[pair]int{},
		lostTouch: map[protocol.NodeID]int{}, refused: map[refusal]int{}, put: map[delay]int{},
	}
	for _, s := range l.r.servers {
		l.ledBefore[s.id] = s.up && s.Role() == protocol.Leader
	}
}

// observe takes in one event of a node.
func (l *liveness) observe(s *server, e protocol.Event) {
	if e, ok := e.(protocol.ElectionStarted); ok && !e.PreVote {
		l.r.oracle.candidates[s.Term()] = s.id
	}
	if !l.open {
		return
	}
	switch e := e.(type) {
	case protocol.ElectionStarted:
		l.campaigns[s.id]++
	case protocol.RoleChanged:
		switch {
		case e.To == protocol.Leader:
			l.led[s.id]++
		case e.From == protocol.Leader && e.Trigger == protocol.HigherTerm:
			l.gaveWay[pair{s.id, l.r.oracle.candidates[e.Term]}]++
		case e.Trigger == protocol.QuorumLost:
			l.lostTouch[s.id]++
		}
	case protocol.VoteDecided:
		if e.Decision != protocol.Granted {
			l.refused[refusal{pair{s.id, e.Candidate}, e.Decision}]++
		}
	}
}

// putOff notes that a message made a node wait longer before it campaigns.
func (l *liveness) putOff(s *server, m protocol.Message) {
	if l.open && s.up && s.Role() != protocol.Leader {
		name, _, _ := strings.Cut(messageText(m, promise{}), " ")
		l.put[delay{pair{s.id, m.From}, name}]++
	}
}

// changes is how often a healed node has lost its office. One that leads from outside may lose it for good reason.
func (l *liveness) changes() int {
	total := 0
	for at, count := range l.gaveWay {
		if l.r.network.core[at.node] {
			total += count
		}
	}
	for node, count := range l.lostTouch {
		if l.r.network.core[node] {
			total += count
		}
	}
	return total
}

// explain says, in words, who waits for whom.
func (l *liveness) explain() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("in the %v since these nodes were healed:", l.r.now-l.began)
	for _, s := range l.r.servers {
		for _, at := range sorted(l.gaveWay) {
			if at.node == s.id {
				line("- %s gave up office %s, for a later term in which %s had campaigned", s.id, times(l.gaveWay[at]), at.by)
			}
		}
		if count := l.lostTouch[s.id]; count > 0 {
			line("- %s gave up office %s, because no majority answered it", s.id, times(count))
		}
	}
	for _, s := range l.r.servers {
		if count := l.campaigns[s.id]; count > 0 {
			line("- %s asked for votes %s and came to lead %s%s%s", s.id, times(count), times(l.led[s.id]), l.refusals(s.id), l.unheard(s))
		}
	}
	for _, at := range sorted(l.put) {
		if !l.ledBefore[at.by] && l.led[at.by] == 0 {
			line("- %s put off its campaign %s for a %s of %s, which did not lead", at.node, times(l.put[at]), at.message, at.by)
		}
	}
	if len(l.campaigns) == 0 {
		line("- nobody campaigned")
	}
	line("how they stand:")
	line("%s", l.r.standings())
	return b.String()
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// refusals says who would not vote for a candidate, and why.
func (l *liveness) refusals(candidate protocol.NodeID) string {
	var parts []string
	for _, at := range sorted(l.refused) {
		if at.by == candidate {
			parts = append(parts, fmt.Sprintf("%s refused %s (%s)", at.node, times(l.refused[at]), at.why))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// unheard says which leader a candidate cannot hear, and through whom it disturbs it.
func (l *liveness) unheard(s *server) string {
	cut := func(from, to protocol.NodeID) bool { return l.r.network.cut[[2]protocol.NodeID{from, to}] > 0 }
	for _, leader := range l.core {
		if l.led[leader.id] == 0 && leader != l.r.leader() || !cut(leader.id, s.id) {
			continue
		}
		for _, other := range l.core {
			if other != leader && other != s && !cut(s.id, other.id) {
				return fmt.Sprintf("; it does not hear %s, since nothing passes from %s to it, while what it says reaches %s", leader.id, leader.id, other.id)
			}
		}
	}
	return ""
}

// sorted are a map's keys in one order.
func sorted[K comparable](m map[K]int) []K {
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}
