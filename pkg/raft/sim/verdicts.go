package sim

import (
	"strings"

	"whitewater/pkg/raft/protocol"
)

// observe takes in one event of a node.
func (s *server) observe(e protocol.Event) {
	o := &s.r.oracle
	switch e := e.(type) {
	case protocol.RoleChanged:
		if e.To == protocol.Leader {
			o.takesOffice(s, e.Term)
		}
		s.officeChanged()
	case protocol.LeaderChanged:
		s.officeChanged()
	case protocol.VoteCast:
		o.votes(s, e.Term, e.Candidate)
	case protocol.EntriesDurable:
		o.acknowledges(s, e.Term, e.Last)
	case protocol.EntriesCommitted:
		o.commits(s, e)
	case protocol.ProtocolViolated:
		if s.r.counts["disks lost"] > 0 && strings.Contains(e.What, "directory") {
			break // a node that lost its disk is told so
		}
		s.r.broken(panicCheck(e.What), "%s tells that %s breaks the protocol: %s", s.id, e.Peer, e.What)
	}
	s.r.liveness.observe(s, e)
	if s.r.o.Trace != nil {
		s.tellEvent(e)
	}
}

// officeChanged tells those who wait on the machine.
func (s *server) officeChanged() {
	s.machine.LeadershipChanged(s.Term(), s.Role() == protocol.Leader, s.CommitIndex())
	s.later(0, s.serve)
}

// applies judges entries that the machine is about to get.
func (o *oracle) applies(s *server, entries []protocol.Entry) {
	for _, e := range entries {
		if int(e.Index) > len(o.committed) {
			o.r.broken(StateMachineSafety, "%s applies %v, which nobody has committed", s.id, e.Position())
			return
		}
		if c := o.committed[e.Index-1]; c.Term != e.Term || c.Checksum() != e.Checksum() {
			o.r.broken(StateMachineSafety, "%s applies %v where %v is committed", s.id, e.Position(), c.Position())
			return
		}
	}
}

// digestEvery is how many indices lie between two comparisons of whole states.
const digestEvery = 16

// applied judges what they did.
func (o *oracle) applied(s *server, entries []protocol.Entry) {
	for _, e := range s.machine.Effects() {
		o.effect(s, e)
	}
	if last := entries[len(entries)-1].Index; last/digestEvery != (entries[0].Index-1)/digestEvery {
		o.compare(s, last)
	}
}

// effect judges what one entry did, against what it did elsewhere and against its repeats.
func (o *oracle) effect(s *server, e Effect) {
	for len(o.at) < int(e.Index) {
		o.at = append(o.at, effectAt{})
	}
	if at := &o.at[e.Index-1]; !at.known {
		*at = effectAt{true, e}
	} else if at.effect != e {
		o.r.broken(StateMachineSafety, "%s: entry %d of session %s did %+v, elsewhere %+v", s.id, e.Index, e.Client, e, at.effect)
	}
	if !e.TookPlace {
		return
	}
	key := effectKey{e.Client, e.Number}
	if before, ok := o.effects[key]; ok && before.Index != e.Index {
		o.r.broken(ExactlyOnce, "%s: operation %d of session %s took place at %d and at %d", s.id, e.Number, e.Client, before.Index, e.Index)
	}
	o.effects[key] = e
}

// compare judges a machine's whole state against that of others at the same index.
func (o *oracle) compare(s *server, index protocol.Index) {
	digest := s.machine.Digest()
	o.r.digest.add(digest)
	if other, ok := o.digests[index]; ok && other.digest != digest {
		o.r.broken(StateMachineSafety, "after entry %d the states of %s and %s differ", index, s.id, other.by)
	}
	o.digests[index] = seen{digest, s.id}
}

func (o *oracle) restored(s *server, meta protocol.SnapshotMeta) { o.compare(s, meta.Index) }

// told judges what a client is told of a write.
func (o *oracle) told(s *server, op Operation, a Answer) {
	key := effectKey{op.Session, op.Number}
	effect, took := o.effects[key]
	switch {
	case op.Kind == Open:
	case a.Outcome == Refused:
		if took {
			o.r.broken(Acknowledged, "%s refuses operation #%d (%s), which took place at %d", s.id, op.ID, a.Reason, effect.Index)
		}
		o.r.broken(ExactlyOnce, "%s refuses operation #%d of the live session %s: %s", s.id, op.ID, op.Session, a.Reason)
	case a.Outcome == Unknown:
	case !took:
		o.r.broken(Acknowledged, "%s answers operation #%d, which never took place", s.id, op.ID)
	case effect.Answer != a.Outcome:
		o.r.broken(Acknowledged, "%s answers operation #%d otherwise than entry %d, where it took place", s.id, op.ID, effect.Index)
	case int(effect.Index) > len(o.committed):
		o.r.broken(Acknowledged, "%s answers operation #%d before entry %d is committed", s.id, op.ID, effect.Index)
	}
}
