package kv

import "whitewater/pkg/raft/protocol"

// Mutate breaks a rule, in builds tagged mutants: it must come before everything else. Other builds have nothing to break.
func (m *Machine) Mutate(mutation protocol.Mutation) {
	m.state.mutation, m.proposals.mutation = mutation, mutation
}

// memory holds the newest write of each session that this node proposed. The rule that dedup-in-leader breaks is that
// repeats are told by the replicated sessions alone.
type memory map[uint64]remembered

type remembered struct {
	*proposal
	sequence uint64
}

func (m *memory) keep(command []byte, made *proposal) {
	if c, err := decodeCommand(command); err == nil && c.Session != 0 {
		if *m == nil {
			*m = memory{}
		}
		(*m)[c.Session] = remembered{made, c.Sequence}
	}
}

// recall returns the proposal of the same write if it took effect.
func (m *memory) recall(command []byte) *proposal {
	c, err := decodeCommand(command)
	if err != nil {
		return nil
	}
	known, ok := (*m)[c.Session]
	if !ok || known.sequence != c.Sequence {
		return nil
	}
	select {
	case <-known.done:
		if known.err == nil {
			return known.proposal
		}
	default:
	}
	return nil
}

// judge answers a repeat by the key as it is now, without writing it: the rule that dedup-forgets-answer breaks is that
// the first answer stands.
func (s *state) judge(c Command, first Result) Result {
	old, present := s.keys.Get(string(c.Key))
	first.Verdict, first.Revision = Done, old.revision
	if !c.allows(old, present) {
		first.Verdict = ConditionFailed
	}
	return first
}

// adopt takes over the keys of another state that this one lacks: the rule that snap-merges breaks is that none is.
func (s *state) adopt(other *state) {
	other.keys.Scan(func(key string, r record) bool {
		if _, present := s.keys.Get(key); !present {
			s.keys.Set(key, r)
			s.bytes += int64(len(key) + len(r.value))
		}
		return true
	})
}
