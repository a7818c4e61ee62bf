package sim

import (
	"fmt"
	"strings"
	"time"

	"whitewater/pkg/raft/protocol"
)

// liveness watches whether a healed majority commits, and notes what keeps it from doing so.
type liveness struct {
	r     *run
	core  []*server
	began time.Duration
	open  bool

	campaigns map[protocol.NodeID]int
	elected   map[protocol.NodeID]int
	deposed   map[protocol.NodeID]int // stepped down before a later term
	quorum    map[protocol.NodeID]int // stepped down for lack of answers
	refusals  map[refusal]int
}

type refusal struct {
	voter, candidate protocol.NodeID
	why              protocol.VoteDecision
	preVote          bool
}

func (l *liveness) begin(core []*server) {
	l.core, l.began, l.open = core, l.r.now, true
	l.campaigns, l.elected = map[protocol.NodeID]int{}, map[protocol.NodeID]int{}
	l.deposed, l.quorum = map[protocol.NodeID]int{}, map[protocol.NodeID]int{}
	l.refusals = map[refusal]int{}
}

// observe takes in one event of a node.
func (l *liveness) observe(s *server, e protocol.Event) {
	if !l.open {
		return
	}
	switch e := e.(type) {
	case protocol.ElectionStarted:
		l.campaigns[s.id]++
	case protocol.RoleChanged:
		switch {
		case e.To == protocol.Leader:
			l.elected[s.id]++
		case e.From == protocol.Leader && e.Trigger == protocol.HigherTerm:
			l.deposed[s.id]++
		case e.From == protocol.Leader:
			l.quorum[s.id]++
		}
	case protocol.VoteDecided:
		if e.Decision != protocol.Granted {
			l.refusals[refusal{s.id, e.Candidate, e.Decision, e.PreVote}]++
		}
	}
}

// explain says, in words, who waits for whom.
func (l *liveness) explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", l.r.disagreement())
	return b.String()
}
