package sim

import (
	"slices"
	"time"

	"whitewater/pkg/raft/protocol"
)

// reply is what a node tells a client. Where it says to try elsewhere, leader is whom the node takes for one.
type reply struct {
	answer    Answer
	value     Value // of Get
	elsewhere bool
	leader    protocol.NodeID
}

// proposed is a client's write that waits for its entry to be applied.
type proposed struct {
	op     Operation
	answer func() (Answer, bool)
	tell   func(reply)
}

// reading is a linearizable read on its way.
type reading struct {
	id    uint64
	op    Operation
	floor protocol.Index // committed when it began
	index protocol.Index // it may be served once this is applied; 0: not known yet
	tell  func(reply)
}

// request takes in a client's operation.
func (s *server) request(op Operation, tell func(reply)) {
	if op.Kind == Get {
		s.readID++
		r := &reading{id: s.readID, op: op, floor: protocol.Index(len(s.r.oracle.committed)), tell: tell}
		s.reads = append(s.reads, r)
		s.input(func(now time.Time) protocol.Output { return s.Read(now, r.id) })
		return
	}
	var refusal error
	var answer func() (Answer, bool)
	s.input(func(now time.Time) protocol.Output {
		var out protocol.Output
		answer, refusal = s.machine.Write(op, now, func(command []byte) (protocol.Position, error) {
			position, proposal, err := s.Propose(now, command)
			out = proposal
			return position, err
		})
		return out
	})
	if refusal != nil {
		s.elsewhere(tell)
		return
	}
	s.writes = append(s.writes, proposed{op, answer, tell})
	s.serve()
}

// elsewhere sends a client on.
func (s *server) elsewhere(tell func(reply)) {
	leader := s.Leader()
	if leader == s.id {
		leader = ""
	}
	tell(reply{elsewhere: true, leader: leader})
}

// readEnded takes in the protocol's word on a read.
func (s *server) readEnded(result protocol.ReadResult) {
	i := slices.IndexFunc(s.reads, func(r *reading) bool { return r.id == result.ID })
	if i < 0 {
		return
	}
	r := s.reads[i]
	if result.Err != nil {
		s.reads = slices.Delete(s.reads, i, i+1)
		s.elsewhere(r.tell)
		return
	}
	if result.Index < r.floor {
		s.r.broken(FreshReads, "%s serves read #%d from index %d, and %d was committed when it began", s.id, r.op.ID, result.Index, r.floor)
	}
	r.index = max(1, result.Index)
	s.later(0, s.serve)
}

// serve answers whoever can be answered by now.
func (s *server) serve() {
	s.writes = slices.DeleteFunc(s.writes, func(w proposed) bool {
		a, ok := w.answer()
		if ok {
			s.r.oracle.told(s, w.op, a)
			w.tell(reply{answer: a})
		}
		return ok
	})
	s.reads = slices.DeleteFunc(s.reads, func(r *reading) bool {
		ready := r.index > 0 && r.index <= s.AppliedIndex()
		if ready {
			s.r.counts["reads"]++
			r.tell(reply{answer: Answer{Outcome: Done}, value: s.machine.Read(r.op.Key)})
		}
		return ready
	})
}
