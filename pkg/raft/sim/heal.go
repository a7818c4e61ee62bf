package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"whitewater/pkg/raft/protocol"
)

// Bounds of virtual time, in election time-outs of 600 ms.
const (
	electionTimeout = 600 * time.Millisecond
	liveLimit       = 20 * electionTimeout
	settleTime      = 5 * electionTimeout
	calmTime        = 10 * electionTimeout
	convergeLimit   = 100 * electionTimeout

	mostChanges = 1 // of leaders in calmTime
)

// heal ends the faults for one majority only, and wants a commit in time: the rest stays broken, and some of it goes on
// disturbing.
func (r *run) heal() {
	if r.failure != nil {
		return
	}
	r.faults.over = true
	core := r.drawCore()
	r.network.core = map[protocol.NodeID]bool{}
	var names []string
	for _, s := range core {
		r.network.core[s.id] = true
		names = append(names, string(s.id))
	}
	r.tell(Phase, "", func() string { return strings.Join(names, " ") + " are healed, the rest stays broken" })
	for i := range r.faults.ends {
		r.faults.end(i)
	}
	for _, s := range r.servers {
		if r.network.core[s.id] {
			r.mend(s)
		} else {
			r.spoil(s)
		}
	}
	r.liveness.begin(core)
	probe := newClient(r, len(r.clients))
	r.clients = append(r.clients, probe)
	probe.ask(Request{Kind: Get}) // before any write: a leader of few words has to serve it too
	probe.ask(Request{Kind: Put})
	if !r.advance(liveLimit, probe.idle) {
		r.broken(Liveness, "nothing commits within %v although %s can all reach one another\n%s", liveLimit, strings.Join(names, ", "), r.liveness.explain())
		return
	}
	r.counts["live ms"] = int((r.now - r.liveness.began) / time.Millisecond)
	if !r.plan.Tuning.DisablePreVote {
		r.advance(settleTime, never)
		r.liveness.begin(core)
		r.advance(calmTime, never)
		if changes := r.liveness.changes(); changes > mostChanges {
			r.broken(Calm, "%s lost their leader %s in %v although all of them can reach one another\n%s", strings.Join(names, ", "), times(changes), calmTime, r.liveness.explain())
		}
	}
	r.liveness.open = false
}

// drawCore draws who is healed: as few nodes as make up a majority of every configuration that some node goes by.
func (r *run) drawCore() []*server {
	var configs []protocol.Configuration
	for _, s := range r.servers {
		if s.Node != nil {
			c := s.Configuration()
			c.Joint = c.Joint || c.Changing() // it may go on to be
			configs = append(configs, c)
		}
	}
	draw := rand.New(rand.NewPCG(r.plan.Core, 3))
	in := map[protocol.NodeID]bool{}
	for _, i := range draw.Perm(len(r.servers)) {
		if s := r.servers[i]; s != r.faults.wiped {
			in[s.id] = true
		}
	}
	decides := func() bool {
		for _, c := range configs {
			if len(c.Members) > 0 && !c.Decides(func(id protocol.NodeID) bool { return in[id] }) {
				return false
			}
		}
		return true
	}
	for _, i := range draw.Perm(len(r.servers)) {
		id := r.servers[i].id
		if in[id] {
			if delete(in, id); !decides() {
				in[id] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(r.servers), func(s *server) bool { return !in[s.id] })
}

// mend takes all faults off a node, and starts it.
func (r *run) mend(s *server) {
	s.disk.failSync, s.disk.crashIn, s.disk.stalledTo = false, 0, 0
	s.start()
}

// spoil breaks a node outside the core: it is dead, or alone, or tied to some of the core in some direction.
func (r *run) spoil(s *server) {
	draw := stream(r.plan.Core, "spoil", uint64(s.index))
	if !r.plan.Broken || draw.IntN(4) == 0 {
		s.stop("it stays broken")
		s.broken = true
		return
	}
	s.start()
	for _, other := range r.servers {
		if other == s {
			continue
		}
		for _, link := range [][2]protocol.NodeID{{s.id, other.id}, {other.id, s.id}} {
			r.network.cut[link] = draw.IntN(2)
		}
	}
}

// converge ends all faults, and wants every member to hold and apply the same, and every client to have its answer.
func (r *run) converge() {
	if r.failure != nil {
		return
	}
	r.tell(Phase, "", func() string { return "all nodes are healed" })
	clear(r.network.cut)
	for _, c := range r.clients {
		c.queue = nil // what they have still to ask is no matter of agreement
	}
	for _, s := range r.servers {
		r.network.core[s.id] = true
		s.broken = false
		r.mend(s)
	}
	if !r.advance(convergeLimit, r.agree) && r.failure == nil {
		r.broken(Convergence, "no agreement within %v of the end of all faults\n%s", convergeLimit, r.disagreement())
		return
	}
	if r.failure == nil {
		r.judge()
	}
}

// agree reports whether every member of the leader's configuration has applied the whole log, no change of members is
// under way, and no client waits.
func (r *run) agree() bool {
	leader := r.leader()
	if leader == nil || r.faults.wiped != nil || leader.Configuration().Changing() {
		return false
	}
	for _, c := range r.clients {
		if c.op != nil {
			return false
		}
	}
	last := leader.LastIndex()
	for _, id := range leader.Configuration().IDs() {
		if s := r.byID[id]; !s.up || s.AppliedIndex() != last || s.CommitIndex() != last || len(s.writes) > 0 {
			return false
		}
	}
	for _, id := range leader.Configuration().IDs() {
		r.oracle.compare(r.byID[id], last)
	}
	return true
}

// disagreement tells what each node and client waits for.
func (r *run) disagreement() string {
	lines := []string{r.standings()}
	for _, c := range r.clients {
		if c.op != nil {
			lines = append(lines, fmt.Sprintf("%s waits since %v for #%d %s %s", c.name(), c.began, c.op.ID, c.op.Kind, c.op.Key))
		}
	}
	return strings.Join(lines, "\n")
}

// standings tells where each node stands.
func (r *run) standings() string {
	var lines []string
	for _, s := range r.servers {
		if !s.up {
			lines = append(lines, fmt.Sprintf("%s is down", s.id))
			continue
		}
		st := s.Status()
		lines = append(lines, fmt.Sprintf("%s: %v of term %d, leader %q, log ends at %d.%d, committed %d, applied %d, members %v",
			s.id, st.Role, st.Term, st.Leader, st.LastTerm, st.LastIndex, st.CommitIndex, st.AppliedIndex, st.Configuration))
	}
	return strings.Join(lines, "\n")
}
