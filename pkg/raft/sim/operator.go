package sim

import (
	"math/rand/v2"
	"time"

	"whitewater/pkg/raft/protocol"
)

// operatorPeriod is how often the operator looks after a member that lost its disk.
const operatorPeriod = 500 * time.Millisecond

// operate lets the operator replace a member that lost its disk, for as long as the run lasts.
func (f *faults) operate() {
	f.r.after(operatorPeriod, func() {
		if f.wiped != nil {
			f.removeWiped()
		}
		f.operate()
	})
}

// changeMembers asks the leader for some change: one node added, one removed, both, or the change under way taken back.
func (f *faults) changeMembers(r *rand.Rand) {
	leader := f.r.leader()
	if leader == nil || leader.paused || f.wiped != nil {
		return
	}
	var change protocol.Change
	config, kind := leader.Configuration(), r.IntN(4)
	for _, i := range r.Perm(len(f.r.servers)) {
		id := f.r.servers[i].id
		m, member := config.Member(id)
		switch {
		case !member && kind != 1 && len(change.Add) == 0:
			change.Add = []protocol.Member{{ID: id, Suffrage: one(r, protocol.Voter, protocol.Voter, protocol.Learner)}}
		case member && kind == 3 && m.Suffrage == protocol.Joining,
			member && kind > 0 && kind < 3 && len(change.Remove) == 0 && len(config.Members) > 2:
			change.Remove = []protocol.NodeID{id}
		case member && kind == 0 && m.Suffrage == protocol.Learner && len(change.Add) == 0:
			change.Add = []protocol.Member{{ID: id}}
		}
	}
	if kind == 3 {
		change.Add = nil
	}
	f.ask(leader, change)
}

// remove has the leader remove a member.
func (f *faults) remove(s *server) {
	leader := f.r.leader()
	if leader == nil || leader.paused || f.wiped != nil {
		return
	}
	if c := leader.Configuration(); len(c.Members) > 2 {
		f.ask(leader, protocol.Change{Remove: []protocol.NodeID{s.id}})
	}
}

// ask gives the leader a change of members.
func (f *faults) ask(leader *server, change protocol.Change) {
	leader.input(func(now time.Time) protocol.Output {
		out, refusal := leader.Change(now, change)
		if refusal == nil {
			f.tell("members %+v", change)
			f.r.counts["changes"]++
		}
		return out
	})
}

// expendable reports whether the cluster can do without a member's disk: one at a time, and only where a majority of the
// others remains.
func (f *faults) expendable(s *server) bool {
	leader := f.r.leader()
	if leader == nil || f.wiped != nil || !s.up || s.disk.faulted() {
		return false
	}
	status := leader.Status()
	m, member := status.Configuration.Member(s.id)
	for _, other := range f.r.servers { // nor may one come into force that counts on this disk
		if other.Node != nil && other.Status().ConfigurationIndex > status.ConfigurationIndex {
			return false
		}
	}
	voters := 0
	for _, other := range status.Configuration.Members {
		if other.Suffrage == protocol.Voter {
			voters++
		}
	}
	return status.ConfigurationCommitted && !status.Configuration.Changing() && voters >= 3 && member && m.Directory != ""
}

// wipe loses a member's disk; the node comes back with an empty one and waits to be added.
func (f *faults) wipe(s *server) {
	if f.expendable(s) {
		s.stop("its disk is lost")
		f.replace(s)
		s.start()
	}
}

func (f *faults) replace(s *server) {
	s.disk.stopped()
	s.disk.replace()
	s.joins = true
	f.wiped = s
	f.r.counts["disks lost"]++
	f.tell("wipe %s", s.id)
}

// flip starts a node over a log that has rotted. Storage must refuse what it acknowledged and cannot read; the disk is then
// replaced.
func (f *faults) flip(s *server, r *rand.Rand) {
	if !f.expendable(s) {
		return
	}
	s.stop("its log rots")
	s.disk.lose(Kill)
	s.disk.rot(r)
	f.r.counts["bits flipped"]++
	s.start()
}

// removeWiped has the leader remove the member that lost its disk, and then add it again.
func (f *faults) removeWiped() {
	leader := f.r.leader()
	if leader == nil || leader.paused {
		return
	}
	m, member := leader.Configuration().Member(f.wiped.id)
	if !member || m.Directory == f.wiped.directory {
		if !leader.Status().ConfigurationCommitted {
			return
		}
		again := f.wiped.id
		f.wiped = nil
		if !member && !f.over {
			f.ask(leader, protocol.Change{Add: []protocol.Member{{ID: again}}})
		}
		return
	}
	f.ask(leader, protocol.Change{Remove: []protocol.NodeID{f.wiped.id}})
}

// forgotten sees to a node that ends because its cluster knows it by another directory.
func (f *faults) forgotten(s *server) {
	s.stop("its cluster knows it by another directory")
	if f.wiped != s {
		f.r.broken(StorageRecovers, "%s ends as if it had lost its disk", s.id)
	}
}
