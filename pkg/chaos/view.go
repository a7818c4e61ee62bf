package chaos

import "slices"

// view is what every decision of the data path rests on. It is immutable and swapped as a whole.
type view struct {
	policies map[*link]*policy
}

// policy is what is in force on one link. It is immutable.
type policy struct {
	epoch    uint64 // another one than a connection's own: the connection ends
	enabled  bool
	upstream string
	known    bool // upstream has a port
	effect   effect
	toxics   [2][]*toxic
	faults   []*faultInForce
	watches  []*watchInForce
}

func (p *policy) equal(q *policy) bool {
	return p.epoch == q.epoch && p.enabled == q.enabled && p.upstream == q.upstream && p.effect == q.effect &&
		slices.Equal(p.toxics[upstream], q.toxics[upstream]) && slices.Equal(p.toxics[downstream], q.toxics[downstream]) &&
		slices.Equal(p.faults, q.faults) && slices.Equal(p.watches, q.watches)
}

// policyLocked puts together what the control state means for l.
func (s *Server) policyLocked(l *link) *policy {
	p := &policy{
		epoch:    l.epoch,
		enabled:  l.enabled,
		upstream: l.upstream,
		known:    hasPort(l.upstream),
		faults:   slices.Clone(l.faults),
	}
	for _, t := range l.toxics {
		p.toxics[t.dir] = append(p.toxics[t.dir], t)
	}
	for _, part := range s.partitions {
		p.effect = p.effect.or(part.effect(l.source, l.target))
	}
	if l.protocol == ProtocolMsgpackRPC {
		for _, w := range s.watches {
			p.watches = append(p.watches, l.watchLocked(w))
		}
	}
	return p
}
